/** `onemount serve`. */
import { resolve } from "node:path"
import { Console, Effect } from "effect"
import type { Option } from "effect"
import { serveDrive } from "../app.ts"
import { daemonLayer } from "./daemon.ts"
import { failure } from "./exit.ts"
import { portProblem, sourcesOf } from "./settings.ts"

interface Options {
  readonly dir: string
  readonly port: number
  readonly host: string
  readonly sample: boolean
  readonly config: Option.Option<string>
  readonly set: Option.Option<Readonly<Record<string, string>>>
}

export const serveCommand = Effect.fn("cli.serve")(function* (options: Options) {
  const { port, host } = options
  const problem = portProblem(port)
  if (problem !== undefined) return yield* failure("usage", problem)
  const dir = resolve(options.dir)
  const serving = serveDrive({
    dir,
    host,
    port,
    sample: options.sample,
    onListening: (url) => Console.log(`listening ${url}`)
  })
  yield* serving.pipe(
    Effect.catchTag(["DriveFolderError", "ServeError"], (error) => Effect.fail(failure("inUse", error.message))),
    Effect.provide(daemonLayer(sourcesOf(options))),
    Effect.catchTag("ConfigError", (error) => Effect.fail(failure("usage", error.message)))
  )
})

/** `onemount serve`. */
import { resolve } from "node:path"
import { Console, Effect, Option } from "effect"
import { serveDrive } from "../app.ts"
import { daemonLayer } from "./daemon.ts"
import { failure } from "./exit.ts"
import { portProblem, sourcesOf } from "./settings.ts"

interface Options {
  readonly dir: string
  readonly port: number
  readonly host: string
  readonly allowRemote: boolean
  readonly tlsPort: Option.Option<number>
  readonly proxyPort: Option.Option<number>
  readonly sample: boolean
  readonly config: Option.Option<string>
  readonly set: Option.Option<Readonly<Record<string, string>>>
}

export const serveCommand = Effect.fn("cli.serve")(function* (options: Options) {
  const { port, host, allowRemote } = options
  const [tlsPort, proxyPort] = [Option.getOrUndefined(options.tlsPort), Option.getOrUndefined(options.proxyPort)]
  const problem = [port, tlsPort ?? 0, proxyPort ?? 0].map(portProblem).find((found) => found !== undefined)
  if (problem !== undefined) return yield* failure("usage", problem)
  const dir = resolve(options.dir)
  const serving = serveDrive({
    dir,
    sample: options.sample,
    faces: { host, port, allowRemote, tlsPort, proxyPort },
    onListening: (lines) => Console.log(lines.join("\n"))
  })
  yield* serving.pipe(
    Effect.catchTag(["DriveFolderError", "ServeError"], (error) => Effect.fail(failure("inUse", error.message))),
    Effect.provide(daemonLayer(sourcesOf(options))),
    Effect.catchTag("ConfigError", (error) => Effect.fail(failure("usage", error.message)))
  )
})

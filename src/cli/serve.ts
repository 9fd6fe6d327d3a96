/** `onemount serve`. */
import { Console, Effect, Option } from "effect"
import * as GraphServer from "../graph-server/GraphServer.ts"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { daemonLayer } from "./daemon.ts"
import { failure } from "./exit.ts"
import { absolute, portProblem, sourcesOf } from "./settings.ts"

interface Options {
  readonly dir: string
  readonly port: number
  readonly host: string
  readonly allowRemote: boolean
  readonly tlsPort: Option.Option<number>
  readonly proxyPort: Option.Option<number>
  readonly kind: Option.Option<GraphServer.DriveKind>
  readonly ids: Option.Option<GraphServer.IdStyle>
  readonly sample: boolean
  readonly generate: Option.Option<number>
  readonly seed: number
  readonly scenario: string
  readonly config: Option.Option<string>
  readonly set: Option.Option<Readonly<Record<string, string>>>
}

export const serveCommand = Effect.fn("cli.serve")(function* (options: Options) {
  const { port, host, allowRemote } = options
  const [tlsPort, proxyPort] = [Option.getOrUndefined(options.tlsPort), Option.getOrUndefined(options.proxyPort)]
  const problem = [port, tlsPort ?? 0, proxyPort ?? 0].map(portProblem).find((found) => found !== undefined)
  if (problem !== undefined) return yield* failure("usage", problem)
  // Asked before anything is made in the folder.
  if (!allowRemote && !GraphServer.isLoopback(host)) return yield* failure("usage", GraphServer.notLoopback(host))
  const { seed, sample, scenario } = options
  if (!GraphServer.isPreset(scenario)) {
    const known = Object.keys(GraphServer.presets).join(", ")
    return yield* failure("usage", `--scenario is ${scenario} and has to be one of ${known}`)
  }
  const drive = {
    dir: absolute(options.dir),
    kind: Option.getOrUndefined(options.kind),
    ids: Option.getOrUndefined(options.ids),
    generate: Option.getOrUndefined(options.generate),
    seed,
    sample,
    scenario,
    faces: { host, port, allowRemote, tlsPort, proxyPort }
  }
  yield* serveDrive(drive).pipe(
    Effect.catchTag(["DriveFolderError", "ServeError"], (error) => Effect.fail(failure("inUse", error.message))),
    Effect.catchTag("ApiError", ({ message }) => Effect.fail(failure("usage", message))),
    Effect.provide(daemonLayer(sourcesOf(options))),
    Effect.catchTag("ConfigError", (error) => Effect.fail(failure("usage", error.message)))
  )
})

/** Serves an embedded drive over HTTP until the lifecycle is asked to stop; says where once everything listens. */
const serveDrive = Effect.fnUntraced(function* (drive: GraphServer.ServedDrive) {
  const lifecycle = yield* Lifecycle
  const serve = Effect.gen(function* () {
    const lines = yield* GraphServer.serveDrive(drive)
    yield* Console.log(lines.join("\n"))
    yield* lifecycle.stopping
  })
  yield* serve.pipe(Effect.scoped, Effect.provide(GraphServer.layer(drive)), Effect.raceFirst(lifecycle.stopping))
})

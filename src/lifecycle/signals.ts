/**
 * The process's edges, connected to the lifecycle while the layer lives: SIGINT and SIGTERM ask for the end, a second
 * one forces it, SIGHUP reloads the configuration, and throws that nobody caught end the daemon in order instead of
 * leaving a dead mount behind.
 */
import { Clock, Effect, Layer } from "effect"
import { Config } from "../config/Config.ts"
import { Lifecycle } from "./Lifecycle.ts"

/**
 * A terminal's Ctrl-C reaches the whole process group, and the launcher and other wrappers hand it down once more:
 * what follows within this many milliseconds is the same signal.
 */
const echo = 500

type Handler = (argument: unknown) => Effect.Effect<void>

const listen = Effect.fnUntraced(function* (event: string, handler: Handler) {
  const context = yield* Effect.context<never>()
  const listener = (argument: unknown) => {
    Effect.runForkWith(context)(handler(argument))
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on(event, listener)),
    () => Effect.sync(() => process.off(event, listener))
  )
})

/** Listens while the layer lives. */
export const layer: Layer.Layer<never, never, Lifecycle | Config> = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const config = yield* Config
    let asked: number | undefined

    const onSignal = (signal: string) => () =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        if (asked === undefined) {
          asked = now
          return yield* lifecycle.stop({ reason: signal, failed: false })
        }
        if (now - asked < echo) return
        yield* Effect.logWarning(`second ${signal}: forcing the end`)
        yield* lifecycle.force
      })

    const onHangup = () =>
      config.reload.pipe(
        Effect.tap(({ applied, later }) =>
          Effect.logInfo(
            `configuration read again: ${applied.length === 0 ? "nothing to apply" : `applied ${applied.join(", ")}`}` +
              (later.length === 0 ? "" : `; ${later.join(", ")} at the next mount`)
          )
        ),
        Effect.catchTag("ConfigError", (error) =>
          Effect.logError(`configuration unchanged: ${error.problems.join("; ")}`)
        )
      )

    const onStray = (kind: string) => (error: unknown) =>
      Effect.andThen(
        Effect.logError(kind, error),
        lifecycle.stop({ reason: `${kind}: ${error instanceof Error ? error.message : String(error)}`, failed: true })
      )

    yield* listen("SIGINT", onSignal("SIGINT"))
    yield* listen("SIGTERM", onSignal("SIGTERM"))
    yield* listen("SIGHUP", onHangup)
    yield* listen("uncaughtException", onStray("uncaught exception"))
    yield* listen("unhandledRejection", onStray("unhandled rejection"))
  })
)

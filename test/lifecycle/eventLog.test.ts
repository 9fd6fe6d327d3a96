import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Queue } from "effect"
import { Events } from "../../src/events/Events.ts"
import * as EventLog from "../../src/lifecycle/eventLog.ts"
import { Lifecycle } from "../../src/lifecycle/Lifecycle.ts"

describe("event log", () => {
  it.effect("says what somebody may have to act on", () =>
    Effect.gen(function* () {
      const lines = yield* Queue.unbounded<string>()
      const logger = Logger.make(({ logLevel, message }) => {
        Queue.offerUnsafe(lines, `${logLevel} ${String(Array.isArray(message) ? message[0] : message)}`)
      })
      const layer = EventLog.layer.pipe(
        Layer.provideMerge(Lifecycle.layer(Effect.succeed(1000))),
        Layer.provideMerge(Events.layer),
        Layer.provideMerge(Logger.layer([logger]))
      )
      yield* Effect.gen(function* () {
        const events = yield* Events
        yield* events.publish({ _tag: "DeltaApplied", items: 3 })
        yield* events.publish({ _tag: "HealthChanged", health: "signed-out", detail: "the token expired" })
        yield* events.publish({ _tag: "Conflict", path: "/a", copy: "a (conflict)", detail: "changed on both sides" })
        assert.strictEqual(yield* Queue.take(lines), "Info server: signed-out (the token expired)")
        assert.strictEqual(
          yield* Queue.take(lines),
          "Warn conflict at /a: changed on both sides; the local edit is a (conflict)"
        )
        const [fiber] = yield* Effect.flatMap(Lifecycle, (lifecycle) => lifecycle.fibers)
        assert.deepInclude(fiber, { name: "event log", state: "running" })
      }).pipe(Effect.provide(layer))
    })
  )
})

/** How often the server is asked for changes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Ref } from "effect"
import { TestClock } from "effect/testing"
import { RequestLog } from "../../src/graph-server/GraphServer.ts"
import { layerClient } from "../transfer/memory.ts"
import { device, drive, poll, temporaryDirectory } from "./device.ts"

const hour = 3_600_000

describe("polling", () => {
  it.effect("a shorter interval counts within half a minute, without a restart", () =>
    Effect.gen(function* () {
      const interval = yield* Ref.make(hour)
      const directory = yield* temporaryDirectory
      const polls = Effect.map(
        Effect.flatMap(RequestLog, (log) => log.entries),
        (entries) => entries.filter(({ url }) => url.includes("/delta")).length
      )
      const scenario = Effect.gen(function* () {
        yield* poll
        yield* TestClock.adjust("10 minutes")
        const before = yield* polls
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(yield* polls, before)
        yield* Ref.set(interval, 10_000)
        yield* TestClock.adjust("31 seconds")
        assert.isAbove(yield* polls, before)
        const soon = yield* polls
        yield* TestClock.adjust("60 seconds")
        assert.isAtLeast((yield* polls) - soon, 5)
      })
      yield* Effect.provide(scenario, device(directory, layerClient, { pollInterval: Ref.get(interval) }))
    }).pipe(Effect.provide(drive()))
  )
})

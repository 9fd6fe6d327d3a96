import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Random } from "effect"
import { TestClock } from "effect/testing"
import { parseRetryAfter } from "../../src/graph/failures.ts"
import { defaultLimits } from "../../src/graph/GraphConfig.ts"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { makeThrottleGate } from "../../src/graph/ThrottleGate.ts"
import { fileItem, json, refusal, ScriptedServer } from "./ScriptedServer.ts"
import { settle, unhurried } from "./time.ts"

const item = GraphClient.use((graph) => graph.item(ItemId("01FILE")))

describe("Retry-After", () => {
  it("is seconds or a date, bounded, and null when senseless", () => {
    const now = Date.UTC(2026, 0, 2, 3, 4, 5)
    assert.strictEqual(parseRetryAfter("30", now, 60_000), 30_000)
    assert.strictEqual(parseRetryAfter("Fri, 02 Jan 2026 03:04:25 GMT", now, 60_000), 20_000)
    assert.strictEqual(parseRetryAfter("999999", now, 60_000), 60_000)
    for (const header of [undefined, "", "0", "-5", "soon", "Fri, 02 Jan 2026 03:04:00 GMT"]) {
      assert.isNull(parseRetryAfter(header, now, 60_000))
    }
  })

  it.effect("holds back every call of the client, and releases them one after the other", () => {
    const released: Array<number> = []
    const server = new ScriptedServer(({ n }) =>
      n === 0
        ? refusal(429, "activityLimitReached", { "retry-after": "20" })
        : Effect.map(Clock.currentTimeMillis, (now) => {
            released.push(now)
            return json(fileItem())
          })
    )
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(item)
      yield* settle
      const others = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 9 }, () => item),
          { concurrency: 9 }
        )
      )
      yield* settle
      yield* TestClock.adjust(19_999)
      yield* settle
      assert.strictEqual(server.seen.length, 1)
      for (let step = 0; step < 60; step++) {
        yield* TestClock.adjust(100)
        yield* settle
      }
      yield* Fiber.join(first)
      yield* Fiber.join(others)
      assert.strictEqual(released.length, 10)
      const last = Math.max(...released)
      assert.isAtMost(last, 20_000 + defaultLimits.throttleSpread + 200)
      assert.isAbove(new Set(released).size, 5)
    }).pipe(Random.withSeed("gate"), Effect.provide(server.layer()))
  })

  it.effect("longer than callers may wait fails at once, for everybody", () => {
    const server = new ScriptedServer(() => refusal(503, "serviceNotAvailable", { "retry-after": "300" }))
    return Effect.gen(function* () {
      const first = yield* Effect.flip(item)
      const second = yield* Effect.flip(item)
      for (const { reason } of [first, second]) {
        assert.strictEqual(reason._tag === "Throttled" ? reason.retryAfter : null, 300_000)
      }
      assert.strictEqual(server.seen.length, 1)
    }).pipe(Effect.provide(server.layer()))
  })

  it.effect("closes the gate for transfers as well", () => {
    const server = new ScriptedServer(({ n }) =>
      n === 0 ? refusal(429, "", { "retry-after": "10" }) : json({ nextExpectedRanges: ["0-"] })
    )
    return Effect.gen(function* () {
      const graph = yield* GraphClient
      const fiber = yield* Effect.forkChild(item)
      yield* settle
      const status = yield* Effect.forkChild(
        graph.uploadStatus({ url: "https://up.test/s", expires: 0, nextOffset: 0 })
      )
      yield* settle
      assert.strictEqual(server.seen.length, 1)
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust(15_000)
      assert.strictEqual((yield* Fiber.join(status)).nextOffset, 0)
    }).pipe(Effect.provide(server.layer()))
  })
})

describe("without Retry-After", () => {
  it.effect("429 and 509 wait longer each time", () => {
    const server = new ScriptedServer(({ n }) => (n < 3 ? refusal(n === 1 ? 509 : 429) : json(fileItem())))
    return Effect.gen(function* () {
      const result = yield* unhurried(item)
      assert.strictEqual(result._tag, "Success")
      const waited = yield* Clock.currentTimeMillis
      // 2 s, 4 s, 8 s, each halved at most by jitter and stretched by a quarter on release.
      assert.isAtLeast(waited, 7_000)
      assert.isAtMost(waited, 17_800)
    }).pipe(Effect.provide(server.layer()))
  })

  it.effect("answers of one burst count once; a good answer starts over", () =>
    Effect.gen(function* () {
      const gate = makeThrottleGate(defaultLimits)
      const passages = yield* Effect.all([gate.pass("a"), gate.pass("b"), gate.pass("c")])
      const waits = yield* Effect.forEach(passages, (passage) => gate.close(passage, null))
      for (const wait of waits) assert.isAtMost(wait, defaultLimits.throttleBase)
      yield* TestClock.adjust(defaultLimits.throttleBase)
      const again = yield* gate.pass("d")
      const second = yield* gate.close(again, null)
      assert.isAtLeast(second, defaultLimits.throttleBase)
      yield* TestClock.adjust(2 * defaultLimits.throttleBase)
      gate.open(yield* gate.pass("e"))
      const third = yield* gate.close(yield* gate.pass("f"), null)
      assert.isAtMost(third, defaultLimits.throttleBase)
    })
  )

  it.effect("a clock that is set back does not keep it closed for longer", () =>
    Effect.gen(function* () {
      const now = 10 * 86_400_000
      yield* TestClock.setTime(now)
      const gate = makeThrottleGate(defaultLimits)
      yield* gate.close(0, 20_000)
      yield* TestClock.setTime(now - 86_400_000)
      const waiting = yield* Effect.forkChild(gate.pass("item"))
      yield* settle
      yield* TestClock.adjust(26_000)
      yield* settle
      assert.isDefined(waiting.pollUnsafe())
      assert.strictEqual(yield* Fiber.join(waiting), 1)
    })
  )

  it.effect("nobody waits forever at a gate that closes again and again", () =>
    Effect.gen(function* () {
      const gate = makeThrottleGate(defaultLimits)
      const passage = yield* gate.pass("x")
      yield* gate.close(passage, 20_000)
      const waiter = yield* Effect.forkChild(Effect.flip(gate.pass("y")))
      for (let waited = 0; waited <= defaultLimits.throttleWait; waited += 10_000) {
        yield* TestClock.adjust(10_000)
        yield* gate.close(passage, 20_000)
      }
      const error = yield* Fiber.join(waiter)
      assert.strictEqual(error.reason._tag, "Throttled")
    })
  )

  it.effect("the wait stays below its cap", () =>
    Effect.gen(function* () {
      const gate = makeThrottleGate(defaultLimits)
      for (let n = 0; n < 20; n++) {
        yield* TestClock.adjust(defaultLimits.throttleCap)
        assert.isAtMost(yield* gate.close(yield* gate.pass("x"), null), defaultLimits.throttleCap)
      }
    })
  )
})

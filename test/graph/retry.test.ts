import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Random, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { HttpClientRequest } from "effect/http"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { defaultLimits } from "../../src/graph/GraphConfig.ts"
import { fileItem, html, json, refusal, ScriptedServer } from "./ScriptedServer.ts"
import { settle, unhurried } from "./time.ts"

const id = ItemId("01FILE")
const item = GraphClient.use((graph) => graph.item(id))
const folder = GraphClient.use((graph) => graph.createFolder(ItemId("01ROOT"), "new", null))

const reasonOf = <A>(result: Result.Result<A, { readonly reason: { readonly _tag: string } }>): string =>
  Result.isSuccess(result) ? "succeeded" : result.failure.reason._tag

describe("reads", () => {
  for (const [name, reply] of [
    ["502 with HTML", () => html(502)],
    ["500", () => refusal(500, "generalException")],
    ["503 without Retry-After", () => refusal(503, "serviceNotAvailable")],
    ["423", () => refusal(423, "resourceLocked")],
    ["408", () => html(408)],
    ["a reset connection", () => ({ code: "ECONNRESET" })],
    ["a refused connection", () => ({ code: "ECONNREFUSED" })],
    ["HTML with 200", () => html(200)],
    ["an empty 200", () => new Response("")],
    ["truncated JSON", () => new Response('{"id":"01FI')],
    ["a missing field", () => json(fileItem({ name: undefined }))]
  ] as const) {
    it.effect(`are repeated after ${name}`, () => {
      const server = new ScriptedServer(({ n }) => (n < 2 ? reply() : json(fileItem())))
      return Effect.gen(function* () {
        const result = yield* unhurried(item)
        assert.strictEqual(reasonOf(result), "succeeded")
        assert.strictEqual(server.seen.length, 3)
      }).pipe(Effect.provide(server.layer()))
    })
  }

  it.effect("end after the attempts with the last error", () => {
    const server = new ScriptedServer(() => refusal(500))
    return Effect.gen(function* () {
      const error = yield* Effect.flip(unhurried(item).pipe(Effect.flatMap(Effect.fromResult)))
      assert.strictEqual(error.reason._tag, "ServerFailure")
      assert.strictEqual(error.requestId, "req-1")
      assert.strictEqual(server.seen.length, defaultLimits.attempts)
    }).pipe(Effect.provide(server.layer()))
  })

  for (const status of [400, 403, 404, 409, 412, 413, 416, 501, 507]) {
    it.effect(`are not repeated after ${status}`, () => {
      const server = new ScriptedServer(() => refusal(status))
      return Effect.gen(function* () {
        yield* Effect.flip(item)
        assert.strictEqual(server.seen.length, 1)
      }).pipe(Effect.provide(server.layer()))
    })
  }

  it.effect("wait with full jitter below 1 s, 2 s, 4 s", () => {
    const at: Array<number> = []
    const server = new ScriptedServer(() =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        at.push(now)
        return refusal(500)
      })
    )
    return Effect.gen(function* () {
      yield* unhurried(item, 10)
      const waits = at.slice(1).map((time, index) => time - (at[index] ?? 0))
      assert.strictEqual(waits.length, 3)
      waits.forEach((wait, index) => assert.isAtMost(wait, 1000 * 2 ** index + 10))
      assert.isTrue(new Set(waits).size > 1)
    }).pipe(Random.withSeed("jitter"), Effect.provide(server.layer()))
  })
})

describe("mutations", () => {
  for (const [name, reply, attempts] of [
    ["a reset connection", () => ({ code: "ECONNRESET" }), 1],
    ["500", () => refusal(500), 1],
    ["504", () => html(504), 1],
    ["a 201 that is not JSON", () => html(201), 1],
    ["a refused connection", () => ({ code: "ECONNREFUSED" }), 4],
    ["failed name resolution", () => ({ code: "ENOTFOUND" }), 4],
    ["429", () => refusal(429, "activityLimitReached", { "retry-after": "3" }), 4],
    ["503 with Retry-After", () => refusal(503, "serviceNotAvailable", { "retry-after": "3" }), 4]
  ] as const) {
    it.effect(`make ${attempts} attempts at ${name}`, () => {
      const server = new ScriptedServer(reply)
      return Effect.gen(function* () {
        const error = yield* Effect.flip(unhurried(folder).pipe(Effect.flatMap(Effect.fromResult)))
        assert.strictEqual(server.seen.length, attempts)
        assert.strictEqual(error.ambiguous, attempts === 1)
      }).pipe(Effect.provide(server.layer()))
    })
  }
})

describe("time limits", () => {
  it.effect("no answer head within the idle timeout", () => {
    const server = new ScriptedServer(() => Effect.never)
    return Effect.gen(function* () {
      const graph = yield* GraphClient
      const fiber = yield* Effect.forkChild(Effect.flip(graph.delete(id, null)))
      yield* settle
      yield* TestClock.adjust(defaultLimits.idleTimeout - 1)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason._tag, "TimedOut")
      assert.isTrue(error.ambiguous)
    }).pipe(Effect.provide(server.layer()))
  })

  it.effect("an answer that stops in the middle", () => {
    const server = new ScriptedServer(
      () =>
        new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("{")) }))
    )
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(folder))
      yield* settle
      yield* TestClock.adjust(defaultLimits.idleTimeout)
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "TimedOut")
    }).pipe(Effect.provide(server.layer()))
  })

  it.effect("an upload gets the time its size needs", () => {
    const server = new ScriptedServer(() =>
      Effect.delay(
        Effect.sync(() => json(fileItem())),
        "90 seconds"
      )
    )
    return Effect.gen(function* () {
      const graph = yield* GraphClient
      const fiber = yield* Effect.forkChild(
        graph.putContent({ _tag: "Existing", id, ifMatch: null }, new Uint8Array(4 * 1024 * 1024))
      )
      yield* settle
      yield* TestClock.adjust("91 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).id, id)
    }).pipe(Effect.provide(server.layer()))
  })

  it.effect("an endless answer is cut off", () => {
    const server = new ScriptedServer(() => json(fileItem({ padding: "x".repeat(2000) })))
    return Effect.gen(function* () {
      const { reason } = yield* Effect.flip(folder)
      assert.include(reason._tag === "Malformed" ? reason.detail : reason._tag, "1000 bytes")
    }).pipe(Effect.provide(server.layer({ limits: { answerSize: 1000 } })))
  })

  it.effect("interruption reaches the request", () => {
    let aborted = false
    const server = new ScriptedServer(() => Effect.onInterrupt(Effect.never, () => Effect.sync(() => (aborted = true))))
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(item, { startImmediately: true })
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.isTrue(aborted)
    }).pipe(Effect.provide(server.layer()))
  })
})

describe("requests", () => {
  it.effect("carry token and user agent", () => {
    const server = new ScriptedServer(() => json(fileItem()))
    return Effect.gen(function* () {
      yield* item
      const expected = HttpClientRequest.bearerToken(HttpClientRequest.get(""), Redacted.make("very-secret-token"))
      assert.strictEqual(server.seen[0]?.headers["authorization"], expected.headers["authorization"])
      assert.match(server.seen[0]?.headers["user-agent"] ?? "", /^NONISV\|OneMount\|OneMount\/\d+\.\d+\.\d+$/)
    }).pipe(Effect.provide(server.layer()))
  })
})

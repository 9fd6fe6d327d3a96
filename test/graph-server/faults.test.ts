import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { admin, drive, get, put } from "./api.ts"

const path = "/me/drive/root:/file.txt"

describe("faults", () => {
  it.effect("answer instead of the drive, as often as they were told", () =>
    Effect.gen(function* () {
      const faults = yield* GraphServer.Faults
      const headers = { "retry-after": "7" }
      const body = { error: { code: "activityLimitReached" } }
      const action = { _tag: "Respond", status: 429, headers, body } as const
      const fault = yield* faults.inject({ method: "PUT", matches: /file\.txt/, times: 2, action })
      assert.strictEqual((yield* get("/me/drive")).status, 200)
      const throttled = yield* put(`${path}:/content`, "x")
      assert.deepStrictEqual([throttled.status, throttled.headers["retry-after"]], [429, "7"])
      assert.strictEqual(throttled.body.error.code, "activityLimitReached")
      assert.strictEqual((yield* put(`${path}:/content`, "x")).status, 429)
      assert.strictEqual(yield* fault.hits, 2)
      assert.strictEqual((yield* put(`${path}:/content`, "x")).status, 201)
      yield* faults.inject({ action: { _tag: "Html", status: 503 } })
      const html = yield* get(path)
      assert.deepStrictEqual([html.status, html.headers["content-type"]], [503, "text/html"])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("cut connections before and after the effect", () =>
    Effect.gen(function* () {
      const faults = yield* GraphServer.Faults
      const log = yield* GraphServer.RequestLog
      yield* faults.inject({ method: "PUT", action: { _tag: "Refuse" } })
      const refused = yield* Effect.flip(put(`${path}:/content`, "x"))
      assert.strictEqual((refused as { reason?: { _tag: string } }).reason?._tag, "TransportError")
      assert.strictEqual((yield* get(path)).status, 404)
      yield* faults.inject({ method: "PUT", action: { _tag: "DropReply" } })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(put(`${path}:/content`, "x"))))
      assert.strictEqual((yield* get(path)).status, 200)
      const entries = yield* log.entries
      assert.deepStrictEqual(
        entries.map(({ method, status }) => `${method} ${status}`),
        ["PUT cut", "GET 404", "PUT cut", "GET 200"]
      )
    }).pipe(Effect.provide(drive()))
  )

  it.effect("spoil bodies under the length they promised", () =>
    Effect.gen(function* () {
      const faults = yield* GraphServer.Faults
      yield* put(`${path}:/content`, "hello world\n")
      const url = (yield* get(`${path}:/content`)).headers["location"] ?? ""
      yield* faults.inject({ matches: /download/, action: { _tag: "CorruptByte", offset: 4 } })
      assert.strictEqual((yield* get(url)).bytes[4], "o".charCodeAt(0) ^ 0xff)
      yield* faults.inject({ matches: /download/, action: { _tag: "CutBody", bytes: 5 } })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(get(url))))
      assert.strictEqual((yield* get(url)).text, "hello world\n")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("delay on the clock and hang until they are released", () =>
    Effect.gen(function* () {
      const faults = yield* GraphServer.Faults
      yield* faults.inject({ action: { _tag: "Delay", duration: "30 seconds" } })
      const slow = yield* Effect.forkChild(get("/me/drive"), { startImmediately: true })
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(slow.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(slow)).status, 200)
      const hang = yield* faults.inject({ times: 2, action: { _tag: "Hang" } })
      const hanging = yield* Effect.forkChild(get("/me/drive"), { startImmediately: true })
      yield* hang.firstHit
      assert.isUndefined(hanging.pollUnsafe())
      yield* hang.cancel
      assert.strictEqual((yield* Fiber.join(hanging)).status, 200)
      assert.strictEqual((yield* get("/me/drive")).status, 200)
      assert.strictEqual(yield* hang.hits, 1)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("leave counts in the request log", () =>
    Effect.gen(function* () {
      const log = yield* GraphServer.RequestLog
      yield* put(`${path}:/content`, "12345")
      yield* get(path)
      yield* get("/me/drive/root:/other")
      assert.strictEqual(yield* log.count("GET"), 2)
      assert.strictEqual(yield* log.count("GET", /file/), 1)
      const [entry] = yield* log.entries
      assert.deepStrictEqual([entry?.status, entry?.received], [201, 5])
      assert.isAbove(entry?.sent ?? 0, 100)
      yield* log.clear
      assert.deepStrictEqual(yield* log.entries, [])
      assert.strictEqual(yield* log.total, 3)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("count on when the request log has forgotten", () =>
    Effect.gen(function* () {
      const log = yield* GraphServer.RequestLog
      const request = { method: "GET", origin: "", url: "/v1.0/me", headers: {}, body: Stream.empty }
      const slow = log.open(request)
      for (let n = 0; n < 25_000; n++) {
        const entry = log.open(request)
        entry.receive(1)
        entry.send(2)
        entry.end(n % 5 === 0 ? 429 : 200)
      }
      assert.isBelow((yield* log.entries).length, 20_001)
      slow.send(10)
      yield* log.clear
      const sums = { requests: 25_001, bytesReceived: 25_000, bytesSent: 50_010 }
      const byStatus = { 200: 20_000, 429: 5000, pending: 1 }
      assert.deepStrictEqual(yield* log.counters, { ...sums, byStatus })
      slow.end(200)
      slow.end("cut")
      assert.deepStrictEqual(yield* log.counters, { ...sums, byStatus: { 200: 20_000, 429: 5000, cut: 1 } })
      const { text } = yield* admin("GET", "counters")
      assert.deepInclude(JSON.parse(text), sums)
    }).pipe(Effect.provide(drive()))
  )
})

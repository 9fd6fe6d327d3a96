import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { admin, deltaPass, drive, get, inject, post, put, remove } from "./api.ts"

const root = "/me/drive/root"
/** How long something takes on the test's clock, in milliseconds. */
const elapsed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.timed(effect), { startImmediately: true })
    yield* TestClock.adjust("1 hour")
    return Duration.toMillis((yield* Fiber.join(fiber))[0])
  })

const echo = (sent: GraphServer.DriveRequest) =>
  Effect.as(Effect.orDie(Stream.runDrain(sent.body)), {
    status: 200,
    headers: {},
    body: Stream.succeed(new Uint8Array(2000))
  })

describe("scenarios", () => {
  it.effect("make answers wait and bodies flow, the same way for the same seed", () =>
    Effect.gen(function* () {
      const weather = yield* GraphServer.Weather
      const run = Effect.gen(function* () {
        yield* weather.set({ ...GraphServer.presets.satellite, throttle: null }, 7)
        const calls = []
        for (let i = 0; i < 20; i++) calls.push(yield* elapsed(get("/me")))
        return calls
      })
      const [first, second] = [yield* run, yield* run]
      assert.deepStrictEqual(first, second)
      const median = first.toSorted((a, b) => a - b)[10] ?? 0
      assert.isTrue(median > 400 && median < 1400, String(median))
      yield* weather.set({ ...GraphServer.presets.none, uploadRate: 1000, downloadRate: 500 })
      const request = { method: "PUT", origin: "", url: "/x", headers: {}, body: Stream.succeed(new Uint8Array(3000)) }
      assert.strictEqual(yield* elapsed(weather.around(request, echo)), 3000)
      const { body } = yield* weather.around({ ...request, body: Stream.empty }, echo)
      if (body instanceof Uint8Array) return assert.fail("the body is not streamed")
      assert.strictEqual(yield* elapsed(Stream.runDrain(body)), 4000)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("have the tail that was asked for", () =>
    Effect.gen(function* () {
      const weather = yield* GraphServer.Weather
      yield* weather.set({ ...GraphServer.presets.realistic, throttle: null }, 3)
      const waits = []
      for (let i = 0; i < 2000; i++) waits.push(yield* elapsed(get("/me")))
      const sorted = waits.toSorted((a, b) => a - b)
      const at = (share: number) => sorted[Math.floor(share * sorted.length)] ?? 0
      // Percentiles of a sample: the further out, the wider.
      for (const [share, millis, tolerance] of [
        [0.5, 120, 0.1],
        [0.95, 400, 0.25],
        [0.99, 1500, 0.4]
      ] as const) {
        assert.closeTo(at(share), millis, tolerance * millis, String(share))
      }
    }).pipe(Effect.provide(drive()))
  )

  it.effect("make a first enumeration slow, page by page, and a poll for changes not", () =>
    Effect.gen(function* () {
      const weather = yield* GraphServer.Weather
      for (let i = 0; i < 5; i++) yield* put(`${root}:/f${i}:/content`, "x")
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      const next = (yield* get(`${root}/delta?top=2`)).body["@odata.nextLink"] ?? ""
      yield* weather.set({ ...GraphServer.presets.none, enumerationPerItem: 10 })
      assert.strictEqual(yield* elapsed(get(`${root}/delta`)), 2000)
      assert.strictEqual(yield* elapsed(get(next)), 20)
      for (const link of [deltaLink, `${root}/delta?token=latest`, `${root}/delta(token='latest')`]) {
        assert.strictEqual(yield* elapsed(get(link)), 0, link)
      }
    }).pipe(Effect.provide(drive()))
  )

  it.effect("share one line among all connections", () =>
    Effect.gen(function* () {
      const weather = yield* GraphServer.Weather
      yield* weather.set({ ...GraphServer.presets.none, uploadRate: 1000, totalRate: 1500 })
      const send = () => {
        const chunks = Array.from({ length: 30 }, () => new Uint8Array(100))
        const request = { method: "PUT", origin: "", url: "/x", headers: {}, body: Stream.fromIterable(chunks) }
        return weather.around(request, echo)
      }
      assert.closeTo(yield* elapsed(send()), 3000, 10)
      assert.closeTo(yield* elapsed(Effect.all([send(), send()], { concurrency: 2 })), 4000, 200)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("count permissions as five, and of a batch its parts", () =>
    Effect.gen(function* () {
      yield* put(`${root}:/f:/content`, "x")
      const throttle = { unitsPerMinute: 12, retryAfter: 12 }
      yield* admin("PUT", "scenario", { ...GraphServer.presets.none, throttle })
      yield* post(`${root}:/f:/createLink`, { type: "view" })
      yield* post("/$batch", { requests: [{ id: "1", method: "GET", url: "/me" }] })
      yield* get(`${root}:/f:/permissions`)
      assert.strictEqual((yield* get("/me")).headers["ratelimit-remaining"], "0")
      assert.strictEqual((yield* get("/me")).status, 429)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("throttle by resource units, warn from 80 %, and refill", () =>
    Effect.gen(function* () {
      const throttle = { unitsPerMinute: 10, retryAfter: 12 }
      yield* admin("PUT", "scenario", { ...GraphServer.presets.none, throttle })
      for (let i = 0; i < 3; i++) assert.isUndefined((yield* get(`${root}/children`)).headers["ratelimit-limit"])
      yield* get("/me")
      const warned = yield* get("/me")
      assert.deepStrictEqual([warned.headers["ratelimit-limit"], warned.headers["ratelimit-remaining"]], ["10", "2"])
      yield* get(`${root}/children`)
      const refused = yield* get("/me")
      assert.deepStrictEqual([refused.status, refused.headers["retry-after"]], [429, "12"])
      assert.strictEqual(refused.body.error.code, "activityLimitReached")
      yield* TestClock.adjust("12 seconds")
      assert.strictEqual((yield* get("/me")).status, 200)
    }).pipe(Effect.provide(drive()))
  )
})

describe("the admin API", () => {
  it.effect("is for the owner on this machine", () =>
    Effect.gen(function* () {
      const issued = yield* (yield* GraphServer.DriveTokens).issue
      const url = `${GraphServer.origin}/_admin/counters`
      assert.strictEqual((yield* get(url, { token: issued })).status, 403)
      assert.strictEqual((yield* get(url, { token: null })).status, 403)
      assert.strictEqual((yield* get(url)).status, 200)
      assert.strictEqual((yield* admin("GET", "nothing")).status, 404)
      assert.strictEqual((yield* admin("POST", "counters", {})).status, 405)
      assert.strictEqual((yield* admin("PUT", "scenario", { preset: "tropical" })).status, 400)
      assert.strictEqual((yield* admin("POST", "faults", { fault: "gremlins" })).status, 400)
      assert.strictEqual((yield* admin("POST", "faults", { fault: "malware", rate: 2 })).status, 400)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("scripts faults by count and path, and counts what they hit", () =>
    Effect.gen(function* () {
      yield* admin("POST", "faults", { fault: "lostReply", method: "PUT", path: "/v1.0/me/drive/root:/a", skip: 2 })
      const write = (name: string) => Effect.result(put(`${root}:/${name}:/content`, "x"))
      const outcomes = []
      for (const name of ["a", "b", "a", "a", "a"]) outcomes.push((yield* write(name))._tag)
      assert.deepStrictEqual(outcomes, ["Success", "Success", "Success", "Failure", "Success"])
      assert.strictEqual((yield* get(`${root}:/a:/versions`)).body.value.length, 4)
      const counters = JSON.parse((yield* admin("GET", "counters")).text) as {
        readonly byStatus: Record<string, number>
        readonly faults: ReadonlyArray<{ readonly hits: number }>
      }
      assert.deepStrictEqual([counters.byStatus["cut"], counters.faults[0]?.hits], [1, 1])
      assert.include((yield* admin("GET", "requests")).text, '"status":"cut"')
      yield* admin("DELETE", "requests")
      assert.notInclude((yield* admin("GET", "requests")).text, "cut")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("breaks a share of requests, drawn from the seed", () =>
    Effect.gen(function* () {
      const run = Effect.gen(function* () {
        yield* admin("PUT", "scenario", { preset: "none", seed: 11 })
        yield* admin("POST", "faults", { fault: "unavailable", rate: 0.3 })
        const statuses = []
        for (let i = 0; i < 50; i++) statuses.push((yield* get("/me")).status)
        yield* admin("DELETE", "faults")
        return statuses
      })
      const [first, second] = [yield* run, yield* run]
      assert.deepStrictEqual(first, second)
      const failed = first.filter((status) => status === 503).length
      assert.isTrue(failed > 5 && failed < 25, String(failed))
      assert.strictEqual((yield* get("/me")).status, 200)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("expires delta tokens and sets the quota", () =>
    Effect.gen(function* () {
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      assert.strictEqual((yield* admin("POST", "delta", { expire: "resyncUploadDifferences" })).status, 204)
      assert.strictEqual((yield* get(deltaLink)).status, 410)
      yield* admin("PUT", "quota", { total: 2 })
      assert.strictEqual((yield* put(`${root}:/a:/content`, "xyz")).status, 507)
    }).pipe(Effect.provide(drive()))
  )
})

const expect = <R>(
  fault: GraphServer.FaultName,
  request: Effect.Effect<{ readonly status: number }, unknown, R>,
  status: number
) =>
  Effect.gen(function* () {
    yield* inject(fault)
    assert.strictEqual((yield* request).status, status, fault)
  })

describe("the fault catalogue", () => {
  it.effect("gives the service's own answers", () =>
    Effect.gen(function* () {
      yield* put(`${root}:/f.txt:/content`, "content of a file")
      const { headers } = yield* get(`${root}:/f.txt:/content`)
      const url = headers["location"] ?? ""
      const range = { headers: { range: "bytes=2-4" } }
      yield* expect("throttled", get("/me"), 429)
      yield* expect("badGateway", get("/me"), 502)
      yield* expect("expiredToken", get("/me"), 401)
      yield* expect("deltaGoneApply", get((yield* deltaPass(`${root}/delta`)).deltaLink), 410)
      yield* expect("deltaTimeout", get(`${root}/delta`), 504)
      yield* expect("quotaReached", post(`${root}:/s:/createUploadSession`, {}), 507)
      yield* expect("downloadExpired", get(url), 401)
      yield* expect("downloadWhole", get(url, range), 200)
      yield* expect("malware", get(`${root}:/f.txt:/content`), 403)
      yield* expect("readOnly", put(`${root}:/f.txt:/content`, "x"), 403)
      yield* expect("timeoutAfterEffect", remove(`${root}:/f.txt`), 504)
      assert.strictEqual((yield* get(`${root}:/f.txt`)).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("spoils pages", () =>
    Effect.gen(function* () {
      for (const name of ["a", "b", "c"]) yield* put(`${root}:/${name}:/content`, name)
      const names = Effect.map(get(`${root}/delta`), ({ body }) => body.value.map(({ name }) => name).join(" "))
      yield* inject("deltaRepeatsItem")
      assert.strictEqual(yield* names, "root a b c a")
      yield* inject("deltaChildFirst")
      assert.strictEqual(yield* names, "c b a root")
      yield* inject("deltaEmptyPage")
      const empty = yield* get(`${root}/delta`)
      assert.strictEqual(empty.body.value.length, 0)
      assert.strictEqual((yield* get(empty.body["@odata.nextLink"] ?? "")).body.value.length, 4)
      yield* inject("deltaWithoutPath")
      assert.notInclude((yield* get(`${root}/delta`)).text, '"path"')
      yield* inject("childrenLoseOne")
      assert.strictEqual((yield* get(`${root}/children`)).body.value.length, 2)
      yield* inject("hashAbsent")
      assert.deepStrictEqual(Object.keys((yield* get(`${root}:/a`)).body.file?.hashes ?? { no: 1 }), [])
    }).pipe(Effect.provide(drive()))
  )
})

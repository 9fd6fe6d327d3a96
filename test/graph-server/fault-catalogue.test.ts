/** Every fault of the catalogue can be scripted and given a rate, and is seen in log and counters. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { admin, bytesOf, call, deltaPass, drive, get, inject, patch, post, put, remove } from "./api.ts"

const root = "/me/drive/root"

/** A request that a fault may befall; what comes of it does not matter. */
type Probe = Effect.Effect<unknown, unknown, Effect.Services<ReturnType<typeof get>> | GraphServer.Faults>

const download = Effect.flatMap(get(`${root}:/f:/content`), ({ headers }) => get(headers["location"] ?? ""))
const upload = Effect.flatMap(post(`${root}:/s:/createUploadSession`, {}), ({ body }) =>
  put(body.uploadUrl, bytesOf(1000), { headers: { "content-range": "bytes 0-999/1000" } })
)
/** A first delta, and one with its link. */
const continued = Effect.flatMap(get(`${root}/delta`), ({ body }) => get(body["@odata.deltaLink"] ?? ""))
const token = call("POST", `${GraphServer.origin}/common/oauth2/v2.0/token`, { body: "grant_type=none" })
const batch = post("/$batch", { requests: [{ id: "1", method: "GET", url: "/me" }] })

/** Pushes have no client here; the faults are asked as a socket or webhook asks them. */
const push = (url: string): Probe =>
  Effect.gen(function* () {
    const faults = yield* GraphServer.Faults
    faults.take({ method: "PUSH", origin: "", url, headers: {}, body: Stream.empty })
  })

const probes: Readonly<Record<GraphServer.FaultName, Probe>> = {
  throttled: get("/me"),
  throttledWithoutHeader: get("/me"),
  throttledBatchPart: batch,
  unavailable: get("/me"),
  badGateway: get("/me"),
  gatewayTimeout: get("/me"),
  timeoutAfterEffect: get("/me"),
  refusedConnection: get("/me"),
  lostReply: get("/me"),
  slow: Effect.forkChild(get("/me"), { startImmediately: true }),
  bandwidthExceeded: get(`${root}:/f:/content`),
  clockAhead: get("/me"),
  clockBehind: get("/me"),
  expiredToken: get("/me"),
  signInRevoked: token,
  signInUnavailable: token,
  deltaGoneApply: continued,
  deltaGoneUpload: continued,
  deltaGoneChangesApply: continued,
  deltaGoneChangesUpload: continued,
  deltaLinkOld: get(`${root}/delta`),
  deltaLinkBroken: get(`${root}/delta`),
  deltaTimeout: get(`${root}/delta`),
  deltaLag: get(`${root}/delta`),
  deltaLagLong: get(`${root}/delta`),
  deltaShortPage: get(`${root}/delta`),
  deltaRepeatsItem: get(`${root}/delta`),
  deltaEmptyPage: get(`${root}/delta`),
  deltaChildFirst: get(`${root}/delta`),
  deltaWithoutPath: get(`${root}/delta`),
  deltaWithoutCTag: get(`${root}/delta`),
  deltaFolderOnly: get(`${root}/delta`),
  childrenLoseOne: get(`${root}/children`),
  childrenRepeatOne: get(`${root}/children`),
  childrenShortPage: get(`${root}/children`),
  searchLag: get(`${root}/search(q='f')`),
  authorizationRefused: download,
  itemNotFoundYet: get(`${root}:/f`),
  hashAbsent: get(`${root}:/f`),
  hashAbsentOnEmpty: get(`${root}:/f`),
  driveIdCase: get(`${root}:/f`),
  driveIdShort: get(`${root}:/f`),
  sessionExpired: upload,
  sessionUnauthorized: upload,
  sessionConflict: upload,
  sessionOverlap: upload,
  sessionTwoRanges: upload,
  fragmentPartlyKept: upload,
  uploadErrorAfterCommit: upload,
  officeRewritten: put(`${root}:/g.docx:/content`, "g"),
  tagBump: put(`${root}:/g:/content`, "g"),
  quotaReached: post(`${root}:/s:/createUploadSession`, {}),
  downloadExpired: download,
  downloadForbidden: download,
  downloadGone: download,
  downloadWhole: download,
  downloadCut: download,
  downloadCorrupt: download,
  downloadChanged: download,
  malware: get(`${root}:/f:/content`),
  locked: patch(`${root}:/f`, { name: "f" }),
  readOnly: put(`${root}:/f:/content`, "f"),
  pushLost: push("/push/webhook/event"),
  pushDoubled: push("/push/socket/event"),
  pushDelayed: push("/push/socket/event"),
  socketClosed: push("/push/socket/event"),
  socketRefused: push("/push/socket/connect"),
  socketSilent: push("/push/socket/ping"),
  socketShortLived: get(`${root}/subscriptions/socketIo`)
}

const hits = Effect.map(admin("GET", "counters"), ({ text }) =>
  (
    JSON.parse(text) as { readonly faults: ReadonlyArray<{ readonly fault: string; readonly hits: number }> }
  ).faults.map((counted) => counted.hits)
)

describe("the fault catalogue", () => {
  it("is covered by this file", () =>
    assert.deepStrictEqual(Object.keys(probes).sort(), Object.keys(GraphServer.faultCatalogue).sort()))

  it("is in docs/embedded-drive.md, each by its name", () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/embedded-drive.md"), "utf8")
    const missing = Object.keys(GraphServer.faultCatalogue).filter((name) => !page.includes(`\`${name}\``))
    assert.deepStrictEqual(missing, [])
  })

  it.effect("has each fault scripted by count, given a rate, counted and taken back", () =>
    Effect.gen(function* () {
      for (const [name, probe] of Object.entries(probes)) {
        const fault = name as GraphServer.FaultName
        yield* put(`${root}:/f:/content`, "content")
        const ask = Effect.exit(probe)
        assert.strictEqual((yield* inject(fault, { skip: 1 })).status, 201, fault)
        yield* ask
        assert.deepStrictEqual(yield* hits, [0], `${fault} lets the first pass`)
        yield* Effect.andThen(ask, ask)
        assert.deepStrictEqual(yield* hits, [1], `${fault} befalls the second, once`)
        yield* inject(fault, { rate: 1 })
        yield* Effect.andThen(ask, ask)
        assert.isAtLeast((yield* hits)[1] ?? 0, 2, `${fault} goes on with a rate`)
        yield* admin("DELETE", "faults")
        const before = yield* hits
        yield* ask
        assert.deepStrictEqual([before, yield* hits], [[], []], `${fault} is over`)
      }
      const log = yield* GraphServer.RequestLog
      const statuses = new Set((yield* log.entries).map(({ status }) => status))
      for (const status of [429, 503, 502, 504, 401, 410, 404, 409, 416, 507, 403, 423, 509, "cut"] as const) {
        assert.isTrue(statuses.has(status), `${status} is in the log`)
      }
    }).pipe(Effect.provide(drive()))
  )

  it.effect("shows delta and search as they were a while ago", () =>
    Effect.gen(function* () {
      const names = Effect.map(deltaPass(`${root}/delta`), ({ items }) => items.map(({ name }) => name))
      const found = Effect.map(get(`${root}/search(q='late')`), ({ body }) => body.value.length)
      yield* put(`${root}:/early:/content`, "1")
      yield* TestClock.adjust("10 minutes")
      yield* put(`${root}:/late:/content`, "2")
      yield* inject("deltaLag", { rate: 1 })
      yield* inject("searchLag", { times: 1 })
      assert.notInclude(yield* names, "late")
      assert.strictEqual(yield* found, 0)
      assert.strictEqual(yield* found, 1)
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      yield* TestClock.adjust("4 seconds")
      const shown = (yield* deltaPass(deltaLink)).items.map(({ name }) => name)
      assert.include(shown, "late")
      const { deltaLink: after } = yield* deltaPass(deltaLink)
      yield* remove(`${root}:/late`)
      assert.strictEqual((yield* deltaPass(after)).items.length, 0)
      yield* admin("DELETE", "faults")
      assert.strictEqual((yield* deltaPass(after)).items.filter(({ deleted }) => deleted !== undefined).length, 1)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("is wrong about the time in all it says", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      yield* inject("clockAhead", { times: 2 })
      const { body, headers } = yield* put(`${root}:/f:/content`, "f")
      assert.strictEqual(headers["date"], "Thu, 01 Jan 1970 01:05:00 GMT")
      assert.strictEqual(body.lastModifiedDateTime, "1970-01-01T01:05:00Z")
      const session = yield* post(`${root}:/s:/createUploadSession`, {})
      assert.strictEqual(session.body.expirationDateTime, "1970-01-04T01:05:00Z")
      yield* inject("clockBehind")
      assert.strictEqual((yield* get("/me")).headers["date"], "Thu, 01 Jan 1970 00:55:00 GMT")
      assert.strictEqual((yield* get("/me")).headers["date"], "Thu, 01 Jan 1970 01:00:00 GMT")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("moves the eTag after an upload, as background work does", () =>
    Effect.gen(function* () {
      yield* inject("tagBump", { times: 2 })
      const { body: put1 } = yield* put(`${root}:/f.jpg:/content`, "f")
      const { body: now } = yield* get(`${root}:/f.jpg`)
      assert.notStrictEqual(now.eTag, put1.eTag)
      assert.strictEqual(now.cTag, put1.cTag)
      const stale = yield* patch(`${root}:/f.jpg`, { name: "g.jpg" }, { headers: { "if-match": put1.eTag } })
      assert.strictEqual(stale.status, 412)
      const session = yield* post(`${root}:/big:/createUploadSession`, {})
      const headers = { "content-range": "bytes 0-999/1000" }
      const { body: big } = yield* put(session.body.uploadUrl, bytesOf(1000), { headers })
      assert.notStrictEqual((yield* get(`${root}:/big`)).body.eTag, big.eTag)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("throttles parts of a batch and nothing else", () =>
    Effect.gen(function* () {
      yield* inject("throttledBatchPart", { path: "/v1.0/me/drive" })
      assert.strictEqual((yield* get("/me/drive")).status, 200)
      const requests = ["/me", "/me/drive", "/me"].map((url, id) => ({ id: String(id), method: "GET", url }))
      const { status, text } = yield* post("/$batch", { requests })
      const { responses } = JSON.parse(text) as { readonly responses: ReadonlyArray<{ readonly status: number }> }
      assert.deepStrictEqual([status, ...responses.map((part) => part.status)], [200, 200, 429, 200])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("makes short pages that go on, and names the drive in other ways", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 10; i++) yield* put(`${root}:/f${i}:/content`, "x")
      yield* inject("deltaShortPage")
      const page = yield* get(`${root}/delta`)
      // Seven of the log, and the root before its children.
      assert.strictEqual(page.body.value.length, 8)
      assert.strictEqual((yield* deltaPass(page.body["@odata.nextLink"] ?? "")).items.length, 4)
      yield* inject("childrenShortPage")
      assert.strictEqual((yield* get(`${root}/children`)).body.value.length, 1)
      yield* inject("driveIdCase")
      assert.strictEqual((yield* get(`${root}:/f1`)).body.parentReference.driveId, "0C0FFEE123456789")
      yield* inject("driveIdShort")
      assert.strictEqual((yield* get(`${root}:/f1`)).body.parentReference.driveId, "c0ffee123456789")
      yield* inject("deltaWithoutCTag")
      assert.notInclude((yield* get(`${root}/delta`)).text, "cTag")
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      yield* post(`${root}/children`, { name: "d", folder: {} })
      yield* put(`${root}:/d/in:/content`, "x")
      yield* remove(`${root}:/d`)
      yield* inject("deltaFolderOnly")
      const gone = (yield* get(deltaLink)).body.value.filter(({ deleted }) => deleted !== undefined)
      assert.deepStrictEqual(
        gone.map(({ name }) => name),
        ["d"]
      )
    }).pipe(Effect.provide(drive({ driveId: "0c0ffee123456789" })))
  )

  it.effect("gives two ranges, and new bytes under an old URL", () =>
    Effect.gen(function* () {
      const { body } = yield* post(`${root}:/s:/createUploadSession`, {})
      yield* inject("sessionTwoRanges")
      assert.deepStrictEqual((yield* get(body.uploadUrl)).body.nextExpectedRanges, ["0-327679", "327680-"])
      yield* put(`${root}:/f:/content`, "old")
      const url = (yield* get(`${root}:/f:/content`)).headers["location"] ?? ""
      yield* put(`${root}:/f:/content`, "new")
      assert.strictEqual((yield* get(url)).text, "old")
      yield* inject("downloadChanged")
      assert.strictEqual((yield* get(url)).text, "new")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("blocks who asks again too early, and counts bytes", () =>
    Effect.gen(function* () {
      const throttle = { unitsPerMinute: 4, retryAfter: 10, block: 60, bytesPerMinute: 1000 }
      yield* admin("PUT", "scenario", { ...GraphServer.presets.none, throttle })
      yield* put(`${root}:/f:/content`, "x")
      yield* get(`${root}/children`)
      assert.strictEqual((yield* get("/me")).status, 429)
      const blocked = yield* get("/me")
      assert.deepStrictEqual([blocked.status, blocked.headers["retry-after"]], [503, "60"])
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual((yield* get("/me")).status, 200)
      yield* admin("PUT", "scenario", { ...GraphServer.presets.none, throttle: { ...throttle, unitsPerMinute: 1000 } })
      assert.strictEqual((yield* put(`${root}:/f:/content`, bytesOf(3000))).status, 200)
      assert.strictEqual((yield* put(`${root}:/f:/content`, "x")).status, 509)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* put(`${root}:/f:/content`, "x")).status, 200)
      yield* admin("PUT", "scenario", { ...GraphServer.presets.none, visibility: 60_000, seed: 3 })
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(deltaPass(deltaLink))))
    }).pipe(Effect.provide(drive()))
  )
})

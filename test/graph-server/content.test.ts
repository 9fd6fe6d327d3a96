import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { bytesOf, drive, get, patch, put, remove } from "./api.ts"

const path = "/me/drive/root:/file.bin"
const locationOf = (item = path) => Effect.map(get(`${item}:/content`), ({ headers }) => headers["location"] ?? "")
const when = (headers: Record<string, string>, to = path) => put(`${to}:/content`, "3", { headers })
const range = (value: string) => ({ headers: { range: value } })

describe("download", () => {
  it.effect("redirects to a URL that serves ranges", () =>
    Effect.gen(function* () {
      const bytes = bytesOf(1000)
      yield* put(`${path}:/content`, bytes)
      const url = yield* locationOf()
      const whole = yield* get(url)
      assert.strictEqual(whole.status, 200)
      assert.deepStrictEqual(new Uint8Array(whole.bytes), bytes)
      assert.strictEqual(whole.headers["accept-ranges"], "bytes")
      assert.strictEqual(whole.headers["content-length"], "1000")
      const ranges: ReadonlyArray<readonly [string, number, number]> = [
        ["bytes=0-0", 0, 1],
        ["bytes=10-19", 10, 20],
        ["bytes=990-", 990, 1000],
        ["bytes=-7", 993, 1000],
        ["bytes=900-5000", 900, 1000]
      ]
      for (const [value, from, to] of ranges) {
        const part = yield* get(url, range(value))
        assert.strictEqual(part.status, 206, value)
        assert.strictEqual(part.headers["content-range"], `bytes ${from}-${to - 1}/1000`)
        assert.deepStrictEqual(new Uint8Array(part.bytes), bytes.slice(from, to), value)
      }
      for (const value of ["bytes=1000-", "bytes=5000-6000", "bytes=-0"]) {
        const refused = yield* get(url, range(value))
        assert.strictEqual(refused.status, 416, value)
        assert.strictEqual(refused.headers["content-range"], "bytes */1000")
      }
      for (const value of ["bytes=5-2", "lines=1-2", "bytes=0-1,4-5"]) {
        assert.strictEqual((yield* get(url, range(value))).status, 200, value)
      }
    }).pipe(Effect.provide(drive()))
  )

  it.effect("serves the version a URL was made for, until it is gone for good", () =>
    Effect.gen(function* () {
      yield* put(`${path}:/content`, "first")
      const first = yield* locationOf()
      yield* put(`${path}:/content`, "second")
      const second = yield* locationOf()
      assert.strictEqual((yield* get(first)).text, "first")
      assert.strictEqual((yield* get(second)).text, "second")
      yield* remove(path)
      assert.strictEqual((yield* get(second, range("bytes=1-2"))).text, "ec")
      yield* TestClock.adjust("6 minutes")
      yield* put("/me/drive/root:/other:/content", "sweeps")
      assert.strictEqual((yield* get(first)).status, 404)
      assert.strictEqual((yield* get(second)).status, 404)
    }).pipe(Effect.provide(drive({ settings: { versionLimit: 0, binRetention: 0 } })))
  )

  it.effect("lets URLs expire and refuses forged ones", () =>
    Effect.gen(function* () {
      yield* put(`${path}:/content`, "x")
      const url = yield* locationOf()
      assert.strictEqual((yield* get(url.replace(/\/\d+\//, "/99/"))).status, 404)
      yield* TestClock.adjust("61 minutes")
      assert.strictEqual((yield* get(url)).status, 404)
      const item = yield* get(path)
      assert.strictEqual((yield* get(item.body["@microsoft.graph.downloadUrl"] ?? "")).text, "x")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("answers conditions, folders and empty files", () =>
    Effect.gen(function* () {
      const { body } = yield* put(`${path}:/content`, "")
      assert.deepStrictEqual([body.size, body.file?.hashes.quickXorHash], [0, quickXorHash(new Uint8Array(0))])
      const url = yield* locationOf()
      assert.deepStrictEqual([(yield* get(url)).status, (yield* get(url)).bytes.length], [200, 0])
      assert.strictEqual((yield* get(url, range("bytes=0-"))).status, 416)
      const unchanged = yield* get(`${path}:/content`, { headers: { "if-none-match": `"${body.cTag}"` } })
      assert.strictEqual(unchanged.status, 304)
      assert.strictEqual((yield* get("/me/drive/root/content")).status, 400)
    }).pipe(Effect.provide(drive()))
  )
})

describe("simple upload", () => {
  it.effect("creates with 201, replaces with 200 and keeps the id", () =>
    Effect.gen(function* () {
      const created = yield* put(`${path}:/content`, bytesOf(300_000))
      assert.strictEqual(created.status, 201)
      assert.strictEqual(created.body.file?.hashes.quickXorHash, quickXorHash(bytesOf(300_000)))
      yield* TestClock.adjust("1 minute")
      const replaced = yield* put(`/me/drive/items/${created.body.id}/content`, "new")
      assert.deepStrictEqual([replaced.status, replaced.body.id, replaced.body.size], [200, created.body.id, 3])
      assert.notStrictEqual(replaced.body.eTag, created.body.eTag)
      assert.notStrictEqual(replaced.body.cTag, created.body.cTag)
      assert.strictEqual(replaced.body.fileSystemInfo.lastModifiedDateTime, "1970-01-01T00:01:00Z")
      const root = (yield* get("/me/drive/root")).body
      assert.deepStrictEqual([root.size, root.folder?.childCount], [3, 1])
      assert.strictEqual((yield* put("/me/drive/root:/FILE.BIN:/content", "x")).body.name, "file.bin")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("honours conflictBehavior and conditions, before and after the body", () =>
    Effect.gen(function* () {
      const first = yield* put(`${path}:/content`, "1")
      const behave = (behavior: string) => put(`${path}:/content?@microsoft.graph.conflictBehavior=${behavior}`, "2")
      assert.strictEqual((yield* behave("fail")).status, 409)
      assert.strictEqual((yield* behave("rename")).body.name, "file 1.bin")
      assert.strictEqual((yield* behave("replace")).status, 200)
      assert.strictEqual((yield* behave("other")).status, 400)
      assert.strictEqual((yield* when({ "if-match": first.body.eTag })).status, 412)
      assert.strictEqual((yield* when({ "if-none-match": "*" })).status, 412)
      assert.strictEqual((yield* when({ "if-match": "*" }, "/me/drive/root:/none")).status, 412)
      assert.strictEqual((yield* when({ "if-none-match": "*" }, "/me/drive/root:/none")).status, 201)
      assert.strictEqual((yield* when({ "if-match": "*" })).status, 200)
      assert.strictEqual((yield* put("/me/drive/root/content", "x")).status, 409)
      assert.strictEqual((yield* put("/me/drive/root:/none/below:/content", "x")).status, 400)
      assert.strictEqual((yield* put("/me/drive/root:/no/where:/content", "x")).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("refuses what is too large, too short or over the quota, and keeps nothing of it", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      const tooLarge = yield* put(`${path}:/content`, bytesOf(101))
      assert.strictEqual(tooLarge.status, 413)
      const short = yield* put(`${path}:/content`, "abc", { headers: { "content-length": "5" } })
      assert.strictEqual(short.status, 400)
      yield* admin.setQuota(150)
      assert.strictEqual((yield* put(`${path}:/content`, bytesOf(100))).status, 201)
      const full = yield* put("/me/drive/root:/second:/content", bytesOf(60))
      assert.deepStrictEqual([full.status, full.body.error.code], [507, "quotaLimitReached"])
      assert.strictEqual((yield* put(`${path}:/content`, bytesOf(90))).status, 200)
      const { quota } = (yield* get("/me/drive")).body
      assert.deepStrictEqual(quota, { total: 150, used: 90, remaining: 60, deleted: 0, state: "normal" })
      yield* admin.setQuota(90)
      assert.strictEqual((yield* get("/me/drive")).body.quota["state"], "exceeded")
      assert.strictEqual((yield* admin.tree()).length, 1)
    }).pipe(Effect.provide(drive({ settings: { simpleUploadLimit: 100 } })))
  )

  it.effect("takes a body of unknown length in chunks", () =>
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const { token } = yield* GraphServer.DriveTokens
      const chunks = Stream.make(bytesOf(70_000), bytesOf(30_000))
      const request = HttpClientRequest.put(`${GraphServer.baseUrl}${path}:/content`).pipe(
        HttpClientRequest.bearerToken(token),
        HttpClientRequest.bodyStream(chunks)
      )
      assert.strictEqual((yield* client.execute(request)).status, 201)
      assert.strictEqual((yield* get(path)).body.size, 100_000)
      const broken = HttpClientRequest.bodyStream(request, Stream.concat(chunks, Stream.fail(new Error("gone"))))
      assert.strictEqual((yield* client.execute(broken)).status, 400)
      assert.strictEqual((yield* get(path)).body.size, 100_000)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("changes nothing when it is interrupted", () =>
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const { token } = yield* GraphServer.DriveTokens
      const request = HttpClientRequest.put(`${GraphServer.baseUrl}${path}:/content`).pipe(
        HttpClientRequest.bearerToken(token),
        HttpClientRequest.bodyStream(Stream.concat(Stream.make(bytesOf(1000)), Stream.never))
      )
      const fiber = yield* Effect.forkChild(client.execute(request), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      assert.strictEqual((yield* get(path)).status, 404)
      const log = yield* (yield* GraphServer.RequestLog).entries
      assert.strictEqual(log[0]?.status, "interrupted")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("sets no times by itself, a PATCH follows", () =>
    Effect.gen(function* () {
      const { body } = yield* put(`${path}:/content`, "x")
      const times = { createdDateTime: "2019-05-06T07:08:09Z", lastModifiedDateTime: "2020-05-06T07:08:09.5Z" }
      const set = yield* patch(
        `/me/drive/items/${body.id}`,
        { fileSystemInfo: times },
        { headers: { "if-match": body.cTag } }
      )
      assert.deepStrictEqual(set.body.fileSystemInfo, { ...times, lastModifiedDateTime: "2020-05-06T07:08:09.500Z" })
      assert.strictEqual(set.body.cTag, body.cTag)
    }).pipe(Effect.provide(drive()))
  )
})

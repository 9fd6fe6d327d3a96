import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { bytesOf, call, deltaPass, drive, get, post, put, remove } from "./api.ts"

const unit = 320 * 1024
const path = "/me/drive/root:/big.bin"
const total = 2 * unit + 1000
const bytes = bytesOf(total)

const start = (body: unknown = {}, headers: Record<string, string> = {}) =>
  post(`${path}:/createUploadSession`, body, { headers })

const fragment = (url: string, from: number, to: number, size = total, headers: Record<string, string> = {}) =>
  put(url, bytes.subarray(from, to), {
    token: null,
    headers: { "content-range": `bytes ${from}-${to - 1}/${size}`, ...headers }
  })

/** Makes an item of the session that the body names. */
const commit = (name: string, json: unknown) => call("PUT", `/me/drive/root:/${name}`, { json })

describe("upload sessions", () => {
  it.effect("collect fragments and end with the complete item", () =>
    Effect.gen(function* () {
      const times = { createdDateTime: "2010-01-01T00:00:00Z", lastModifiedDateTime: "2011-01-01T00:00:00Z" }
      const session = yield* start({ item: { "@microsoft.graph.conflictBehavior": "fail", fileSystemInfo: times } })
      assert.strictEqual(session.status, 200)
      assert.deepStrictEqual(session.body.nextExpectedRanges, ["0-"])
      assert.property(session.body, "@odata.context")
      const url = session.body.uploadUrl
      const first = yield* fragment(url, 0, unit)
      assert.deepStrictEqual([first.status, first.body.nextExpectedRanges], [202, [`${unit}-`]])
      assert.isString(first.body.expirationDateTime)
      assert.strictEqual((yield* get(path)).status, 404)
      assert.deepStrictEqual((yield* get(url, { token: null })).body.nextExpectedRanges, [`${unit}-`])
      yield* fragment(url, unit, 2 * unit)
      const last = yield* fragment(url, 2 * unit, total)
      assert.strictEqual(last.status, 201)
      assert.deepStrictEqual([last.body.size, last.body.file?.hashes.quickXorHash], [total, quickXorHash(bytes)])
      assert.deepStrictEqual(last.body.fileSystemInfo, times)
      const content = yield* get(last.body["@microsoft.graph.downloadUrl"] ?? "")
      assert.isTrue(content.bytes.equals(bytes))
      assert.strictEqual((yield* get(url)).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("take properties without the item wrapper, and replace by id keeping it", () =>
    Effect.gen(function* () {
      const old = yield* put(`${path}:/content`, "old")
      const times = { lastModifiedDateTime: "2011-01-01T00:00:00Z" }
      const body = { "@microsoft.graph.conflictBehavior": "replace", fileSystemInfo: times }
      const session = yield* post(`/me/drive/items/${old.body.id}/createUploadSession`, body)
      const done = yield* fragment(session.body.uploadUrl, 0, 500, 500)
      assert.deepStrictEqual([done.status, done.body.id, done.body.size], [200, old.body.id, 500])
      assert.strictEqual(done.body.fileSystemInfo.lastModifiedDateTime, times.lastModifiedDateTime)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("say exactly what is wrong with a fragment, and go on", () =>
    Effect.gen(function* () {
      const url = (yield* start()).body.uploadUrl
      yield* fragment(url, 0, unit)
      const refusals: ReadonlyArray<readonly [number, string, ReturnType<typeof fragment>]> = [
        [416, "fragmentOverlap", fragment(url, 0, unit)],
        [416, "fragmentOutOfOrder", fragment(url, 2 * unit, total)],
        [
          400,
          "fragmentLengthMismatch",
          fragment(url, unit, 2 * unit, total, { "content-range": `bytes ${unit}-${unit}/${total}` })
        ],
        [400, "invalidParameterFormat", fragment(url, unit, unit + 1000)],
        [400, "invalidParameterFormat", fragment(url, unit, 2 * unit, total + 1)],
        [400, "invalidParameterFormat", put(url, "x")],
        [400, "invalidParameterFormat", fragment(url, unit, 2 * unit, total, { "content-range": "bytes 5-2/9" })]
      ]
      for (const [status, inner, attempt] of refusals) {
        const reply = yield* attempt
        assert.deepStrictEqual([reply.status, reply.body.error.innerError["code"]], [status, inner])
      }
      assert.deepStrictEqual((yield* get(url)).body.nextExpectedRanges, [`${unit}-`])
      assert.strictEqual((yield* fragment(url, unit, 2 * unit)).status, 202)
      assert.strictEqual((yield* fragment(url, 2 * unit, total)).status, 201)
      assert.strictEqual((yield* get(path)).body.file?.hashes.quickXorHash, quickXorHash(bytes))
    }).pipe(Effect.provide(drive()))
  )

  it.effect("forget a fragment that broke off, and take it again from its start", () =>
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const url = (yield* start()).body.uploadUrl
      yield* fragment(url, 0, unit)
      const broken = HttpClientRequest.put(url).pipe(
        HttpClientRequest.setHeader("content-range", `bytes ${unit}-${2 * unit - 1}/${total}`),
        HttpClientRequest.bodyStream(Stream.concat(Stream.make(bytesOf(1000)), Stream.fail(new Error("gone"))))
      )
      assert.strictEqual((yield* client.execute(broken)).status, 400)
      assert.deepStrictEqual((yield* get(url)).body.nextExpectedRanges, [`${unit}-`])
      yield* fragment(url, unit, 2 * unit)
      const done = yield* fragment(url, 2 * unit, total)
      assert.strictEqual(done.body.file?.hashes.quickXorHash, quickXorHash(bytes))
      assert.isTrue((yield* get(done.body["@microsoft.graph.downloadUrl"] ?? "")).bytes.equals(bytes))
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are cancelled in the middle of a fragment that does not come to its end", () =>
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const url = (yield* start()).body.uploadUrl
      const arrived = yield* Deferred.make<void>()
      const begin = Stream.tap(Stream.make(bytesOf(1000)), () => Deferred.succeed(arrived, undefined))
      const stalled = HttpClientRequest.put(url).pipe(
        HttpClientRequest.setHeader("content-range", `bytes 0-${unit - 1}/${total}`),
        HttpClientRequest.bodyStream(Stream.concat(begin, Stream.never), { contentLength: unit })
      )
      const sending = yield* Effect.forkChild(client.execute(stalled))
      yield* Deferred.await(arrived)
      assert.strictEqual((yield* remove(url)).status, 204)
      assert.strictEqual((yield* Fiber.join(sending)).status, 400)
      assert.strictEqual((yield* get(url)).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("end either as an item with its bytes or as nothing when they are cancelled with the last fragment", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 20; round++) {
        const name = `/me/drive/root:/${round}.bin`
        const url = (yield* post(`${name}:/createUploadSession`, {})).body.uploadUrl
        const late = Effect.andThen(
          Effect.forEach(Array(round), () => Effect.yieldNow),
          remove(url)
        )
        const [sent, cancelled] = yield* Effect.all([fragment(url, 0, 1000, 1000), late], { concurrency: 2 })
        const found = yield* get(`${name}:/content`)
        if (sent.status === 201) {
          assert.deepStrictEqual([cancelled.status, found.status], [404, 302])
          const content = yield* get(found.headers["location"] ?? "")
          assert.isTrue(content.bytes.equals(bytes.subarray(0, 1000)), `round ${round}`)
        } else assert.deepStrictEqual([cancelled.status, found.status], [204, 404])
      }
    }).pipe(Effect.provide(drive()))
  )

  it.effect("refuse fragments over the limit, targets that cannot be, and what does not fit", () =>
    Effect.gen(function* () {
      const url = (yield* start()).body.uploadUrl
      const large = yield* fragment(url, 0, 2 * unit)
      assert.deepStrictEqual([large.status, large.body.error.innerError["code"]], [413, "maxFragmentLengthExceeded"])
      assert.strictEqual((yield* post("/me/drive/root/createUploadSession", {})).status, 409)
      assert.strictEqual((yield* post("/me/drive/root:/no/where:/createUploadSession", {})).status, 404)
      assert.strictEqual((yield* post("/me/drive/root:/a*b:/createUploadSession", {})).status, 400)
      yield* (yield* GraphServer.DriveAdmin).setQuota(1000)
      assert.strictEqual((yield* start({ item: { fileSize: 1001 } })).status, 507)
      const small = (yield* start()).body.uploadUrl
      assert.strictEqual((yield* fragment(small, 0, unit)).status, 507)
      assert.deepStrictEqual((yield* get(small)).body.nextExpectedRanges, ["0-"])
    }).pipe(Effect.provide(drive({ settings: { fragmentLimit: unit } })))
  )

  it.effect("look at conflicts and tags when they start and when they end", () =>
    Effect.gen(function* () {
      const one = yield* start({ item: { "@microsoft.graph.conflictBehavior": "fail" } })
      const renaming = yield* start({ item: { "@microsoft.graph.conflictBehavior": "rename" } })
      const old = yield* put(`${path}:/content`, "first")
      const matching = yield* start({}, { "if-match": old.body.eTag })
      yield* put(`${path}:/content`, "second")
      assert.strictEqual((yield* start({ item: { "@microsoft.graph.conflictBehavior": "fail" } })).status, 409)
      assert.strictEqual((yield* start({}, { "if-match": old.body.eTag })).status, 412)
      assert.strictEqual((yield* fragment(one.body.uploadUrl, 0, 500, 500)).status, 409)
      assert.deepStrictEqual((yield* get(one.body.uploadUrl)).body.nextExpectedRanges, [])
      assert.strictEqual((yield* fragment(matching.body.uploadUrl, 0, 500, 500)).status, 412)
      assert.strictEqual((yield* fragment(renaming.body.uploadUrl, 0, 500, 500)).body.name, "big 1.bin")
      assert.strictEqual((yield* get(path)).body.size, 6)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("end by cancelling and by expiry, which each fragment puts off", () =>
    Effect.gen(function* () {
      const cancelled = (yield* start()).body.uploadUrl
      yield* fragment(cancelled, 0, unit)
      assert.strictEqual((yield* remove(cancelled, { token: null })).status, 204)
      const gone = yield* fragment(cancelled, unit, 2 * unit)
      assert.deepStrictEqual([gone.status, gone.body.error.innerError["code"]], [404, "uploadSessionNotFound"])
      const url = (yield* start()).body.uploadUrl
      yield* TestClock.adjust("50 minutes")
      yield* fragment(url, 0, unit)
      yield* TestClock.adjust("50 minutes")
      assert.strictEqual((yield* fragment(url, unit, 2 * unit)).status, 202)
      yield* TestClock.adjust("61 minutes")
      assert.strictEqual((yield* fragment(url, 2 * unit, total)).status, 404)
      assert.strictEqual((yield* remove(url)).status, 404)
    }).pipe(Effect.provide(drive({ settings: { uploadSessionLifetime: 60 * 60 * 1000 } })))
  )

  it.effect("are one change in delta", () =>
    Effect.gen(function* () {
      const { deltaLink } = yield* deltaPass("/me/drive/root/delta")
      const url = (yield* start()).body.uploadUrl
      yield* fragment(url, 0, unit)
      assert.deepStrictEqual((yield* deltaPass(deltaLink)).items, [])
      yield* fragment(url, unit, 2 * unit)
      yield* fragment(url, 2 * unit, total)
      const { items } = yield* deltaPass(deltaLink)
      assert.deepStrictEqual(
        items.map(({ name }) => name),
        ["root", "big.bin"]
      )
    }).pipe(Effect.provide(drive()))
  )

  it.effect("take fragments one after the other, whoever sends them", () =>
    Effect.gen(function* () {
      const url = (yield* start()).body.uploadUrl
      const twice = yield* Effect.all([fragment(url, 0, unit), fragment(url, 0, unit)], { concurrency: 2 })
      assert.deepStrictEqual(twice.map(({ status }) => status).sort(), [202, 416])
      yield* fragment(url, unit, 2 * unit)
      assert.strictEqual((yield* fragment(url, 2 * unit, total)).body.file?.hashes.quickXorHash, quickXorHash(bytes))
    }).pipe(Effect.provide(drive()))
  )

  it.effect("wait for a commit of their own when it was deferred", () =>
    Effect.gen(function* () {
      const { body } = yield* start({ deferCommit: true, item: { "@microsoft.graph.conflictBehavior": "fail" } })
      const early = yield* post(body.uploadUrl, undefined, { token: null })
      assert.deepStrictEqual([early.status, early.body.error.innerError["code"]], [400, "uploadSessionIncomplete"])
      const last = yield* fragment(body.uploadUrl, 0, 700, 700)
      assert.deepStrictEqual([last.status, last.body.nextExpectedRanges], [202, []])
      assert.strictEqual((yield* get(path)).status, 404)
      const done = yield* post(body.uploadUrl, undefined, { token: null })
      assert.deepStrictEqual([done.status, done.body.name, done.body.size], [201, "big.bin", 700])
      assert.strictEqual((yield* post(body.uploadUrl, undefined, { token: null })).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("give their bytes another name when the first was refused", () =>
    Effect.gen(function* () {
      const { body } = yield* start({ item: { "@microsoft.graph.conflictBehavior": "fail" } })
      yield* put(`${path}:/content`, "came first")
      assert.strictEqual((yield* fragment(body.uploadUrl, 0, 700, 700)).status, 409)
      const source = { "@microsoft.graph.sourceUrl": body.uploadUrl, "@microsoft.graph.conflictBehavior": "fail" }
      assert.strictEqual((yield* commit("big.bin", source)).status, 409)
      assert.strictEqual((yield* commit("other.bin", {})).status, 400)
      const elsewhere = { "@microsoft.graph.sourceUrl": "https://example.invalid/x" }
      assert.strictEqual((yield* commit("other.bin", elsewhere)).status, 400)
      const done = yield* commit("other.bin", source)
      assert.deepStrictEqual([done.status, done.body.size, done.body.name], [201, 700, "other.bin"])
      assert.strictEqual((yield* get("/me/drive/root:/big.bin:/content")).status, 302)
      assert.strictEqual((yield* commit("third.bin", source)).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("honour If-None-Match when they end", () =>
    Effect.gen(function* () {
      const { body } = yield* start({}, { "if-none-match": "*" })
      yield* put(`${path}:/content`, "came first")
      assert.strictEqual((yield* fragment(body.uploadUrl, 0, 700, 700)).status, 412)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("make missing folders where the drive is told to, and only with the item", () =>
    Effect.gen(function* () {
      const address = "/me/drive/root:/new/deep/file.bin"
      const { body, status } = yield* post(`${address}:/createUploadSession`, {})
      assert.strictEqual(status, 200)
      assert.strictEqual((yield* get("/me/drive/root:/new")).status, 404)
      assert.strictEqual((yield* fragment(body.uploadUrl, 0, 700, 700)).status, 201)
      assert.strictEqual((yield* get(address)).body.size, 700)
      assert.strictEqual((yield* put("/me/drive/root:/new/wide/x.txt:/content", "x")).status, 201)
      const refused = yield* put("/me/drive/root:/never/b*d/x.txt:/content", "x")
      assert.deepStrictEqual([refused.status, (yield* get("/me/drive/root:/never")).status], [400, 404])
      assert.strictEqual((yield* put("/me/drive/root:/new/deep/file.bin/x:/content", "x")).status, 400)
    }).pipe(Effect.provide(drive({ settings: { createParents: true } })))
  )

  it.effect("keep the part of a fragment that arrived, when a fault says so", () =>
    Effect.gen(function* () {
      const faults = yield* GraphServer.Faults
      const { body } = yield* start()
      yield* faults.inject({ method: "PUT", action: { _tag: "TruncateBody", bytes: 100_000 } })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(fragment(body.uploadUrl, 0, unit))))
      assert.deepStrictEqual((yield* get(body.uploadUrl)).body.nextExpectedRanges, ["100000-"])
      assert.strictEqual((yield* fragment(body.uploadUrl, 0, unit)).body.error.innerError["code"], "fragmentOverlap")
      yield* fragment(body.uploadUrl, 100_000, 100_000 + unit)
      const done = yield* fragment(body.uploadUrl, 100_000 + unit, total)
      assert.strictEqual(done.body.file?.hashes.quickXorHash, quickXorHash(bytes))
    }).pipe(Effect.provide(drive()))
  )
})

/** Faults that are more than an answer: what the drive holds after them, and what their numbers mean. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { TestClock } from "effect/testing"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { admin, bytesOf, call, deltaPass, drive, get, inject, patch, post, put, remove } from "./api.ts"

const root = "/me/drive/root"
const unit = 320 * 1024
const bytes = bytesOf(2 * unit)

const startSession = (name: string) =>
  Effect.map(post(`${root}:/${name}:/createUploadSession`, {}), ({ body }) => body.uploadUrl)

const fragment = (url: string, from: number, to: number) =>
  put(url, bytes.subarray(from, to), { headers: { "content-range": `bytes ${from}-${to - 1}/${bytes.length}` } })

const innerCode = ({ body }: { readonly body: { readonly error: { readonly innerError: Record<string, string> } } }) =>
  body.error.innerError["code"]

describe("faults of delta", () => {
  it.effect("give up a token with each of the codes, and lead to the drive that was asked", () =>
    Effect.gen(function* () {
      const { driveId } = yield* (yield* GraphServer.Drives).add({ label: { name: "Second" } })
      const delta = `/drives/${driveId}/root/delta`
      const { deltaLink } = yield* deltaPass(delta)
      const kinds = {
        deltaGoneApply: "resyncApplyDifferences",
        deltaGoneUpload: "resyncUploadDifferences",
        deltaGoneChangesApply: "resyncChangesApplyDifferences",
        deltaGoneChangesUpload: "resyncChangesUploadDifferences"
      } as const
      for (const [fault, inner] of Object.entries(kinds)) {
        yield* inject(fault as GraphServer.FaultName, { rate: 1 })
        const gone = yield* get(deltaLink)
        assert.deepStrictEqual([gone.status, gone.body.error.code, innerCode(gone)], [410, "resyncRequired", inner])
        const fresh = gone.headers["location"] ?? ""
        assert.strictEqual(fresh, `${GraphServer.baseUrl}${delta}`)
        assert.strictEqual((yield* get(fresh)).status, 200)
        yield* admin("DELETE", "faults")
      }
      assert.strictEqual((yield* get(deltaLink)).status, 200)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("give the old link again, or one that leads nowhere", () =>
    Effect.gen(function* () {
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      yield* put(`${root}:/f:/content`, "x")
      yield* inject("deltaLinkOld")
      const replayed = yield* deltaPass(deltaLink)
      assert.strictEqual(replayed.deltaLink, deltaLink)
      assert.strictEqual((yield* deltaPass(replayed.deltaLink)).items.length, replayed.items.length)
      yield* inject("deltaLinkBroken")
      const { deltaLink: broken } = yield* deltaPass(deltaLink)
      assert.strictEqual((yield* get(broken)).status, 400)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("do not make late changes of the scenario visible", () =>
    Effect.gen(function* () {
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      yield* admin("PUT", "scenario", { ...GraphServer.presets.none, visibility: 3_600_000, seed: 1 })
      yield* put(`${root}:/late:/content`, "x")
      assert.strictEqual((yield* deltaPass(deltaLink)).items.length, 0)
      yield* inject("deltaShortPage", { rate: 1 })
      assert.strictEqual((yield* deltaPass(deltaLink)).items.length, 0)
    }).pipe(Effect.provide(drive()))
  )
})

describe("faults of uploads", () => {
  it.effect("end a session for good, at the byte that was said", () =>
    Effect.gen(function* () {
      const url = yield* startSession("s")
      yield* inject("sessionExpired", { bytes: unit })
      assert.strictEqual((yield* fragment(url, 0, unit)).status, 202)
      for (const request of [fragment(url, unit, 2 * unit), get(url), fragment(url, unit, 2 * unit)]) {
        const gone = yield* request
        assert.deepStrictEqual([gone.status, innerCode(gone)], [404, "uploadSessionNotFound"])
      }
      assert.strictEqual((yield* get(`${root}:/s`)).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("find the name taken at the commit, and keep the bytes for another one", () =>
    Effect.gen(function* () {
      const url = yield* startSession("s")
      yield* inject("sessionConflict")
      assert.strictEqual((yield* fragment(url, 0, unit)).status, 202)
      const refused = yield* fragment(url, unit, 2 * unit)
      assert.deepStrictEqual([refused.status, refused.body.error.code], [409, "nameAlreadyExists"])
      assert.strictEqual((yield* get(`${root}:/s`)).status, 404)
      const put2 = yield* call("PUT", `${root}:/t`, { json: { "@microsoft.graph.sourceUrl": url } })
      assert.deepStrictEqual([put2.status, put2.body.size], [201, bytes.length])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("fail after the commit only where there is one", () =>
    Effect.gen(function* () {
      const url = yield* startSession("s")
      yield* inject("uploadErrorAfterCommit")
      assert.strictEqual((yield* fragment(url, 0, unit)).status, 202)
      assert.strictEqual((yield* fragment(url, unit, 2 * unit)).status, 500)
      assert.strictEqual((yield* get(`${root}:/s`)).body.size, bytes.length)
      assert.strictEqual((yield* fragment(url, unit, 2 * unit)).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("change an Office file after it has come: other bytes, hash and eTag, and a further version", () =>
    Effect.gen(function* () {
      yield* inject("officeRewritten", { times: 2 })
      const { body } = yield* put(`${root}:/a.docx:/content`, "text")
      assert.isAbove(body.size, 4)
      assert.strictEqual((yield* get(`${root}:/a.docx:/versions`)).body.value.length, 2)
      const url = yield* startSession("b.xlsx")
      yield* fragment(url, 0, unit)
      assert.isAbove((yield* fragment(url, unit, 2 * unit)).body.size, bytes.length)
      assert.strictEqual((yield* put(`${root}:/c.docx:/content`, "text")).body.size, 4)
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )

  it.effect("show no hash for some seconds after the upload, wherever the item is shown", () =>
    Effect.gen(function* () {
      yield* put(`${root}:/early:/content`, "x")
      yield* TestClock.adjust("10 seconds")
      yield* inject("hashAbsent", { seconds: 5, rate: 1 })
      const { body } = yield* put(`${root}:/f:/content`, "x")
      const url = yield* startSession("s")
      yield* fragment(url, 0, unit)
      const session = yield* fragment(url, unit, 2 * unit)
      for (const item of [body, session.body]) assert.deepStrictEqual(Object.keys(item.file?.hashes ?? { no: 1 }), [])
      const hashed = Effect.map(get(`${root}/delta`), ({ body: page }) =>
        page.value.filter(({ file }) => file?.hashes.quickXorHash !== undefined).map(({ name }) => name)
      )
      assert.deepStrictEqual(yield* hashed, ["early"])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* hashed, ["early", "f", "s"])
      yield* admin("DELETE", "faults/hashAbsent")
      yield* inject("hashAbsentOnEmpty", { rate: 1 })
      const { body: empty } = yield* put(`${root}:/empty:/content`, "")
      assert.deepStrictEqual(Object.keys(empty.file?.hashes ?? { no: 1 }), [])
      assert.isDefined((yield* get(`${root}:/f`)).body.file?.hashes.quickXorHash)
    }).pipe(Effect.provide(drive()))
  )
})

describe("faults of rights", () => {
  it.effect("make the drive one to read only", () =>
    Effect.gen(function* () {
      yield* put(`${root}:/f:/content`, "x")
      yield* inject("readOnly", { rate: 1 })
      const changes = [
        put(`${root}:/f:/content`, "y"),
        post(`${root}:/g:/createUploadSession`, {}),
        post(`${root}/children`, { name: "d", folder: {} }),
        patch(`${root}:/f`, { name: "g" }),
        remove(`${root}:/f`)
      ]
      for (const change of changes) assert.strictEqual((yield* change).status, 403)
      const read = { requests: [{ id: "1", method: "GET", url: "/me/drive/root:/f" }] }
      assert.include((yield* post("/$batch", read)).text, '"status":200')
      yield* admin("DELETE", "faults")
      yield* inject("locked", { rate: 1 })
      for (const change of [changes[0], changes[3], changes[4]]) {
        assert.strictEqual((yield* change ?? get(root)).status, 423)
      }
      assert.strictEqual((yield* get(`${root}:/f`)).status, 200)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("refuse infected content at either address", () =>
    Effect.gen(function* () {
      const { body } = yield* put(`${root}:/f:/content`, "x")
      yield* put(`${root}:/content.txt:/content`, "x")
      yield* inject("malware", { rate: 1 })
      for (const address of [`${root}:/f:/content`, body["@microsoft.graph.downloadUrl"] ?? ""]) {
        const refused = yield* get(address)
        assert.deepStrictEqual([refused.status, refused.body.error.code], [403, "malwareDetected"])
        assert.isDefined(refused.headers["x-virus-infected"])
      }
      assert.strictEqual((yield* get(`${root}:/content.txt`)).status, 200)
    }).pipe(Effect.provide(drive()))
  )
})

describe("the script of a fault", () => {
  it.effect("says how long and where", () =>
    Effect.gen(function* () {
      yield* inject("throttled", { seconds: 322 })
      assert.strictEqual((yield* get("/me")).headers["retry-after"], "322")
      yield* inject("clockBehind", { seconds: 1 })
      assert.strictEqual((yield* get("/me")).headers["date"], "Wed, 31 Dec 1969 23:59:59 GMT")
      const { body } = yield* put(`${root}:/f:/content`, "content")
      const url = body["@microsoft.graph.downloadUrl"] ?? ""
      yield* inject("downloadCorrupt", { bytes: 3 })
      assert.strictEqual((yield* get(url)).bytes[3], "t".charCodeAt(0) ^ 0xff)
      yield* inject("downloadCut", { bytes: 3 })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(get(url))))
      const log = yield* GraphServer.RequestLog
      assert.strictEqual((yield* log.entries).at(-1)?.sent, 3)
      const refused = [
        { fault: "malware", seconds: 3 },
        { fault: "throttled", bytes: 3 },
        { fault: "throttledWithoutHeader", seconds: 3 },
        { fault: "throttled", path: "me" },
        { fault: "throttled", skips: 2 }
      ]
      for (const json of refused) assert.strictEqual((yield* admin("POST", "faults", json)).status, 400)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("can be taken back alone, and is named in the log", () =>
    Effect.gen(function* () {
      yield* inject("throttled", { rate: 1, path: "/v1.0/me/drive" })
      yield* inject("unavailable", { rate: 1 })
      assert.strictEqual((yield* get("/me/drive")).status, 429)
      assert.strictEqual((yield* admin("DELETE", "faults/throttled")).status, 204)
      assert.strictEqual((yield* get("/me/drive")).status, 503)
      assert.strictEqual((yield* admin("DELETE", "faults/gremlins")).status, 404)
      yield* admin("DELETE", "faults/unavailable")
      yield* inject("deltaRepeatsItem")
      yield* get(`${root}/delta`)
      yield* get(`${root}/delta`)
      const entries = yield* (yield* GraphServer.RequestLog).entries
      assert.deepStrictEqual(
        entries.map(({ fault, status }) => [fault, status]),
        [
          ["throttled", 429],
          ["unavailable", 503],
          ["deltaRepeatsItem", 200],
          [undefined, 200]
        ]
      )
      assert.include((yield* admin("GET", "requests")).text, '"fault":"deltaRepeatsItem"')
    }).pipe(Effect.provide(drive()))
  )
})

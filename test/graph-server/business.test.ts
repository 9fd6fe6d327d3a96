import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { makeItemTags } from "../../src/graph-server/ItemTags.ts"
import { deltaPass, drive, get, opened, patch, post, put, temporaryFolder } from "./api.ts"

const root = "/me/drive/root"

const times = (lastModifiedDateTime: string) => ({ fileSystemInfo: { lastModifiedDateTime } })

describe("a business drive", () => {
  it.effect("has its own ids and tags, and none of the personal quirks", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      const { body: own } = yield* get("/me/drive")
      assert.match(own.id, /^b![A-Za-z0-9_-]{64}$/)
      assert.include((yield* get("/me/drive")).text, '"driveType":"business"')
      yield* admin.createFolder("/für alle")
      const { body: file } = yield* put(`${root}:/für alle/a.txt:/content`, "x")
      const { body: folder } = yield* get(`${root}:/für alle`)
      assert.match(file.id, /^01[A-Z2-7]{32}$/)
      assert.strictEqual(file.id.slice(0, 8), folder.id.slice(0, 8))
      assert.match(file.eTag, /^"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\},1"$/)
      assert.match(file.cTag, /^"c:\{[0-9A-F-]{36}\},1"$/)
      assert.isUndefined(folder.cTag)
      assert.strictEqual(file.parentReference.path, `/drives/${own.id}/root:/für alle`)
      assert.strictEqual((yield* get(`/drives/${encodeURIComponent(own.id)}/items/${file.id}`)).body.id, file.id)
      assert.strictEqual((yield* get(`/drives/${own.id.toUpperCase()}/root`)).status, 404)
      assert.strictEqual((yield* get(`/me/drive/items/${folder.id}/delta`)).status, 501)
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      yield* admin.delete("/für alle/a.txt")
      const gone = (yield* deltaPass(deltaLink)).items.find(({ deleted }) => deleted !== undefined)
      assert.strictEqual(gone?.id, file.id)
      assert.isUndefined(gone?.name)
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )

  it.effect("takes its tags with and without their quotes", () =>
    Effect.gen(function* () {
      const { body: file } = yield* put(`${root}:/a.txt:/content`, "x")
      const rename = (name: string, tag: string) => patch(`${root}:/a.txt`, { name }, { headers: { "if-match": tag } })
      assert.strictEqual((yield* rename("A.txt", file.eTag)).status, 200)
      assert.strictEqual((yield* rename("a.txt", file.eTag)).status, 412)
      assert.strictEqual((yield* rename("a.txt", file.cTag.replaceAll('"', ""))).status, 200)
      assert.strictEqual((yield* rename("A.txt", `"x", ${file.cTag}`)).status, 200)
      assert.strictEqual((yield* rename("a.txt", "*")).status, 200)
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )

  it("tells its ids from those of other libraries", () => {
    const [one, other] = [makeItemTags("business", "b!one", "classic"), makeItemTags("business", "b!other", "classic")]
    for (const number of [1, 101, 65_536, 2 ** 31 + 5, 2 ** 33 + 7]) {
      assert.strictEqual(one.parse(one.id(number)), number)
      assert.isUndefined(other.parse(one.id(number)))
      assert.isUndefined(one.parse(one.id(number).toLowerCase()))
    }
  })

  it.effect("keeps a version of a file whose times are set, and one that is restored", () =>
    Effect.gen(function* () {
      const path = `${root}:/a.txt`
      const { body: made } = yield* put(`${path}:/content`, "one")
      const { body: set } = yield* patch(path, times("2020-02-02T02:02:02Z"))
      assert.strictEqual(set.cTag, made.cTag)
      assert.notStrictEqual(set.eTag, made.eTag)
      const ids = Effect.map(get(`${path}:/versions`), ({ body }) => body.value.map(({ id }) => id))
      assert.deepStrictEqual(yield* ids, ["2.0", "1.0"])
      // The same time again, and names, change nothing that a version holds.
      yield* patch(path, times("2020-02-02T02:02:02.9Z"))
      yield* patch(path, { name: "A.txt" })
      assert.deepStrictEqual(yield* ids, ["2.0", "1.0"])
      yield* put(`${path}:/content`, "second")
      yield* post(`${path}:/versions/1.0/restoreVersion`, {})
      yield* post(`${path}:/versions/2.0/restoreVersion`, {})
      assert.deepStrictEqual(yield* ids, ["5.0", "4.0", "3.0", "2.0", "1.0"])
      const { headers } = yield* get(`${path}:/content`)
      assert.strictEqual((yield* get(headers["location"] ?? "")).text, "one")
      yield* post(`${root}/children`, { name: "folder", folder: {} })
      assert.strictEqual((yield* patch(`${root}:/folder`, times("2020-02-02T02:02:02Z"))).status, 200)
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )

  it.effect("rewrites Office files after their upload when told to", () =>
    Effect.gen(function* () {
      const { body: file } = yield* put(`${root}:/r.docx:/content`, "office")
      assert.isAbove(file.size, "office".length)
      assert.strictEqual((yield* get(`${root}:/r.docx:/versions`)).body.value.length, 2)
      assert.strictEqual((yield* get(file["@microsoft.graph.downloadUrl"] ?? "")).bytes.length, file.size)
      assert.strictEqual((yield* put(`${root}:/r.txt:/content`, "plain")).body.size, 5)
    }).pipe(Effect.provide(drive({ kind: "business", settings: { rewriteOffice: true } })))
  )

  it.live("stays what it was made as", () =>
    Effect.gen(function* () {
      const dir = yield* temporaryFolder
      const made = (yield* opened(dir, get("/me/drive"), { kind: "business" })).body.id
      assert.strictEqual((yield* opened(dir, get("/me/drive"))).body.id, made)
      const refused = yield* Effect.flip(opened(dir, get("/me/drive"), { kind: "personal" }))
      assert.include(String(refused), "business drive")
    })
  )
})

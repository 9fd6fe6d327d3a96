import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { makeItemTags } from "../../src/graph-server/ItemTags.ts"
import { deltaPass, drive, get, inject, type Item, opened, patch, post, put, temporaryFolder } from "./api.ts"

const root = "/me/drive/root"

const times = (lastModifiedDateTime: string) => ({ fileSystemInfo: { lastModifiedDateTime } })

/** Deleted items of business drives have no name. */
const names = (items: ReadonlyArray<Item>) => items.map(({ name, deleted }) => name ?? deleted?.state)

/** The size that a document of six bytes has after its upload. */
const uploadedSize = (place: string) => Effect.map(put(`${place}:/r.docx:/content`, "office"), ({ body }) => body.size)

const makeForms = (parent: string) => post(`${parent}/children`, { name: "Forms", folder: {} })

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

  it.effect("repeats its eTag beside the item, leaves cTag out of delta, and has web addresses of paths", () =>
    Effect.gen(function* () {
      yield* post(`${root}/children`, { name: "für alle", folder: {} })
      const { body: file } = yield* put(`${root}:/für alle/a %231.txt:/content`, "x")
      const { headers, body } = yield* get(`/me/drive/items/${file.id}`)
      assert.strictEqual(headers["etag"], file.eTag)
      assert.deepInclude(body as object, { "@odata.etag": file.eTag, id: file.id })
      const seen = (yield* deltaPass(`${root}/delta`)).items.find(({ id }) => id === file.id)
      assert.deepStrictEqual([seen?.eTag, seen?.cTag], [file.eTag, undefined])
      const folder = `${GraphServer.origin}/personal/embedded_drive/Documents/f%C3%BCr%20alle`
      assert.deepInclude(file as object, { webUrl: `${folder}/a%20%231.txt` })
      yield* patch(`${root}:/für alle`, { name: "new" })
      const moved = yield* get(`/me/drive/items/${file.id}`)
      assert.deepInclude(moved.body as object, { webUrl: file.webUrl.replace("f%C3%BCr%20alle", "new") })
      const [hit] = (yield* get(`${root}/search(q='a')`)).body.value
      assert.notProperty(hit, "createdBy")
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )

  it.effect("finds by name, and refuses what only personal drives do", () =>
    Effect.gen(function* () {
      yield* put(`${root}:/it's a.txt:/content`, "x")
      yield* put(`${root}:/b.txt:/content`, "x")
      const find = (filter: string) => get(`${root}/children?$filter=${encodeURIComponent(filter)}`)
      const found = yield* find("name eq 'IT''S A.TXT'")
      assert.deepStrictEqual(
        found.body.value.map(({ name }) => name),
        ["it's a.txt"]
      )
      assert.deepStrictEqual((yield* find("name eq 'none'")).body.value, [])
      assert.strictEqual((yield* find("size gt 1")).status, 400)
      assert.strictEqual((yield* get(`${root}:/b.txt:/children`)).status, 400)
      assert.strictEqual((yield* patch(`${root}:/b.txt`, { description: "mine" })).status, 400)
      assert.strictEqual((yield* makeForms(root)).status, 400)
      yield* post(`${root}/children`, { name: "in", folder: {} })
      assert.strictEqual((yield* makeForms(`${root}:/in:`)).status, 201)
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )

  it.live("tells what has changed since a time, also in an earlier life", () =>
    Effect.gen(function* () {
      const dir = yield* temporaryFolder
      const now = Effect.clockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe()))
      const tick = Effect.sleep("2 millis")
      const before = Effect.gen(function* () {
        const admin = yield* GraphServer.DriveAdmin
        yield* admin.putFile("/old", "x")
        yield* admin.putFile("/gone", "x")
        yield* tick
        const since = new Date(yield* now).toISOString()
        yield* admin.delete("/gone")
        yield* admin.putFile("/new", "x")
        return since
      })
      const since = yield* opened(dir, before, { kind: "business" })
      const pass = (time: string) => deltaPass(`${root}/delta?token=${encodeURIComponent(time)}`)
      const after = Effect.gen(function* () {
        const { items } = yield* pass(since)
        yield* tick
        const later = new Date(yield* now).toISOString()
        yield* (yield* GraphServer.DriveAdmin).putFile("/newest", "x")
        return { items, latest: (yield* pass(later)).items, all: (yield* pass("2001-01-01T00:00:00Z")).items }
      })
      const { items, latest, all } = yield* opened(dir, after)
      assert.deepStrictEqual(names(items), ["deleted", "root", "new"])
      assert.deepStrictEqual(names(latest), ["root", "newest"])
      assert.deepStrictEqual(names(all), ["root", "old", "deleted", "new", "newest"])
      const personal = yield* Effect.provide(get(`${root}/delta?token=2001-01-01T00:00:00Z`), drive())
      assert.strictEqual(personal.status, 400)
    }).pipe(Effect.scoped)
  )

  it.effect("rewrites Office files in the libraries of sites, and elsewhere when told to", () =>
    Effect.gen(function* () {
      const { driveId } = yield* (yield* GraphServer.Drives).add({ label: { name: "Documents", site: "Team" } })
      assert.isAbove(yield* uploadedSize(`/drives/${driveId}/root`), "office".length)
      assert.strictEqual(yield* uploadedSize(root), "office".length)
      yield* inject("officeRewritten")
      assert.isAbove(yield* uploadedSize(root), "office".length)
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

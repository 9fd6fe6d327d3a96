import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { foldName, freeName, nameProblem } from "../../src/graph-server/DriveName.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { drive, get, patch, post, put, remove } from "./api.ts"

const folder = (name: string, behavior?: string) =>
  post("/me/drive/root/children", {
    name,
    folder: {},
    ...(behavior === undefined ? {} : { "@microsoft.graph.conflictBehavior": behavior })
  })

describe("names", () => {
  it("are refused when OneDrive refuses them", () => {
    const bad = [
      "",
      ".",
      "..",
      " x",
      "x ",
      "x.",
      "a/b",
      "a\\b",
      "a:b",
      'a"b',
      "a*b",
      "a?b",
      "a<b",
      "a|b",
      "a\u0000b",
      "a\nb"
    ]
    const reserved = ["CON", "nul", "com1", ".lock", "desktop.ini", "~$x.docx", "a_vti_b", "\ud800", "x".repeat(256)]
    for (const name of [...bad, ...reserved]) assert.isString(nameProblem(name), JSON.stringify(name))
    for (const name of ["a", "#%&+=;,'", ".hidden", "~x", "Ünï çödé", "console", "x".repeat(255), "👍"]) {
      assert.isUndefined(nameProblem(name), name)
    }
  })

  it("fold one code point to one, without normalising", () => {
    assert.strictEqual(foldName("Ärger.TXT"), foldName("äRGER.txt"))
    assert.notStrictEqual(foldName("straße"), foldName("strasse"))
    assert.notStrictEqual(foldName("\u00e9"), foldName("e\u0301"))
  })

  it("make room before the extension of a file", () => {
    const taken = new Set(["a.tar.gz", "a.tar 1.gz", ".profile"])
    assert.strictEqual(
      freeName("a.tar.gz", false, (name) => taken.has(name)),
      "a.tar 2.gz"
    )
    assert.strictEqual(
      freeName(".profile", false, (name) => taken.has(name)),
      ".profile 1"
    )
    assert.strictEqual(
      freeName("v1.0", true, () => false),
      "v1.0 1"
    )
  })
})

describe("creating folders", () => {
  it.effect("keeps the case of names and refuses a second one that differs only in case", () =>
    Effect.gen(function* () {
      const first = yield* folder("Häuser")
      assert.strictEqual(first.status, 201)
      assert.strictEqual(first.body.name, "Häuser")
      const again = yield* folder("hÄUSER")
      assert.strictEqual(again.status, 409)
      assert.strictEqual(again.body.error.code, "nameAlreadyExists")
      const renamed = yield* folder("häuser", "rename")
      assert.deepStrictEqual([renamed.status, renamed.body.name], [201, "häuser 1"])
      const replaced = yield* folder("HÄUSER", "replace")
      assert.deepStrictEqual([replaced.status, replaced.body.id], [200, first.body.id])
      yield* put("/me/drive/root:/file:/content", "x")
      assert.strictEqual((yield* folder("FILE", "replace")).status, 409)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("says what is wrong with a request", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* folder("a:b")).status, 400)
      assert.include((yield* folder("a*b")).body.error.message, "cannot contain")
      assert.strictEqual((yield* folder("a", "sometimes")).status, 400)
      assert.strictEqual((yield* post("/me/drive/root/children", { name: "x" })).status, 400)
      const noName = yield* post("/me/drive/root/children", { folder: {} })
      assert.strictEqual(noName.status, 400)
      assert.include(noName.body.error.message, "name")
      assert.strictEqual((yield* post("/me/drive/root:/none:/children", { name: "x", folder: {} })).status, 404)
      const notJson = yield* post("/me/drive/root/children", undefined, { body: "{" })
      assert.strictEqual(notJson.status, 400)
      const times = { createdDateTime: "yesterday" }
      const badTime = yield* post("/me/drive/root/children", { name: "x", folder: {}, fileSystemInfo: times })
      assert.include(badTime.body.error.message, "createdDateTime")
      assert.deepStrictEqual((yield* get("/me/drive/root/children")).body.value, [])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("takes old spellings, times, and refuses paths that grow too long", () =>
    Effect.gen(function* () {
      yield* folder("x")
      const body = { name: "x", folder: { childCount: 0 }, "@name.conflictBehavior": "rename" }
      assert.strictEqual((yield* post("/me/drive/root/children", body)).body.name, "x 1")
      const times = { createdDateTime: "2001-02-03T04:05:06Z", lastModifiedDateTime: "2002-02-03T04:05:06.1234567Z" }
      const dated = yield* post("/me/drive/root/children", { name: "y", folder: {}, fileSystemInfo: times })
      assert.deepStrictEqual(dated.body.fileSystemInfo, {
        createdDateTime: "2001-02-03T04:05:06Z",
        lastModifiedDateTime: "2002-02-03T04:05:06.123Z"
      })
      const long = yield* post("/me/drive/root/children", { name: "l".repeat(250), folder: {} })
      const longer = yield* post(`/me/drive/items/${long.body.id}/children`, { name: "m".repeat(200), folder: {} })
      assert.deepStrictEqual([longer.status, longer.body.error.innerError["code"]], [400, "pathIsTooLong"])
      const longest = yield* post(`/me/drive/items/${long.body.id}/children`, { name: "m".repeat(149), folder: {} })
      assert.deepStrictEqual([longest.status, longest.headers["location"]?.endsWith(longest.body.id)], [201, true])
      const beyond = yield* post(`/me/drive/items/${long.body.id}/children`, { name: "n".repeat(150), folder: {} })
      assert.strictEqual(beyond.status, 400)
    }).pipe(Effect.provide(drive()))
  )
})

const to = (parent: string | undefined, more = {}) => ({ parentReference: { id: parent }, ...more })

describe("changing items", () => {
  const setUp = Effect.gen(function* () {
    const admin = yield* GraphServer.DriveAdmin
    yield* admin.createFolder("/src")
    yield* admin.createFolder("/src/deep")
    yield* admin.createFolder("/dst")
    yield* admin.putFile("/dst/taken.txt", "taken")
    return yield* admin.putFile("/src/deep/file.txt", "content")
  })

  it.effect("renames and moves in one call, keeping id, content and cTag", () =>
    Effect.gen(function* () {
      const before = yield* setUp
      const dst = (yield* get("/me/drive/root:/dst")).body.id
      const reference = { id: dst, path: "", driveId: "", driveType: "" }
      const moved = yield* patch(`/me/drive/items/${before.id}`, { name: "Renamed.txt", parentReference: reference })
      assert.strictEqual(moved.status, 200)
      assert.deepStrictEqual([moved.body.id, moved.body.name, moved.body.cTag], [before.id, "Renamed.txt", before.cTag])
      assert.notStrictEqual(moved.body.eTag, before.eTag)
      assert.strictEqual((yield* get("/me/drive/root:/src/deep")).body.folder?.childCount, 0)
      assert.strictEqual((yield* get("/me/drive/root:/src")).body.size, 0)
      assert.strictEqual((yield* get("/me/drive/root:/dst")).body.size, 12)
      const cased = yield* patch(`/me/drive/items/${before.id}`, { name: "RENAMED.txt" })
      assert.deepStrictEqual([cased.status, cased.body.name], [200, "RENAMED.txt"])
      const back = yield* patch(`/me/drive/items/${before.id}`, { parentReference: { path: "/drive/root:/src/deep" } })
      assert.strictEqual(back.status, 200)
      const toRoot = yield* patch(`/me/drive/items/${before.id}`, { parentReference: { id: "root" } })
      assert.match(toRoot.body.parentReference.path ?? "", /root:$/)
      const nothing = yield* patch(`/me/drive/items/${before.id}`, {})
      assert.deepStrictEqual([nothing.status, nothing.body.eTag], [200, toRoot.body.eTag])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("refuses collisions, cycles, foreign drives and the root", () =>
    Effect.gen(function* () {
      const { id } = yield* setUp
      const [src, deep, dst] = yield* Effect.forEach(["src", "src/deep", "dst"], (path) =>
        get(`/me/drive/root:/${path}`)
      )
      const collision = yield* patch(`/me/drive/items/${id}`, to(dst?.body.id, { name: "TAKEN.txt" }))
      assert.deepStrictEqual([collision.status, collision.body.error.code], [409, "nameAlreadyExists"])
      assert.strictEqual((yield* patch(`/me/drive/items/${src?.body.id}`, to(deep?.body.id))).status, 400)
      assert.strictEqual((yield* patch(`/me/drive/items/${src?.body.id}`, to(src?.body.id))).status, 400)
      assert.strictEqual((yield* patch(`/me/drive/items/${id}`, to("66D53BE8A5056ECA!999999"))).status, 404)
      const foreign = { parentReference: { driveId: "0123456789abcdef", id: dst?.body.id } }
      assert.strictEqual((yield* patch(`/me/drive/items/${id}`, foreign)).status, 400)
      assert.strictEqual((yield* patch("/me/drive/root", { name: "other" })).status, 400)
      assert.strictEqual((yield* remove("/me/drive/root")).status, 403)
      assert.strictEqual((yield* patch(`/me/drive/items/${id}`, { name: "a?b" })).status, 400)
      assert.strictEqual((yield* patch(`/me/drive/items/${id}`, { name: 7 })).status, 400)
      const entries = yield* (yield* GraphServer.DriveAdmin).tree()
      assert.deepStrictEqual(
        entries.map(({ path }) => path),
        ["/dst", "/dst/taken.txt", "/src", "/src/deep", "/src/deep/file.txt"]
      )
    }).pipe(Effect.provide(drive()))
  )

  it.effect("replaces a file or finds a free name when asked to", () =>
    Effect.gen(function* () {
      const { id } = yield* setUp
      const taken = (yield* get("/me/drive/root:/dst/taken.txt")).body.id
      const dst = (yield* get("/me/drive/root:/dst")).body.id
      const move = (behavior: string) =>
        patch(`/me/drive/items/${id}?@microsoft.graph.conflictBehavior=${behavior}`, {
          name: "taken.txt",
          parentReference: { id: dst }
        })
      assert.strictEqual((yield* move("rename")).body.name, "taken 1.txt")
      const replaced = yield* move("replace")
      assert.deepStrictEqual([replaced.status, replaced.body.name, replaced.body.id], [200, "taken.txt", id])
      assert.strictEqual((yield* get(`/me/drive/items/${taken}`)).status, 404)
      assert.strictEqual((yield* get("/me/drive/root:/dst")).body.folder?.childCount, 1)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("checks If-Match with eTag, cTag or *, quoted or not", () =>
    Effect.gen(function* () {
      const { id, eTag, cTag } = yield* setUp
      const rename = (tag: string, name: string) =>
        patch(`/me/drive/items/${id}`, { name }, { headers: { "if-match": tag } })
      assert.strictEqual((yield* rename(`"${eTag}"`, "1.txt")).status, 200)
      const stale = yield* rename(eTag, "2.txt")
      assert.deepStrictEqual([stale.status, stale.body.error.code], [412, "resourceModified"])
      assert.strictEqual((yield* rename(cTag, "3.txt")).status, 200)
      assert.strictEqual((yield* rename("*", "4.txt")).status, 200)
      assert.strictEqual((yield* remove(`/me/drive/items/${id}`, { headers: { "if-match": eTag } })).status, 412)
      assert.strictEqual((yield* remove(`/me/drive/items/${id}`, { headers: { "if-match": cTag } })).status, 204)
      assert.strictEqual((yield* remove(`/me/drive/items/${id}`)).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("sets times without touching the content's tag", () =>
    Effect.gen(function* () {
      const { id, eTag, cTag } = yield* setUp
      yield* TestClock.adjust("1 minute")
      const times = { lastModifiedDateTime: "2020-01-01T00:00:00Z" }
      const { body } = yield* patch(`/me/drive/items/${id}`, { fileSystemInfo: times })
      assert.strictEqual(body.fileSystemInfo.lastModifiedDateTime, times.lastModifiedDateTime)
      assert.strictEqual(body.fileSystemInfo.createdDateTime, "1970-01-01T00:00:00Z")
      assert.strictEqual(body.lastModifiedDateTime, "1970-01-01T00:01:00Z")
      assert.notStrictEqual(body.eTag, eTag)
      assert.strictEqual(body.cTag, cTag)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("changes the cTags of all folders above, and their eTags not", () =>
    Effect.gen(function* () {
      yield* setUp
      const read = Effect.forEach(["", "src", "src/deep", "dst"], (path) =>
        Effect.map(get(`/me/drive/root:/${path}`), ({ body }) => body)
      )
      const before = yield* read
      yield* put("/me/drive/root:/src/deep/file.txt:/content", "more content")
      const after = yield* read
      assert.deepStrictEqual(
        after.map(({ eTag }) => eTag),
        before.map(({ eTag }) => eTag)
      )
      const moved = after.map(({ cTag }, i) => cTag !== before[i]?.cTag)
      assert.deepStrictEqual(moved, [true, true, true, false])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("deletes a folder with everything below it", () =>
    Effect.gen(function* () {
      const { id } = yield* setUp
      assert.strictEqual((yield* remove("/me/drive/root:/src")).status, 204)
      assert.strictEqual((yield* get(`/me/drive/items/${id}`)).status, 404)
      assert.strictEqual((yield* get("/me/drive/root:/src/deep/file.txt")).status, 404)
      const root = (yield* get("/me/drive/root")).body
      assert.deepStrictEqual([root.size, root.folder?.childCount], [5, 1])
      assert.strictEqual((yield* folder("SRC")).status, 201)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("answers 304 to a tag that is still right", () =>
    Effect.gen(function* () {
      const { id, eTag } = yield* setUp
      assert.strictEqual((yield* get(`/me/drive/items/${id}`, { headers: { "if-none-match": eTag } })).status, 304)
      yield* patch(`/me/drive/items/${id}`, { name: "other.txt" })
      assert.strictEqual((yield* get(`/me/drive/items/${id}`, { headers: { "if-none-match": eTag } })).status, 200)
    }).pipe(Effect.provide(drive()))
  )
})

import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import {
  admin as adminApi,
  bytesOf,
  deltaPass,
  drive,
  get,
  type Item,
  opened,
  patch,
  post,
  put,
  remove,
  temporaryFolder
} from "./api.ts"

const root = "/me/drive/root"
const ada = { name: "OneDrive", owner: "ada@example.org" }

type Linked = Item & { readonly remoteItem?: Item; readonly folder?: object }

/** A drive of somebody else with a folder, and a shortcut to that in our own. */
const shared = Effect.gen(function* () {
  const { driveId, admin } = yield* (yield* GraphServer.Drives).add({ label: ada })
  const folder = yield* admin.createFolder("/team")
  yield* admin.putFile("/team/plan.txt", "the plan")
  const link = { name: "Team", remoteItem: { id: folder.id, parentReference: { driveId } } }
  const { body, status } = yield* post(`${root}/children`, link)
  assert.strictEqual(status, 201)
  return { driveId, admin, folder, link, shortcut: body as Linked }
})

describe("further drives", () => {
  for (const kind of ["personal", "business"] as const) {
    it.effect(`are drives of their own, found by id and by owner (${kind})`, () =>
      Effect.gen(function* () {
        const { driveId } = yield* shared
        const { body: own } = yield* get("/me/drive")
        assert.notStrictEqual(own.id, driveId)
        assert.strictEqual((yield* get("/users/ADA@example.org/drive")).body.id, driveId)
        assert.strictEqual((yield* get("/users/ada@example.org")).text.includes("ada@example.org"), true)
        assert.strictEqual((yield* get("/users/bob@example.org/drive")).status, 404)
        const base = `/drives/${encodeURIComponent(driveId)}`
        assert.include((yield* get(base)).text, "ada@example.org")
        const children = yield* get(`${base}/root/children`)
        assert.deepStrictEqual(
          [children.body.value[0]?.name, children.body.value[0]?.parentReference.driveId],
          ["team", driveId]
        )
        const file = yield* get(`${base}/root:/team/plan.txt`)
        assert.strictEqual((yield* get(`/me/drive/items/${file.body.id}`)).status, 404)
        const content = yield* get(`${base}/items/${file.body.id}/content`)
        assert.strictEqual((yield* get(content.headers["location"] ?? "", { token: null })).text, "the plan")
        const session = yield* post(`${base}/root:/big.bin:/createUploadSession`, {})
        const headers = { "content-range": "bytes 0-999/1000" }
        const done = yield* put(session.body.uploadUrl, bytesOf(1000), { token: null, headers })
        assert.deepStrictEqual([done.status, done.body.parentReference.driveId], [201, driveId])
        assert.strictEqual((yield* get(`${root}:/big.bin`)).status, 404)
      }).pipe(Effect.provide(drive({ kind })))
    )
  }

  it.effect("are listed for whom they belong to", () =>
    Effect.gen(function* () {
      const drives = yield* GraphServer.Drives
      yield* drives.add({ label: ada })
      const second = yield* drives.add({ label: { name: "Archive" } })
      const listed = (yield* get("/me/drives")).body.value
      assert.deepStrictEqual(
        listed.map(({ name }) => name),
        ["OneDrive", "Archive"]
      )
      assert.strictEqual(listed[1]?.id, second.driveId)
      assert.deepStrictEqual((yield* get(`/users/${ada.owner}/drives`)).body.value.length, 1)
      const again = yield* Effect.flip(drives.add({ label: ada }))
      assert.strictEqual((again as GraphServer.ApiError).status, 409)
    }).pipe(Effect.provide(drive()))
  )

  it.live("survive a restart, and one that was copied away is not missed", () =>
    Effect.gen(function* () {
      const dir = yield* temporaryFolder
      const { driveId } = yield* opened(dir, shared)
      const found = yield* opened(dir, get(`/drives/${driveId}/root:/team/plan.txt`))
      assert.strictEqual(found.status, 200)
      const { body } = yield* opened(dir, get(`${root}:/Team`))
      assert.strictEqual((body as Linked).remoteItem?.parentReference.driveId, driveId)
      rmSync(join(dir, "drives"), { recursive: true })
      const gone = yield* opened(dir, get(`${root}:/Team`))
      assert.strictEqual((gone.body as Linked).remoteItem?.parentReference.driveId, driveId)
      assert.isUndefined((gone.body as Linked).remoteItem?.name)
    })
  )

  it.effect("take copies from each other, whole or not at all", () =>
    Effect.gen(function* () {
      const { driveId, admin } = yield* (yield* GraphServer.Drives).add({ label: ada })
      const own = yield* GraphServer.DriveAdmin
      yield* own.createFolder("/a")
      yield* own.createFolder("/a/b")
      yield* own.putFile("/a/b/file.bin", bytesOf(5000))
      const to = { driveId, path: "/drive/root" }
      const copied = yield* post(`${root}:/a:/copy`, { parentReference: to, name: "copy of a" })
      assert.strictEqual(copied.status, 202)
      const monitor = yield* get(copied.headers["location"] ?? "", { token: null })
      assert.strictEqual(monitor.status, 200)
      const [from, made] = [yield* own.stat("/a/b/file.bin"), yield* admin.stat("/copy of a/b/file.bin")]
      assert.strictEqual(made.hash, from.hash)
      assert.notStrictEqual(made.id, from.id)
      assert.strictEqual((yield* post(`${root}:/a:/copy`, { parentReference: to, name: "copy of a" })).status, 409)
      yield* admin.setQuota(6000)
      assert.strictEqual((yield* post(`${root}:/a:/copy`, { parentReference: to, name: "more" })).status, 507)
      assert.strictEqual((yield* admin.tree()).length, 3)
      assert.strictEqual((yield* post(`${root}:/a:/copy`, { parentReference: { driveId } })).status, 400)
      const move = yield* patch(`${root}:/a`, { parentReference: { driveId, id: "root" } })
      assert.strictEqual(move.status, 400)
    }).pipe(Effect.provide(drive()))
  )
})

describe("shortcuts", () => {
  it.effect("lead to an item of another drive and have nothing of their own", () =>
    Effect.gen(function* () {
      const { driveId, admin, folder, shortcut, link } = yield* shared
      assert.isUndefined(shortcut.folder)
      assert.deepStrictEqual(
        [shortcut.name, shortcut.remoteItem?.id, shortcut.remoteItem?.name, shortcut.remoteItem?.folder?.childCount],
        ["Team", folder.id, "team", 1]
      )
      const { id, parentReference } = shortcut.remoteItem ?? shortcut
      const inside = yield* get(`/drives/${parentReference.driveId}/items/${id}/children`)
      assert.deepStrictEqual(
        inside.body.value.map(({ name }) => name),
        ["plan.txt"]
      )
      assert.strictEqual((yield* get(`/me/drive/items/${shortcut.id}/children`)).status, 400)
      assert.strictEqual((yield* put(`${root}:/Team/x:/content`, "x")).status, 400)
      assert.strictEqual((yield* put(`${root}:/Team:/content`, "x")).status, 409)
      assert.strictEqual((yield* post(`${root}/children`, link)).status, 409)
      assert.strictEqual((yield* patch(`${root}:/Team`, { name: "Renamed" })).status, 200)
      assert.strictEqual((yield* remove(`${root}:/Renamed`)).status, 204)
      assert.strictEqual((yield* admin.tree()).length, 2)
      const wrong = { name: "x", remoteItem: { id: folder.id, parentReference: { driveId: "0123456789abcdef" } } }
      assert.strictEqual((yield* post(`${root}/children`, wrong)).status, 400)
      const missing = { name: "x", remoteItem: { id: "nobody", parentReference: { driveId } } }
      assert.strictEqual((yield* post(`${root}/children`, missing)).status, 404)
      assert.strictEqual(
        (yield* get(`/shares/u!${Buffer.from("https://x/s/none").toString("base64url")}/driveItem`)).status,
        404
      )
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are in delta of a personal drive for those who ask, the vault for the others", () =>
    Effect.gen(function* () {
      yield* shared
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createMarker("/Personal Vault", "vault")
      yield* admin.createMarker("/Notes", "package")
      const names = (prefer: string) =>
        Effect.map(get(`${root}/delta`, { headers: { prefer } }), ({ body }) =>
          body.value.map(({ name }) => name).join()
        )
      assert.strictEqual(yield* names("respond-async"), "root,Personal Vault,Notes")
      assert.strictEqual(yield* names("Include-Feature=AddToOneDrive"), "root,Team,Notes")
      assert.strictEqual(yield* names("Include-Feature=AddToOneDrive,Vault"), "root,Team,Personal Vault,Notes")
      assert.strictEqual((yield* get(`${root}/children`)).body.value.length, 3)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are in every delta of a business drive", () =>
    Effect.gen(function* () {
      yield* shared
      assert.include(
        (yield* deltaPass(`${root}/delta`)).items.map(({ name }) => name),
        "Team"
      )
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )
})

describe("what others share", () => {
  it.effect("is listed as stubs that lead to their drives", () =>
    Effect.gen(function* () {
      const { driveId, admin, folder } = yield* shared
      assert.deepStrictEqual((yield* get("/me/drive/sharedWithMe")).body.value, [])
      const theirs = `/drives/${driveId}/items`
      yield* post(`${theirs}/${folder.id}/createLink`, {})
      const plan = yield* admin.stat("/team/plan.txt")
      yield* post(`${theirs}/${plan.id}/invite`, { recipients: [{ email: "me@here" }], roles: ["write"] })
      const listed = (yield* get("/me/drive/sharedWithMe()")).body.value as ReadonlyArray<Linked>
      assert.deepStrictEqual(
        listed.map(({ name, remoteItem }) => [name, remoteItem?.id, remoteItem?.parentReference.driveId]),
        [
          ["team", folder.id, driveId],
          ["plan.txt", plan.id, driveId]
        ]
      )
      assert.notProperty(listed[1]?.remoteItem?.file, "hashes")
      yield* admin.delete("/team")
      assert.deepStrictEqual((yield* get("/me/drive/sharedWithMe")).body.value, [])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("can be the root of their drive", () =>
    Effect.gen(function* () {
      const { driveId } = yield* (yield* GraphServer.Drives).add({ label: ada })
      const link = { name: "Ada", remoteItem: { id: "root", parentReference: { driveId } } }
      const made = (yield* post("/me/drive/special/documents/children", link)).body as Linked
      const { body: theirs } = yield* get(`/drives/${driveId}/root`)
      assert.deepStrictEqual([made.remoteItem?.id, made.remoteItem?.name], [theirs.id, "root"])
      assert.strictEqual((yield* get(`${root}:/Documents/Ada`)).status, 200)
      const odd = { name: "x", remoteItem: { id: "special:documents", parentReference: { driveId } } }
      assert.strictEqual((yield* post(`${root}/children`, odd)).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("is copied to where a path of another drive says", () =>
    Effect.gen(function* () {
      const { driveId, admin } = yield* (yield* GraphServer.Drives).add({ label: ada })
      yield* admin.createFolder("/to")
      yield* put(`${root}:/a.txt:/content`, "a")
      const parentReference = { path: `/drives/${driveId}/root:/to` }
      assert.strictEqual((yield* post(`${root}:/a.txt:/copy`, { parentReference })).status, 202)
      assert.strictEqual((yield* admin.stat("/to/a.txt")).size, 1)
    }).pipe(Effect.provide(drive()))
  )
})

describe("packages and the vault", () => {
  it.effect("are neither file nor folder", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* adminApi("POST", "items", { path: "/Notes", facet: "package" })).status, 201)
      assert.strictEqual((yield* adminApi("POST", "items", { path: "/Vault", facet: "vault" })).status, 201)
      assert.strictEqual((yield* adminApi("POST", "items", { path: "/Vault", facet: "vault" })).status, 409)
      const [notes, vault] = [(yield* get(`${root}:/Notes`)).body, (yield* get(`${root}:/Vault`)).body]
      assert.deepInclude(notes as object, { package: { type: "oneNote" } })
      for (const item of [notes, vault]) assert.isUndefined(item.folder ?? item.file)
      assert.notProperty(vault, "webUrl")
      const locked = yield* get(`${root}:/Vault:/children`)
      assert.deepStrictEqual([locked.status, locked.body.error.message], [400, "ObjectHandle is Invalid"])
      assert.strictEqual((yield* get(`${root}:/Notes:/content`)).status, 400)
      assert.strictEqual((yield* put(`${root}:/Notes:/content`, "x")).status, 409)
    }).pipe(Effect.provide(drive()))
  )
})

describe("sites", () => {
  it.effect("have libraries, and are found by id, path and name", () =>
    Effect.gen(function* () {
      const drives = yield* GraphServer.Drives
      const library = yield* drives.add({ label: { name: "Documents", site: "Marketing" } })
      yield* drives.add({ label: { name: "Plans", site: "Marketing" } })
      const sites = (yield* get("/sites?search=market")).body.value
      assert.deepStrictEqual(
        sites.map(({ name }) => name),
        ["Marketing"]
      )
      assert.strictEqual((yield* get("/sites?search=*")).body.value.length, 2)
      assert.strictEqual((yield* get("/sites/root")).body.name, "root")
      const id = encodeURIComponent(sites[0]?.id ?? "")
      assert.strictEqual((yield* get(`/sites/${id}`)).body.name, "Marketing")
      const byPath = yield* get("/sites/embedded.sharepoint.invalid:/sites/marketing")
      assert.strictEqual(byPath.body.id, sites[0]?.id)
      assert.deepStrictEqual(
        (yield* get(`/sites/${id}/drives`)).body.value.map(({ name }) => name),
        ["Documents", "Plans"]
      )
      const own = yield* get("/sites/embedded.sharepoint.invalid:/sites/Marketing:/drive")
      assert.deepInclude(own.body as object, { id: library.driveId, driveType: "documentLibrary" })
      yield* put(`/sites/${id}/drive/root:/a.txt:/content`, "a")
      const item = yield* get(`/drives/${library.driveId}/root:/a.txt`)
      assert.strictEqual(item.body.parentReference.driveType, "documentLibrary")
      assert.strictEqual((yield* get("/sites/nowhere")).status, 404)
      assert.strictEqual((yield* get("/sites")).status, 400)
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )

  it.effect("are nothing for personal accounts", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* get("/sites/root")).status, 400)
      const refused = yield* Effect.flip(
        (yield* GraphServer.Drives).add({ label: { name: "Documents", site: "Marketing" } })
      )
      assert.strictEqual((refused as GraphServer.ApiError).status, 400)
    }).pipe(Effect.provide(drive()))
  )
})

describe("ids of migrated personal drives", () => {
  it.effect("are long, on the root too, with tags of SharePoint's form", () =>
    Effect.gen(function* () {
      const { body } = yield* put(`${root}:/a.txt:/content`, "a")
      const drive = (yield* get("/me/drive")).body.id
      for (const { id } of [body, (yield* get(root)).body]) {
        assert.match(id, new RegExp(`^${drive.toUpperCase()}!s[0-9a-f]{32}$`))
        assert.strictEqual((yield* get(`/me/drive/items/${id.replace("!", "%21")}`)).status, 200)
      }
      assert.match(body.eTag, /^"\{[0-9A-F-]{36}\},1"$/)
      assert.match(body.cTag, /^"c:\{[0-9A-F-]{36}\},1"$/)
      assert.strictEqual((yield* get(`/me/drive/items/${body.id.slice(0, -1)}0`)).status, 404)
    }).pipe(Effect.provide(drive({ ids: "migrated" })))
  )

  it.effect("can be of a drive whose own id starts with zeros", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* get("/me/drive")).body.id, "00c0ffee12345678")
      for (const id of ["00c0ffee12345678", "C0FFEE12345678", "0c0ffee12345678"]) {
        assert.strictEqual((yield* get(`/drives/${id}/root`)).status, 200)
      }
    }).pipe(Effect.provide(drive({ driveId: "00c0ffee12345678" })))
  )
})

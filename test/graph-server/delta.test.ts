import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { deltaPass, drive, get, type Item, put } from "./api.ts"

const delta = "/me/drive/root/delta"
const summary = (items: ReadonlyArray<Item>) =>
  items.map(({ name, deleted }) => (deleted === undefined ? name : `-${name}`))

/** Applies items as a client does, in order, and fails where a client that needs parents first would. */
const follow = (known: Map<string, Item>, items: ReadonlyArray<Item>): void => {
  for (const item of items) {
    if (item.deleted !== undefined) {
      known.delete(item.id)
      continue
    }
    const parent = item.parentReference.id
    assert.isTrue(
      item.root !== undefined || (parent !== undefined && known.has(parent)),
      `${item.name} before its parent`
    )
    known.set(item.id, item)
  }
}

const pathIn = (known: ReadonlyMap<string, Item>, item: Item): string => {
  const parent = known.get(item.parentReference.id ?? "")
  return item.root !== undefined || parent === undefined ? "" : `${pathIn(known, parent)}/${item.name}`
}

const state = (known: ReadonlyMap<string, Item>): ReadonlyArray<string> =>
  [...known.values()]
    .filter(({ root }) => root === undefined)
    .map((item) => `${pathIn(known, item)} ${item.file?.hashes.quickXorHash ?? "folder"}`)
    .sort()

const truth = Effect.gen(function* () {
  const entries = yield* (yield* GraphServer.DriveAdmin).tree()
  return entries.map(({ path, hash }) => `${path} ${hash ?? "folder"}`).sort()
})

describe("delta", () => {
  it.effect("lists everything, parents first and the root before all, and then only changes", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/a")
      yield* admin.putFile("/a/x", "x")
      const first = yield* deltaPass(delta)
      assert.deepStrictEqual(summary(first.items), ["root", "a", "x"])
      assert.isTrue(first.deltaLink.startsWith(`${GraphServer.baseUrl}/me/drive/root/delta?`))
      assert.isString(new URL(first.deltaLink).searchParams.get("token"))
      assert.deepStrictEqual((yield* deltaPass(first.deltaLink)).items, [])
      yield* admin.replace("/a/x", "y")
      yield* admin.putFile("/a/z", "z")
      const second = yield* deltaPass(first.deltaLink)
      assert.deepStrictEqual(summary(second.items), ["root", "a", "x", "z"])
      assert.deepStrictEqual(summary((yield* deltaPass(first.deltaLink)).items), summary(second.items))
    }).pipe(Effect.provide(drive()))
  )

  it.effect("shows renames and moves of a folder as the folder alone, deletes with what was below", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/a")
      yield* admin.createFolder("/b")
      yield* admin.putFile("/a/x", "x")
      const { deltaLink } = yield* deltaPass(delta)
      yield* admin.rename("/a", "c")
      yield* admin.move("/c", "/b")
      const moved = yield* deltaPass(deltaLink)
      assert.deepStrictEqual(summary(moved.items), ["root", "b", "c"])
      yield* admin.delete("/b/c")
      const deleted = yield* deltaPass(moved.deltaLink)
      assert.deepStrictEqual(summary(deleted.items), ["root", "b", "-c", "-x"])
      const gone = deleted.items.at(-1)
      assert.deepStrictEqual(gone?.deleted, { state: "deleted" })
      assert.notProperty(gone, "cTag")
      assert.notProperty(gone, "size")
      assert.isString(gone?.parentReference.id)
      yield* admin.createFolder("/b/c")
      const again = yield* deltaPass(deleted.deltaLink)
      assert.notStrictEqual(again.items.at(-1)?.id, deleted.items.at(-2)?.id)
      assert.deepStrictEqual(summary((yield* deltaPass(delta)).items), ["root", "b", "c"])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("starts from now with token=latest, in every form of the address", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/a")
      const { body: me } = yield* get("/me/drive")
      const { body: root } = yield* get("/me/drive/root")
      const forms = [
        `${delta}?token=latest`,
        `${delta}(token='latest')`,
        `/drives/${me.id}/root/delta?token=latest`,
        `/drives/${me.id}/items/${root.id}/delta?token=latest`
      ]
      const links: Array<string> = []
      for (const form of forms) {
        const { body } = yield* get(form)
        assert.deepStrictEqual(body.value, [])
        links.push(body["@odata.deltaLink"] ?? "")
      }
      yield* admin.createFolder("/b")
      for (const link of links) assert.deepStrictEqual(summary((yield* deltaPass(link)).items), ["root", "b"])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("follows one folder of a personal drive, and says what left it", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      for (const path of ["/in", "/in/deep", "/out"]) yield* admin.createFolder(path)
      yield* admin.putFile("/in/deep/a", "a")
      yield* admin.putFile("/out/b", "b")
      const link = `/me/drive/items/${(yield* admin.stat("/in")).id}/delta`
      const first = yield* deltaPass(`${link}?$top=1`)
      assert.deepStrictEqual(
        first.items.map(({ name }) => name).filter((name, at, all) => all.indexOf(name) === at),
        ["in", "deep", "a"]
      )
      yield* admin.replace("/out/b", "elsewhere")
      const quiet = yield* deltaPass(first.deltaLink)
      assert.deepStrictEqual(quiet.items, [])
      yield* admin.move("/in/deep", "/out")
      yield* admin.move("/out/b", "/in")
      const second = yield* deltaPass(quiet.deltaLink)
      const seen = new Map(second.items.map((item) => [item.name, item.deleted !== undefined]))
      assert.deepStrictEqual([seen.get("deep"), seen.get("b"), seen.has("out")], [true, false, false])
      assert.strictEqual((yield* deltaPass(second.deltaLink)).items.length, 0)
    }).pipe(Effect.provide(drive({ settings: { pageSize: 2 } })))
  )

  it.effect("is of the root only on a business drive", () =>
    Effect.gen(function* () {
      const { id } = yield* (yield* GraphServer.DriveAdmin).createFolder("/a")
      assert.strictEqual((yield* get(`/me/drive/items/${id}/delta`)).status, 501)
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )

  it.effect("keeps the options of the request on every page", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* Effect.forEach(["1", "2", "3"], (name) => admin.putFile(`/${name}`, name))
      const page = yield* get(`${delta}?$top=2&select=id,name,parentReference`)
      // A parent that changed later is shown in front of its child, over and above $top.
      assert.deepStrictEqual(summary(page.body.value), ["root", "1", "2"])
      assert.deepStrictEqual(Object.keys(page.body.value[0] ?? {}).sort(), ["id", "name", "parentReference"])
      const next = new URL(page.body["@odata.nextLink"] ?? "").searchParams
      assert.deepStrictEqual([next.get("$top"), next.get("select")], ["2", "id,name,parentReference"])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("refuses bad tokens with 400 and expired ones with 410 and a fresh link", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/a")
      const { deltaLink } = yield* deltaPass(delta)
      for (const token of ["nonsense", "%00", Buffer.from("d1.1.9.2.1").toString("base64url")]) {
        const { status, body } = yield* get(`${delta}?token=${token}`)
        assert.deepStrictEqual([status, body.error.code], [400, "invalidRequest"])
      }
      yield* admin.expireDeltaTokens("resyncUploadDifferences")
      const gone = yield* get(deltaLink)
      assert.deepStrictEqual([gone.status, gone.body.error.code], [410, "resyncRequired"])
      assert.strictEqual(gone.body.error.innerError["code"], "resyncUploadDifferences")
      const fresh = yield* deltaPass(gone.headers["location"] ?? "")
      assert.deepStrictEqual(summary(fresh.items), ["root", "a"])
      assert.strictEqual((yield* get(fresh.deltaLink)).status, 200)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("misses nothing when the tree changes between the pages of a first enumeration", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      for (const folder of ["/p", "/q", "/r"]) {
        yield* admin.createFolder(folder)
        for (const name of ["1", "2", "3"]) yield* admin.putFile(`${folder}/${name}`, `${folder}${name}`)
      }
      const known = new Map<string, Item>()
      const changes = [
        admin.move("/p", "/r"),
        admin.delete("/q/2"),
        admin.createFolder("/new"),
        admin.move("/r", "/new"),
        admin.rename("/new/r/p/3", "three"),
        admin.delete("/q")
      ]
      let link = `${delta}?$top=2`
      for (;;) {
        const { body } = yield* get(link)
        follow(known, body.value)
        yield* changes.shift() ?? Effect.void
        if (body["@odata.deltaLink"] !== undefined && changes.length === 0) {
          const rest = yield* deltaPass(body["@odata.deltaLink"])
          follow(known, rest.items)
          break
        }
        link = body["@odata.nextLink"] ?? body["@odata.deltaLink"] ?? ""
      }
      assert.deepStrictEqual(state(known), yield* truth)
    }).pipe(Effect.provide(drive()))
  )

  const Step = Schema.Struct({
    kind: Schema.Literals(["folder", "file", "replace", "rename", "move", "delete", "page"]),
    a: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })),
    b: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
  })

  it.effect.prop(
    "leads a reader to the drive's state after any changes",
    [Schema.Array(Step).check(Schema.isMaxLength(40))],
    ([steps]) =>
      Effect.gen(function* () {
        const admin = yield* GraphServer.DriveAdmin
        const known = new Map<string, Item>()
        let link = `${delta}?$top=3`
        const readPage = Effect.gen(function* () {
          const { body } = yield* get(link)
          follow(known, body.value)
          link = body["@odata.nextLink"] ?? body["@odata.deltaLink"] ?? ""
          return body["@odata.deltaLink"] !== undefined
        })
        for (const { kind, a, b } of steps) {
          const entries = yield* admin.tree()
          const folders = ["", ...entries.filter((entry) => entry.kind === "folder").map(({ path }) => path)]
          const folder = folders[a % folders.length] ?? ""
          const target = entries[b % Math.max(1, entries.length)]
          const change = {
            folder: admin.createFolder(`${folder}/d${b % 4}`),
            file: admin.putFile(`${folder}/f${b % 4}`, `${a} ${b}`),
            replace: admin.replace(target?.path ?? "/none", `${a} ${b}`),
            rename: admin.rename(target?.path ?? "/none", `n${a % 4}`),
            move: admin.move(target?.path ?? "/none", folder === "" ? "/" : folder),
            delete: admin.delete(target?.path ?? "/none"),
            page: readPage
          }[kind]
          // Collisions, cycles and missing targets are refused, which is as good a step as any.
          yield* Effect.ignore(change)
        }
        while (!(yield* readPage)) continue
        // The pass that just ended may have begun before the last changes; one more begins after all of them.
        while (!(yield* readPage)) continue
        assert.deepStrictEqual(state(known), yield* truth)
      }).pipe(Effect.provide(drive())),
    { arbitrary: { runs: 40 } }
  )

  it.effect("also tells what other clients changed over HTTP", () =>
    Effect.gen(function* () {
      const { deltaLink } = yield* deltaPass(delta)
      yield* put("/me/drive/root:/x:/content", "x")
      assert.deepStrictEqual(summary((yield* deltaPass(deltaLink)).items), ["root", "x"])
    }).pipe(Effect.provide(drive()))
  )
})

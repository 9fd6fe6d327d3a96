import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { type Body, deltaPass, drive, get, patch, post, put, remove } from "./api.ts"

const root = "/me/drive/root"

const content = (path: string) =>
  Effect.gen(function* () {
    const { headers } = yield* get(`${path}/content`)
    return (yield* get(headers["location"] ?? "")).text
  })

interface Version {
  readonly id: string
  readonly size: number
}
const versionsOf = (body: Body) => body.value as unknown as ReadonlyArray<Version>

describe("copies", () => {
  it.effect("copy a tree, report it without a token, and share no later change", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/from")
      yield* admin.createFolder("/from/deep")
      yield* admin.putFile("/from/deep/a.txt", "one")
      yield* admin.createFolder("/to")
      const { body: to } = yield* get(`${root}:/to`)
      const copy = yield* post(`${root}:/from:/copy`, { parentReference: { id: to.id }, name: "copied" })
      assert.strictEqual(copy.status, 202)
      const monitor = yield* get(copy.headers["location"] ?? "", { token: null })
      const done = JSON.parse(monitor.text) as { readonly status: string; readonly resourceId: string }
      assert.deepStrictEqual([monitor.status, done.status], [200, "completed"])
      assert.strictEqual((yield* get(`/me/drive/items/${done.resourceId}`)).body.name, "copied")
      yield* admin.replace("/from/deep/a.txt", "two, longer")
      assert.strictEqual(yield* content(`${root}:/to/copied/deep/a.txt:`), "one")
      const { body } = yield* get(`${root}:/to`)
      assert.deepStrictEqual([body.size, body.folder?.childCount], [3, 1])
      yield* admin.delete("/from")
      assert.strictEqual(yield* content(`${root}:/to/copied/deep/a.txt:`), "one")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("refuse collisions, loops and forged monitors, and take their time when told to", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/a")
      yield* admin.putFile("/f.txt", "new")
      yield* admin.putFile("/a/f.txt", "old")
      const { body: folder } = yield* get(`${root}:/a`)
      const into = { parentReference: { id: folder.id } }
      assert.strictEqual((yield* post(`${root}:/f.txt:/copy`, into)).status, 409)
      assert.strictEqual((yield* post(`${root}:/a:/copy`, into)).status, 400)
      const replaced = yield* post(`${root}:/f.txt:/copy?@microsoft.graph.conflictBehavior=replace`, into)
      assert.strictEqual(yield* content(`${root}:/a/f.txt:`), "new")
      const location = replaced.headers["location"] ?? ""
      assert.strictEqual((yield* get(location.replace(/monitor\/\d+/, "monitor/1"), { token: null })).status, 404)
      assert.strictEqual((yield* get(location, { token: null })).status, 202)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* get(location, { token: null })).status, 200)
      const renamed = yield* post(`${root}:/f.txt:/copy?@microsoft.graph.conflictBehavior=rename`, into)
      assert.strictEqual(renamed.status, 202)
      assert.strictEqual((yield* get(`${root}:/a/f 1.txt`)).status, 200)
    }).pipe(Effect.provide(drive({ settings: { copyDuration: 3000 } })))
  )
})

describe("versions", () => {
  it.effect("are listed newest first, read, restored and limited", () =>
    Effect.gen(function* () {
      for (const text of ["1", "22", "333", "4444"]) yield* put(`${root}:/v.txt:/content`, text)
      const list = Effect.map(get(`${root}:/v.txt:/versions`), ({ body }) => versionsOf(body))
      assert.deepStrictEqual(
        (yield* list).map(({ id, size }) => [id, size]),
        [
          ["4.0", 4],
          ["3.0", 3],
          ["2.0", 2]
        ]
      )
      assert.strictEqual(yield* content(`${root}:/v.txt:/versions/2.0`), "22")
      assert.strictEqual((yield* get(`${root}:/v.txt:/versions/1.0`)).status, 404)
      const restored = yield* post(`${root}:/v.txt:/versions/2.0/restoreVersion`, {})
      assert.strictEqual(restored.status, 204)
      assert.strictEqual(yield* content(`${root}:/v.txt:`), "22")
      assert.deepStrictEqual(
        (yield* list).map(({ id }) => id),
        ["5.0", "4.0", "3.0"]
      )
      // Times are no version here; on business drives they are.
      yield* patch(`${root}:/v.txt`, { fileSystemInfo: { lastModifiedDateTime: "2020-02-02T02:02:02Z" } })
      assert.strictEqual((yield* list).length, 3)
      assert.strictEqual((yield* remove(`${root}:/v.txt:/versions/3.0`)).status, 204)
      assert.strictEqual((yield* remove(`${root}:/v.txt:/versions/5.0`)).status, 400)
      assert.strictEqual((yield* list).length, 2)
    }).pipe(Effect.provide(drive({ settings: { versionLimit: 2 } })))
  )
})

describe("the recycle bin", () => {
  it.effect("gives a tree back under its old ids, and tells delta", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/kept")
      yield* admin.createFolder("/kept/in")
      const file = yield* admin.putFile("/kept/in/x.txt", "hello")
      const { body: folder } = yield* get(`${root}:/kept`)
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      yield* admin.delete("/kept")
      assert.strictEqual((yield* get(root)).body.size, 0)
      const gone = yield* deltaPass(deltaLink)
      assert.strictEqual(gone.items.filter(({ deleted }) => deleted !== undefined).length, 3)
      const restored = yield* post(`/me/drive/items/${folder.id}/restore`, {})
      assert.deepStrictEqual([restored.status, restored.body.id, restored.body.size], [200, folder.id, 5])
      assert.strictEqual((yield* get(`${root}:/kept/in/x.txt`)).body.id, file.id)
      assert.strictEqual(yield* content(`/me/drive/items/${file.id}`), "hello")
      const back = yield* deltaPass(gone.deltaLink)
      assert.deepStrictEqual(
        back.items.map(({ name }) => name),
        ["root", "kept", "in", "x.txt"]
      )
      assert.strictEqual((yield* get(root)).body.size, 5)
      assert.strictEqual((yield* post(`/me/drive/items/${folder.id}/restore`, {})).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("restores beside what took the name, and forgets after its time", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      const first = yield* admin.putFile("/n.txt", "first")
      yield* admin.delete("/n.txt")
      yield* admin.putFile("/n.txt", "second")
      assert.strictEqual((yield* post(`/me/drive/items/${first.id}/restore`, {})).status, 409)
      assert.strictEqual((yield* post(`/me/drive/items/${first.id}/restore`, { name: "m.txt" })).status, 200)
      yield* admin.delete("/m.txt")
      yield* TestClock.adjust("31 days")
      yield* put(`${root}:/other:/content`, "sweeps")
      assert.strictEqual((yield* post(`/me/drive/items/${first.id}/restore`, {})).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("is passed over by permanentDelete of business drives, which in turn cannot restore", () =>
    Effect.gen(function* () {
      const file = (yield* put(`${root}:/n.txt:/content`, "x")).body
      assert.strictEqual((yield* post(`/me/drive/items/${file.id}/permanentDelete`, {})).status, 204)
      assert.strictEqual((yield* get(`/me/drive/items/${file.id}`)).status, 404)
      assert.strictEqual((yield* get("/me/drive")).body.quota["deleted"], 0)
      const { body: binned } = yield* put(`${root}:/m.txt:/content`, "x")
      yield* remove(`/me/drive/items/${binned.id}`)
      assert.strictEqual((yield* get("/me/drive")).body.quota["deleted"], 1)
      assert.strictEqual((yield* post(`/me/drive/items/${binned.id}/restore`, {})).status, 501)
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )
})

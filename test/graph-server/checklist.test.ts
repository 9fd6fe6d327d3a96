/**
 * What clients of other people need from a drive when they read, a test each; checklist-changes.test.ts has what they
 * need when they write. Every line was found by watching or reading one of them fail; the interop suite runs the clients
 * themselves. Lines 10 and 17 (Expect, HTTP/1.1) are about sockets: http.test.ts.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { type Body, deltaPass, get, type Item, patch, post, put, remove } from "./api.ts"
import { onBothKinds, planted, root } from "./checklist.ts"

/** Items of every kind, as every request shows them that shows items. */
const everyItem = Effect.gen(function* () {
  const file = yield* planted
  const { driveId, admin } = yield* (yield* GraphServer.Drives).add({ label: { name: "OneDrive", owner: "ada@x.org" } })
  const { id } = yield* admin.createFolder("/team")
  yield* (yield* GraphServer.DriveAdmin).createMarker("/Notes", "package")
  yield* (yield* GraphServer.DriveAdmin).createMarker("/Vault", "vault")
  const link = { name: "Team", remoteItem: { id, parentReference: { driveId } } }
  const shown: Array<Body | Item> = [(yield* post(`${root}/children`, link)).body]
  shown.push((yield* put(`${root}:/a/put.txt:/content`, "x")).body)
  shown.push((yield* post(`${root}/children`, { name: "b", folder: {} })).body)
  shown.push((yield* patch(`/me/drive/items/${file.id}`, { name: "renamed.txt" })).body)
  const session = yield* post(`${root}:/s.bin:/createUploadSession`, {})
  shown.push((yield* put(session.body.uploadUrl, "abc", { headers: { "content-range": "bytes 0-2/3" } })).body)
  shown.push((yield* get(root)).body, (yield* get(`${root}:/a`)).body)
  shown.push(...(yield* get(`${root}/children`)).body.value, ...(yield* get(`${root}:/a:/children`)).body.value)
  const prefer = "Include-Feature=AddToOneDrive"
  shown.push(...(yield* get(`${root}/delta`, { headers: { prefer } })).body.value)
  assert.isAtLeast(shown.length, 20)
  return shown
})

/** Names of the root's children, by the query that asks for them. */
const namesBy = (query: string) =>
  Effect.map(get(`${root}/children?${query}`), ({ body }) => body.value.map(({ name }) => name).join())

const isRoot = (item: Item): boolean => item.root !== undefined

onBothKinds((test, kind) => {
  test(
    "1: routes on the raw path and decodes each segment afterwards",
    Effect.gen(function* () {
      const file = yield* planted
      const forms = [
        `${root}:/a/name.txt`,
        `${root}:/a/name.txt:`,
        `${root}:%2Fa%2Fname.txt`,
        `${root}:/.%2Fa%2Fname.txt:`,
        `/me/drive/items/${file.id}:/`,
        `/me/drive/items/${file.id}/`,
        `/me/drive/items/${file.id.replace("!", "%21")}`,
        `${root}:/A//NAME.txt`,
        `${root}:/./a/./name.txt`
      ]
      const folder = (yield* get(`${root}:/a`)).body.id
      forms.push(`/me/drive/items/${folder}:/name.txt`, `/me/drive/items/${folder}:/name.txt:`)
      for (const form of forms) assert.strictEqual((yield* get(form)).body.id, file.id, form)
      const { id } = (yield* get("/me/drive")).body
      for (const form of [id, id.replace("!", "%21")]) {
        assert.strictEqual((yield* get(`/drives/${form}/?select=quota`)).status, 200)
      }
      for (const form of [`${root}:/a/name.txt:/content`, `${root}:%2Fa%2Fname.txt:/content`]) {
        assert.strictEqual((yield* put(form, "new")).body.id, file.id, form)
      }
      assert.strictEqual((yield* get("/me/drive/?select=quota")).status, 200)
    })
  )

  test(
    "2: takes query options with and without the dollar sign",
    Effect.gen(function* () {
      yield* planted
      for (const query of ["select=id", "$select=id"]) {
        assert.deepStrictEqual(Object.keys((yield* get(`${root}:/a?${query}`)).body).sort(), ["@odata.context", "id"])
      }
      for (const query of ["top=1", "$top=1"]) {
        assert.strictEqual((yield* get(`${root}/delta?${query}`)).body.value.length, 1)
      }
      for (const query of ["expand=children", "$expand=children"]) {
        assert.include((yield* get(`${root}:/a?${query}`)).text, '"children"')
      }
      yield* put(`${root}:/b.txt:/content`, "x")
      for (const query of ["orderby=name desc", "$orderby=name%20desc"]) {
        assert.strictEqual(yield* namesBy(query), "b.txt,a")
      }
      const next = (yield* get(`${root}/children?top=1`)).body["@odata.nextLink"] ?? ""
      const token = new URL(next).searchParams.get("$skiptoken") ?? ""
      for (const query of [`$skiptoken=${token}`, `skipToken=${token}`, `skiptoken=${token}`]) {
        assert.strictEqual(yield* namesBy(query), "b.txt")
      }
    })
  )

  test(
    "3: gives every item its drive, and all but the root their parent",
    Effect.gen(function* () {
      const own = (yield* get("/me/drive")).body.id
      for (const item of yield* everyItem) {
        const { driveId, driveType, id, path } = item.parentReference
        assert.deepStrictEqual([driveId, driveType], [own, kind])
        assert.deepStrictEqual([id === undefined, path === undefined], [isRoot(item), isRoot(item)])
      }
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      const { id } = (yield* get(`${root}:/a`)).body
      yield* remove(`/me/drive/items/${id}`)
      const gone = (yield* deltaPass(deltaLink)).items.filter(({ deleted }) => deleted !== undefined)
      assert.isNotEmpty(gone)
      for (const { parentReference } of gone) {
        assert.deepStrictEqual([parentReference.driveId, parentReference.driveType], [own, kind])
        assert.isString(parentReference.id)
      }
    })
  )

  test(
    "4: gives every item times, tags, a name and a size",
    Effect.gen(function* () {
      for (const item of yield* everyItem) {
        assert.isString(item.id)
        assert.isString(item.eTag)
        assert.isString(item.name)
        assert.isNumber(item.size)
        const { createdDateTime, lastModifiedDateTime, fileSystemInfo: own } = item
        const times = [createdDateTime, lastModifiedDateTime, own.createdDateTime, own.lastModifiedDateTime]
        for (const time of times) {
          assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
        }
      }
    })
  )

  test(
    "5: lists parents before children in delta, also after a move into a younger folder",
    Effect.gen(function* () {
      yield* planted
      const admin = yield* GraphServer.DriveAdmin
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      yield* admin.createFolder("/younger")
      yield* admin.move("/a", "/younger")
      const names = (yield* deltaPass(deltaLink)).items.map(({ name }) => name)
      assert.isBelow(names.indexOf("younger"), names.indexOf("a"))
    })
  )

  test(
    "6: links deltas absolutely, under the host that was asked, with a parameter named token",
    Effect.gen(function* () {
      for (const query of ["?token=latest", "?$select=id", "(token='latest')", ""]) {
        const link = (yield* get(`${root}/delta${query}`)).body["@odata.deltaLink"] ?? ""
        assert.isTrue(link.startsWith(`${GraphServer.baseUrl}/`), link)
        assert.isNotEmpty(new URL(link).searchParams.get("token") ?? "")
        assert.strictEqual((yield* get(link)).status, 200)
      }
    })
  )

  test(
    "7: puts a few changes into one page of delta",
    Effect.gen(function* () {
      const { deltaLink } = yield* deltaPass(`${root}/delta`)
      for (let i = 0; i < 20; i++) yield* put(`${root}:/n${i}:/content`, "x")
      const page = yield* get(deltaLink)
      assert.isDefined(page.body["@odata.deltaLink"])
      assert.isUndefined(page.body["@odata.nextLink"])
    })
  )
})

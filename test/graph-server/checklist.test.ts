/**
 * What clients of other people need from a drive, a test each. Every line was found by watching or reading one of them
 * fail; the interop suite runs the clients themselves. Lines 10 and 17 (Expect, HTTP/1.1) are about sockets: http.test.ts.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { call, deltaPass, drive, get, type Item, patch, post, put, remove } from "./api.ts"

const root = "/me/drive/root"
const unit = 320 * 1024

/** A small tree: /a/name.txt. */
const planted = Effect.gen(function* () {
  const admin = yield* GraphServer.DriveAdmin
  yield* admin.createFolder("/a")
  return yield* admin.putFile("/a/name.txt", "hello world\n")
})

const everyItem = Effect.map(deltaPass(`${root}/delta`), ({ items }) => items)
const isRoot = (item: Item): boolean => item.root !== undefined

for (const kind of ["personal", "business"] as const) {
  describe(`a ${kind} drive`, () => {
    const test = <E>(
      name: string,
      effect: Effect.Effect<
        void,
        E,
        Effect.Services<ReturnType<typeof get>> | GraphServer.DriveAdmin | GraphServer.Faults
      >
    ) => it.effect(name, () => Effect.provide(effect, drive({ kind })))

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
          `${root}:/A//NAME.txt`
        ]
        for (const form of forms) assert.strictEqual((yield* get(form)).body.id, file.id, form)
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
      })
    )

    test(
      "3: gives every item its drive, and all but the root their parent",
      Effect.gen(function* () {
        yield* planted
        for (const item of yield* everyItem) {
          const { driveId, driveType, id, path } = item.parentReference
          assert.isString(driveId)
          assert.strictEqual(driveType, kind)
          assert.deepStrictEqual([id === undefined, path === undefined], [isRoot(item), isRoot(item)])
        }
      })
    )

    test(
      "4: gives every item times, tags, a name and a size",
      Effect.gen(function* () {
        yield* planted
        for (const item of yield* everyItem) {
          assert.isString(item.eTag)
          assert.isString(item.name)
          assert.isNumber(item.size)
          const { fileSystemInfo } = item
          for (const time of [item.createdDateTime, item.lastModifiedDateTime, ...Object.values(fileSystemInfo)]) {
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
        const link = new URL((yield* get(`${root}/delta?token=latest`)).body["@odata.deltaLink"] ?? "")
        assert.strictEqual(link.origin, GraphServer.origin)
        assert.isNotEmpty(link.searchParams.get("token") ?? "")
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

    test(
      "8: answers the last fragment with the whole item, and the times the session was made with",
      Effect.gen(function* () {
        const item = { fileSystemInfo: { lastModifiedDateTime: "2020-02-03T04:05:06Z" } }
        const session = yield* post(`${root}:/s.bin:/createUploadSession`, { item })
        const headers = { "content-range": "bytes 0-2/3" }
        const done = yield* put(session.body.uploadUrl, "abc", { headers, token: null })
        assert.deepStrictEqual([done.status, done.body.size], [201, 3])
        assert.isString(done.body.file?.hashes.quickXorHash)
        assert.strictEqual(done.body.fileSystemInfo.lastModifiedDateTime, item.fileSystemInfo.lastModifiedDateTime)
      })
    )

    test(
      "9: ignores Authorization on upload and download URLs",
      Effect.gen(function* () {
        yield* planted
        const session = yield* post(`${root}:/s.bin:/createUploadSession`, {})
        const headers = { "content-range": `bytes 0-${unit - 1}/${2 * unit}` }
        const part = yield* put(session.body.uploadUrl, new Uint8Array(unit), { headers, token: "anything" })
        assert.strictEqual(part.status, 202)
        const { headers: redirect } = yield* get(`${root}:/a/name.txt:/content`)
        assert.strictEqual((yield* get(redirect["location"] ?? "", { token: "anything" })).text, "hello world\n")
      })
    )

    test(
      "11: takes eTag, cTag and * in If-Match, quoted or not",
      Effect.gen(function* () {
        yield* planted
        for (const form of ["eTag", "cTag", "quoted", "*"]) {
          const { body } = yield* get(`${root}:/a/name.txt`)
          const bare = body.eTag.replaceAll('"', "")
          const tag = { eTag: bare, cTag: body.cTag, quoted: `"${bare}"`, "*": "*" }[form] ?? ""
          const times = { fileSystemInfo: { lastModifiedDateTime: `2020-01-01T00:00:0${form.length}Z` } }
          const reply = yield* patch(`${root}:/a/name.txt`, times, { headers: { "if-match": tag } })
          assert.strictEqual(reply.status, 200, form)
        }
      })
    )

    test(
      "12: takes both spellings of conflictBehavior, bodies without wrapper, and empty strings as nothing",
      Effect.gen(function* () {
        const file = yield* planted
        for (const key of ["@microsoft.graph.conflictBehavior", "@name.conflictBehavior"]) {
          const reply = yield* post(`${root}/children`, { name: "a", folder: { childCount: 0 }, [key]: "rename" })
          assert.match(reply.body.name, /^a \d$/)
          const wrapped = { item: { [key]: "fail" } }
          for (const body of [wrapped, wrapped.item]) {
            assert.strictEqual((yield* post(`${root}:/a/name.txt:/createUploadSession`, body)).status, 409)
          }
        }
        const reference = { driveId: "", driveType: "", id: "", path: "" }
        const renamed = yield* patch(`/me/drive/items/${file.id}`, { name: "new.txt", parentReference: reference })
        assert.strictEqual(renamed.body.name, "new.txt")
      })
    )

    test(
      "15: keeps the case of names and finds them in any; ids are exact",
      Effect.gen(function* () {
        const file = yield* planted
        assert.strictEqual((yield* get(`${root}:/A/NAME.TXT`)).body.name, "name.txt")
        assert.strictEqual((yield* post(`${root}/children`, { name: "A", folder: {} })).status, 409)
        assert.strictEqual((yield* patch(`/me/drive/items/${file.id}`, { name: "Name.txt" })).body.name, "Name.txt")
        assert.strictEqual((yield* get(`/me/drive/items/${file.id.toLowerCase()}`)).status, 404)
        const { body } = yield* get("/me/drive")
        const other = yield* get(`/drives/${encodeURIComponent(body.id.toUpperCase())}/root`)
        assert.strictEqual(other.status, kind === "personal" ? 200 : 404)
      })
    )

    test(
      "16: shows a copy's progress without a token",
      Effect.gen(function* () {
        yield* planted
        const copy = yield* post(`${root}:/a:/copy`, { name: "b" })
        assert.strictEqual((yield* get(copy.headers["location"] ?? "", { token: null })).status, 200)
      })
    )

    test(
      "13, 14: answers HEAD / and refreshes tokens again and again",
      Effect.gen(function* () {
        const { token } = yield* GraphServer.DriveTokens
        const login = `${GraphServer.origin}/common/oauth2/v2.0/token`
        const form = `client_id=x&redirect_uri=https://login.live.com/x&grant_type=refresh_token&refresh_token=${token}`
        for (const body of [form, form]) {
          const reply = yield* call("POST", login, { body, token: null })
          assert.match(reply.text, /"refresh_token":"[\w-]{20,}"/)
        }
        assert.strictEqual((yield* call("HEAD", `${GraphServer.origin}/`, { token: null })).status, 200)
        assert.strictEqual((yield* remove(root)).status, 403)
      })
    )
  })
}

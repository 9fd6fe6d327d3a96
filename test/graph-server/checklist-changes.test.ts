/** What clients of other people need from a drive when they write and sign in, a test each; see checklist.test.ts. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { call, get, inject, patch, post, put, remove } from "./api.ts"
import { onBothKinds, planted, root } from "./checklist.ts"

const unit = 320 * 1024

let times = 0
/** Never the same twice, so that a PATCH of it is a change. */
const nextTime = () => ({ lastModifiedDateTime: new Date(Date.UTC(2020, 0, 1) + 1000 * ++times).toISOString() })

onBothKinds((test, kind) => {
  test(
    "8: answers the last fragment with the whole item, and the times the session was made with",
    Effect.gen(function* () {
      // With seven digits, as one of the clients writes them.
      const times = { createdDateTime: "2019-02-03T04:05:06", lastModifiedDateTime: "2020-02-03T04:05:06" }
      const sent = Object.fromEntries(Object.entries(times).map(([name, time]) => [name, `${time}.0000000Z`]))
      const item = { fileSystemInfo: sent }
      const session = yield* post(`${root}:/s.bin:/createUploadSession`, { item })
      const headers = { "content-range": "bytes 0-11/12" }
      const done = yield* put(session.body.uploadUrl, "hello world\n", { headers, token: null })
      assert.deepStrictEqual([done.status, done.body.name, done.body.size], [201, "s.bin", 12])
      assert.strictEqual(done.body.file?.hashes.quickXorHash, "aCgDG9jwBhDc4Q1ybAMZFAAAAAA=")
      const kept = Object.fromEntries(Object.entries(times).map(([name, time]) => [name, `${time}Z`]))
      assert.deepStrictEqual(done.body.fileSystemInfo, kept as typeof done.body.fileSystemInfo)
      // The whole item: what a GET says.
      assert.deepStrictEqual(Object.keys(done.body), Object.keys((yield* get(`${root}:/s.bin`)).body))
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
      yield* inject("authorizationRefused", { rate: 1 })
      for (const url of [redirect["location"] ?? "", session.body.uploadUrl]) {
        assert.strictEqual((yield* get(url, { token: "anything" })).status, 401)
        assert.strictEqual((yield* get(url, { token: null })).status, 200)
      }
    })
  )

  test(
    "11: takes eTag, cTag and * in If-Match, quoted or not",
    Effect.gen(function* () {
      yield* planted
      const path = `${root}:/a/name.txt`
      const changes = [
        (headers: Record<string, string>) => patch(path, { fileSystemInfo: nextTime() }, { headers }),
        (headers: Record<string, string>) => put(`${path}:/content`, "new", { headers }),
        (headers: Record<string, string>) => post(`${path}:/createUploadSession`, {}, { headers })
      ]
      for (const change of changes) {
        for (const form of ["eTag", "cTag", "*"]) {
          for (const quote of ["", '"']) {
            const { body } = yield* get(path)
            const tag = form === "eTag" ? body.eTag : form === "cTag" ? body.cTag : form
            const bare = tag.replaceAll('"', "")
            assert.strictEqual((yield* change({ "if-match": `${quote}${bare}${quote}` })).status, 200, form)
          }
        }
        assert.strictEqual((yield* change({ "if-match": "another" })).status, 412)
      }
      const { eTag } = (yield* get(path)).body
      assert.strictEqual((yield* remove(path, { headers: { "if-match": "another" } })).status, 412)
      assert.strictEqual((yield* remove(path, { headers: { "if-match": eTag } })).status, 204)
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
      const monitor = yield* get(copy.headers["location"] ?? "", { token: null })
      assert.deepStrictEqual(
        [monitor.status, (monitor.body as { readonly resourceId?: string }).resourceId],
        [200, (yield* get(`${root}:/b`)).body.id]
      )
    })
  )

  test(
    "13: refreshes tokens again and again, however the client names itself",
    Effect.gen(function* () {
      const { token } = yield* GraphServer.DriveTokens
      const login = `${GraphServer.origin}/common/oauth2/v2.0/token`
      const form = `client_id=x&redirect_uri=https://login.live.com/x&grant_type=refresh_token&refresh_token=${token}`
      const basic = { authorization: `Basic ${Buffer.from("x:secret").toString("base64")}` }
      const fromBasic = { body: form.replace("client_id=x&", ""), headers: basic }
      const refreshed = new Set([token])
      for (const request of [{ body: form }, { body: `${form}&client_secret=secret` }, fromBasic]) {
        const reply = yield* call("POST", login, { ...request, token: null })
        refreshed.add(/"refresh_token":"([\w-]{20,})"/.exec(reply.text)?.[1] ?? "")
        assert.strictEqual(reply.status, 200)
      }
      assert.strictEqual(refreshed.size, 4)
      for (const old of refreshed) {
        const reply = yield* call("POST", login, { body: form.replace(token, old), token: null })
        assert.strictEqual(reply.status, 200)
      }
    })
  )

  test(
    "14: answers HEAD of the login host's root",
    Effect.gen(function* () {
      const { status, bytes } = yield* call("HEAD", `${GraphServer.origin}/`, { token: null })
      assert.deepStrictEqual([status, bytes.length], [200, 0])
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { call, drive, get, patch, post, put } from "./api.ts"

/** /a/b/name.txt and a name with spaces and umlauts. */
const populate = Effect.gen(function* () {
  const admin = yield* GraphServer.DriveAdmin
  yield* admin.createFolder("/a")
  yield* admin.createFolder("/a/b")
  const file = yield* admin.putFile("/a/b/name.txt", "hello world\n")
  const special = yield* admin.putFile("/a/Grüße & 100% #1.txt", "x")
  const driveId = (yield* get("/me/drive")).body.id
  return { file: file.id, special: special.id, driveId, a: (yield* admin.stat("/a")).id }
})

describe("addressing", () => {
  it.effect("accepts every form of an item's address", () =>
    Effect.gen(function* () {
      const { file, a, driveId } = yield* populate
      const escaped = file.replace("!", "%21")
      const forms = [
        `/me/drive/items/${file}`,
        `/me/drive/items/${escaped}`,
        `/me/drive/items/${file}/`,
        `/drives/${driveId}/items/${file}`,
        `/drives/${driveId.toUpperCase()}/items/${file}`,
        "/me/drive/root:/a/b/name.txt",
        "/me/drive/root:/a/b/name.txt:",
        "/me/drive/root:/a/b/name.txt:/",
        "/me/drive/root:%2Fa%2Fb%2Fname.txt",
        "/me/drive/root:/.%2Fa%2Fb%2Fname.txt:",
        "/me/drive/root:/a//b/./name.txt",
        "/me/drive/root:/A/B/NAME.TXT",
        "/me/drive/items/root:/a/b/name.txt",
        `/me/drive/items/${a}:/b/name.txt`,
        `/drives/${driveId}/items/${a}:/b/name.txt:`
      ]
      for (const form of forms) {
        const { status, body } = yield* get(form)
        assert.strictEqual(status, 200, form)
        assert.strictEqual(body.id, file, form)
      }
      assert.strictEqual((yield* get(`/me/drive/items/${a}:/`)).body.id, a)
      assert.strictEqual((yield* get("/me/drive/root:/")).body.name, "root")
      assert.strictEqual((yield* get("/me/drive/items/root")).body.name, "root")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("decodes names after routing, and finds resources behind paths", () =>
    Effect.gen(function* () {
      const { special } = yield* populate
      const path = `/me/drive/root:/a/${encodeURIComponent("Grüße & 100% #1.txt")}`
      assert.strictEqual((yield* get(path)).body.id, special)
      assert.strictEqual((yield* get(`${path}:/content`)).status, 302)
      const children = yield* get("/me/drive/root:/a:/children")
      assert.deepStrictEqual(
        children.body.value.map(({ name }) => name),
        ["b", "Grüße & 100% #1.txt"]
      )
      assert.strictEqual((yield* get("/me/drive/root:%2Fa:/children")).body.value.length, 2)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("answers what addresses nothing with 400 or 404, never with something else's item", () =>
    Effect.gen(function* () {
      const { file, driveId } = yield* populate
      const missing = [
        "/me/drive/root:/a/none.txt",
        "/me/drive/root:/a/b/name.txt/below",
        `/me/drive/items/${file.toLowerCase()}x`,
        `/me/drive/items/${file.replace("!", "!0")}`,
        "/me/drive/items/AAAAAAAAAAAAAAAA!102",
        "/drives/0123456789abcdef/root"
      ]
      for (const path of missing) {
        const { status, body } = yield* get(path)
        assert.strictEqual(status, 404, path)
        assert.strictEqual(body.error.code, "itemNotFound", path)
      }
      const malformed = [
        "/me/drive/root:/a%2F%2e%2e%2Fx",
        "/me/drive/root:/..%2F..%2Fdrive.db",
        "/me/drive/root:/%E0%A4%A",
        `/me/drive/root:/${"x".repeat(500)}`,
        "/me/nonsense",
        `/drives/${driveId}/nonsense`,
        "/me/drive/root/nonsense"
      ]
      for (const path of malformed) assert.strictEqual((yield* get(path)).status, 400, path)
      const deeper = [`/me/drive/items/${file}/content/x`, "/me/drive/root/children/x", "/me/drive/root/delta/x/y"]
      for (const path of deeper) assert.strictEqual((yield* get(path)).status, 400, path)
      const name = { name: "new", folder: {} }
      assert.strictEqual((yield* post("/me/drive/root/children/x", name)).status, 400)
      assert.strictEqual((yield* get("/me/drive/root:/new")).status, 404)
      assert.strictEqual((yield* get("/me/drive/root/preview")).status, 501)
      assert.strictEqual((yield* call("DELETE", "/me/drive")).status, 405)
      assert.strictEqual((yield* call("PUT", "/me/drive/root/children")).status, 405)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("takes our own words for the start of an address from nobody", () =>
    Effect.gen(function* () {
      const { file } = yield* populate
      yield* put("/me/drive/special/documents:/x:/content", "x")
      const made = yield* post(`/me/drive/items/${file}/createLink`, {})
      for (const id of ["special:documents", `share:${made.body.id}`]) {
        assert.strictEqual((yield* get(`/me/drive/items/${encodeURIComponent(id)}`)).status, 404, id)
        const move = yield* patch(`/me/drive/items/${file}`, { parentReference: { id } })
        assert.strictEqual(move.status, 404, id)
      }
      assert.strictEqual((yield* get("/me/drive/root:/a/b/name.txt")).body.id, file)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("knows functions with empty parentheses, and says which lists of a drive it has not got", () =>
    Effect.gen(function* () {
      for (const form of ["delta()", "microsoft.graph.delta()"]) {
        const { status, body } = yield* get(`/me/drive/root/${form}`)
        assert.deepStrictEqual(
          [status, body.value.length, body["@odata.deltaLink"] !== undefined],
          [200, 1, true],
          form
        )
      }
      for (const list of ["recent", "recent()", "following", "bundles", "activities"]) {
        const { status, body } = yield* get(`/me/drive/${list}`)
        assert.deepStrictEqual([status, body.error.code], [501, "notSupported"], list)
      }
      assert.deepStrictEqual((yield* get("/me/drive/sharedWithMe")).body.value, [])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("describes user, drives and root", () =>
    Effect.gen(function* () {
      const me = yield* get("/me")
      assert.isString((me.body as unknown as { userPrincipalName: string }).userPrincipalName)
      const own = yield* get("/me/drive")
      assert.match(own.body.id, /^[1-9a-f][0-9a-f]{15}$/)
      assert.strictEqual((yield* get("/me/drives")).body.value[0]?.id, own.body.id)
      const quota = yield* get(`/drives/${own.body.id}/?select=quota`)
      assert.deepStrictEqual(Object.keys(quota.body).sort(), ["@odata.context", "quota"])
      assert.containsAllKeys(own.body, ["webUrl", "createdDateTime", "lastModifiedDateTime", "owner"])
      const root = (yield* get("/me/drive/root")).body
      assert.deepStrictEqual(root.parentReference, { driveId: own.body.id, driveType: "personal" })
      assert.deepStrictEqual(root.root, {})
      assert.strictEqual(root.folder?.childCount, 0)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("gives every item what clients rely on, and selects with and without $", () =>
    Effect.gen(function* () {
      const { file, driveId, a } = yield* populate
      const { body } = yield* get(`/me/drive/items/${file}`)
      assert.strictEqual(body.size, 12)
      assert.strictEqual(body.file?.hashes.quickXorHash, "aCgDG9jwBhDc4Q1ybAMZFAAAAAA=")
      assert.match(body.parentReference.path ?? "", /^\/drives\/[0-9a-f]{16}\/root:\/a\/b$/)
      assert.strictEqual(body.parentReference.driveId, driveId)
      for (const time of [body.createdDateTime, body.lastModifiedDateTime, body.fileSystemInfo.lastModifiedDateTime]) {
        assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
      }
      assert.match(Buffer.from(body.cTag.slice(1), "base64").toString(), /^c:[0-9A-F]{16}!\d+\.1$/)
      for (const option of ["$select", "select", "%24select"]) {
        const selected = yield* get(`/me/drive/items/${file}?${option}=id,size`)
        assert.deepStrictEqual(Object.keys(selected.body).sort(), ["@odata.context", "id", "size"])
      }
      const link = yield* get(`/me/drive/items/${file}?select=id,@microsoft.graph.downloadUrl`)
      assert.isString(link.body["@microsoft.graph.downloadUrl"])
      const umlaut = yield* post(`/me/drive/items/${a}/children`, { name: "Ä b", folder: {} })
      const inner = yield* put(`/me/drive/items/${umlaut.body.id}:/x:/content`, "x")
      assert.strictEqual(inner.body.parentReference.path, `/drives/${driveId}/root:/a/%C3%84%20b`)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("pages children by name, and goes on over a page whose last item is gone", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      for (const name of ["delta", "Alpha", "charlie", "Bravo", "échelon"]) yield* admin.putFile(`/${name}`, name)
      const first = yield* get("/me/drive/root/children?$top=2&$select=name")
      assert.deepStrictEqual(first.body.value, [{ name: "Alpha" }, { name: "Bravo" }] as never)
      const next = first.body["@odata.nextLink"] ?? ""
      assert.isTrue(next.startsWith(`${GraphServer.baseUrl}/me/drive/root/children?`))
      yield* admin.delete("/Bravo")
      const second = yield* get(next)
      assert.deepStrictEqual(second.body.value, [{ name: "charlie" }, { name: "delta" }] as never)
      const last = yield* get(second.body["@odata.nextLink"] ?? "")
      assert.deepStrictEqual(last.body.value, [{ name: "échelon" }] as never)
      assert.isUndefined(last.body["@odata.nextLink"])
      assert.strictEqual((yield* get("/me/drive/root/children?$skiptoken=zz")).status, 400)
      assert.strictEqual((yield* get("/me/drive/root/children?$top=0")).status, 400)
      assert.deepStrictEqual((yield* get("/me/drive/root:/delta:/children")).body.value, [])
      for (const option of ["children", "children($select=id,name),thumbnails"]) {
        const expanded = yield* get(`/me/drive/root?$expand=${option}`)
        assert.strictEqual((expanded.body as unknown as { children: Array<unknown> }).children.length, 4, option)
      }
      assert.strictEqual((yield* get("/me/drive/root/children?$filter=name eq 'delta'")).status, 400)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("asks for a token, except at transfer URLs", () =>
    Effect.gen(function* () {
      const { file } = yield* populate
      const tokens = yield* GraphServer.DriveTokens
      const none = yield* get("/me/drive", { token: null })
      assert.strictEqual(none.status, 401)
      assert.strictEqual(none.body.error.code, "InvalidAuthenticationToken")
      const challenge = none.headers["www-authenticate"] ?? ""
      assert.include(challenge, `authorization_uri="${GraphServer.origin}/common/oauth2/v2.0/authorize"`)
      assert.strictEqual((yield* get("/me/drive", { token: "wrong" })).status, 401)
      const issued = yield* tokens.issue
      assert.strictEqual((yield* get("/me/drive", { token: issued })).status, 200)
      yield* tokens.revoke(issued)
      assert.strictEqual((yield* get("/me/drive", { token: issued })).status, 401)
      const { headers } = yield* get(`/me/drive/items/${file}/content`)
      for (const token of [null, "wrong"]) {
        assert.strictEqual((yield* get(headers["location"] ?? "", { token })).text, "hello world\n")
      }
    }).pipe(Effect.provide(drive()))
  )

  it.effect("reports errors in Graph's shape, with the client's request id", () =>
    Effect.gen(function* () {
      const reply = yield* patch("/me/drive/root:/none", { name: "x" }, { headers: { "client-request-id": "mine" } })
      assert.strictEqual(reply.status, 404)
      assert.strictEqual(reply.headers["client-request-id"], "mine")
      const { code, message, innerError } = reply.body.error
      assert.strictEqual(code, "itemNotFound")
      assert.isString(message)
      assert.strictEqual(innerError["client-request-id"], "mine")
      assert.strictEqual(innerError["request-id"], reply.headers["request-id"])
      assert.match(innerError["date"] ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/)
    }).pipe(Effect.provide(drive()))
  )
})

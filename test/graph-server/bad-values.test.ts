/** Values that have the right shape and cannot be meant: refused with 400 and the name of what is wrong. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { call, drive, get, patch, post, put } from "./api.ts"

const root = "/me/drive/root"

const setTime = (time: string) => patch(`${root}:/a.txt`, { fileSystemInfo: { lastModifiedDateTime: time } })

const announce = (fileSize: number) => post(`${root}:/big:/createUploadSession`, { item: { fileSize } })

const batchPut = (id: string, body: unknown) =>
  post("/$batch", {
    requests: [
      { id: "0", method: "PUT", url: `/me/drive/root:/${id}-first:/content`, body: "eA==" },
      { id, method: "PUT", url: `/me/drive/root:/${id}:/content`, body }
    ]
  })

const authorize = (redirect: string) =>
  get(
    `${GraphServer.origin}/common/oauth2/v2.0/authorize?client_id=x&response_type=code&redirect_uri=${encodeURIComponent(redirect)}`
  )

const token = (text: string): string => Buffer.from(text).toString("base64url")

const folderBody = (name: Buffer) => Buffer.concat([Buffer.from('{"folder":{},"name":"'), name, Buffer.from('"}')])

describe("values that cannot be meant", () => {
  it.effect("are times that no calendar has, or that cannot be written down", () =>
    Effect.gen(function* () {
      const { body: made } = yield* put(`${root}:/a.txt:/content`, "x")
      for (const time of [
        "2020-02-30T00:00:00Z",
        "2021-02-29T12:00:00+02:00",
        "2020-13-01T00:00:00Z",
        "0000-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00"
      ]) {
        const { status, body } = yield* setTime(time)
        assert.deepStrictEqual([status, body.error.code], [400, "invalidRequest"], time)
        assert.include(body.error.message, "lastModifiedDateTime")
      }
      assert.strictEqual((yield* get(`${root}:/a.txt`)).body.eTag, made.eTag)
      for (const time of ["0001-01-01T00:00:00Z", "2020-02-29T00:00:00Z", "9999-12-31T23:59:59Z"]) {
        assert.strictEqual((yield* setTime(time)).body.fileSystemInfo.lastModifiedDateTime, time)
      }
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are sizes below nothing or within a byte", () =>
    Effect.gen(function* () {
      for (const size of [-1, 0.5, 1e300]) {
        const { status, body } = yield* announce(size)
        assert.deepStrictEqual([status, body.error.code], [400, "invalidRequest"], String(size))
        assert.include(body.error.message, "fileSize")
      }
      assert.strictEqual((yield* announce(1e15)).status, 507)
      assert.strictEqual((yield* announce(0)).status, 200)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are skip tokens of another order, which would show an empty folder", () =>
    Effect.gen(function* () {
      for (const name of ["a", "b", "c"]) yield* put(`${root}:/${name}:/content`, name)
      const bySize = (skip: string) => get(`${root}/children?$orderby=size&$skiptoken=${token(skip)}`)
      for (const skip of ["s1.A", "s1.-1", "s1.1.5", "s1.1e1", "s1. 1"]) {
        const { status, body } = yield* bySize(skip)
        assert.deepStrictEqual([status, body.error.innerError["code"]], [400, "invalidQueryOption"], skip)
      }
      assert.strictEqual((yield* bySize("s1.1")).body.value.length, 2)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are bodies of batches that are neither JSON nor base64; nothing of the batch is done", () =>
    Effect.gen(function* () {
      const refused = yield* batchPut("bad", "!!not base64!!")
      assert.deepStrictEqual([refused.status, refused.body.error.code], [400, "invalidRequest"])
      assert.include(refused.body.error.message, "'bad'")
      assert.strictEqual((yield* get(`${root}/children`)).body.value.length, 0)
      assert.strictEqual((yield* batchPut("good", Buffer.from("text").toString("base64"))).status, 200)
      assert.deepStrictEqual(
        (yield* get(`${root}/children`)).body.value.map(({ name, size }) => [name, size]),
        [
          ["good", 4],
          ["good-first", 1]
        ]
      )
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are redirects that no header can carry, or that lead into this machine's files and scripts", () =>
    Effect.gen(function* () {
      for (const redirect of [
        "app:\r\nX: y",
        "app:/\u65e5",
        "http://localhost/\u0000",
        "vbscript:x",
        "file:///etc/passwd"
      ]) {
        const { status, text } = yield* authorize(redirect)
        assert.strictEqual(status, 400, redirect)
        assert.include(text, "AADSTS50011")
      }
      assert.strictEqual((yield* authorize("app://back")).status, 302)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are bodies that are not UTF-8, which would make names that nobody sent", () =>
    Effect.gen(function* () {
      const send = (body: Buffer) => call("POST", `${root}/children`, { body })
      const refused = yield* send(folderBody(Buffer.from([0x61, 0xff])))
      assert.deepStrictEqual([refused.status, refused.body.error.code], [400, "invalidRequest"])
      assert.strictEqual((yield* get(`${root}/children`)).body.value.length, 0)
      const marked = yield* send(Buffer.concat([Buffer.from("\ufeff"), folderBody(Buffer.from("é"))]))
      assert.deepStrictEqual([marked.status, marked.body.name], [201, "é"])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are methods that a list has not got", () =>
    Effect.gen(function* () {
      yield* put(`${root}:/a.txt:/content`, "one")
      yield* put(`${root}:/a.txt:/content`, "two")
      for (const [method, resource] of [
        ["DELETE", "versions"],
        ["POST", "versions"],
        ["PATCH", "permissions"],
        ["PUT", "thumbnails"]
      ] as const) {
        const { status, body } = yield* call(method, `${root}:/a.txt:/${resource}`)
        assert.deepStrictEqual([status, body.error.code], [405, "notAllowed"], resource)
      }
      for (const resource of ["versions", "versions/1.0", "permissions"]) {
        assert.strictEqual((yield* call("HEAD", `${root}:/a.txt:/${resource}`)).status, 200, resource)
      }
      assert.strictEqual((yield* get(`${root}:/a.txt:/versions`)).body.value.length, 2)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are paths of another drive to move something to", () =>
    Effect.gen(function* () {
      yield* put(`${root}:/a.txt:/content`, "x")
      yield* post(`${root}/children`, { name: "to", folder: {} })
      const move = (path: string) => patch(`${root}:/a.txt`, { parentReference: { path } })
      assert.strictEqual((yield* move("/drives/0123456789abcdef/root:/to")).status, 400)
      assert.strictEqual((yield* get(`${root}:/a.txt`)).status, 200)
      const { id } = (yield* get("/me/drive")).body
      assert.strictEqual((yield* move(`/drives/${id.toUpperCase()}/root:/to`)).status, 200)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are conversions and contents of unknown length", () =>
    Effect.gen(function* () {
      yield* put(`${root}:/a.docx:/content`, "x")
      assert.strictEqual((yield* get(`${root}:/a.docx:/content?format=pdf`)).status, 501)
      const server = yield* GraphServer.DriveServer
      const bearer = `Bearer ${(yield* GraphServer.DriveTokens).token}`
      const { status } = yield* server.handle({
        method: "PUT",
        origin: GraphServer.origin,
        url: `/v1.0${root}:/b.txt:/content`,
        headers: { authorization: bearer },
        body: Stream.empty
      })
      assert.strictEqual(status, 411)
      assert.strictEqual((yield* get(`${root}:/b.txt`)).status, 404)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are folders that are no facet", () =>
    Effect.gen(function* () {
      for (const folder of [5, "yes", true, []]) {
        const { status, body } = yield* post(`${root}/children`, { name: "f", folder })
        assert.deepStrictEqual([status, body.error.code], [400, "invalidRequest"], String(folder))
      }
      assert.strictEqual((yield* get(`${root}/children`)).body.value.length, 0)
    }).pipe(Effect.provide(drive()))
  )
})

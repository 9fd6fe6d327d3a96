import { type IncomingHttpHeaders, request as httpRequest } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { type Body, bytesOf } from "./api.ts"

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly body: Body
  readonly continued: boolean
}

interface Options {
  readonly method?: string
  readonly headers?: Record<string, string | number>
  readonly body?: Uint8Array
}

/** node:http sends the path as it is given, which no URL class does. */
const send = (listening: GraphServer.Listening, path: string, options: Options = {}) =>
  Effect.callback<Reply, Error>((resume) => {
    let continued = false
    const { host, port } = listening
    const request = httpRequest({ host, port, path, method: options.method ?? "GET", headers: options.headers ?? {} })
    request.on("response", (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", (error) => resume(Effect.fail(error)))
      response.on("end", () => {
        const bytes = Buffer.concat(chunks)
        const isJson = response.headers["content-type"]?.startsWith("application/json") === true
        const body = (isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : {}) as Body
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, bytes, body, continued }))
      })
    })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.on("continue", () => {
      continued = true
      request.end(options.body)
    })
    if (options.headers?.["expect"] === undefined) request.end(options.body)
    else request.flushHeaders()
    return Effect.sync(() => request.destroy())
  })

const served = Effect.gen(function* () {
  const listening = yield* GraphServer.serveHttp()
  const { token } = yield* GraphServer.DriveTokens
  const authorization = `Bearer ${token}`
  const api = (path: string, options: Options = {}) =>
    send(listening, `/v1.0${path}`, { ...options, headers: { authorization, ...options.headers } })
  return { listening, api }
})

const pathOf = (url: string): string => url.slice(url.indexOf("/", "http://".length))

describe("the drive over HTTP", () => {
  it.live("routes on raw paths that no client library would leave alone", () =>
    Effect.gen(function* () {
      const { api, listening } = yield* served
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/a")
      const file = yield* admin.putFile("/a/name.txt", "hello world\n")
      const forms = [
        "/me/drive/root:/a/./name.txt",
        "/me/drive/root:/.%2Fa%2Fname.txt:",
        "/me/drive/root:%2Fa%2Fname.txt",
        `/me/drive/items/${file.id}`,
        `/me/drive/items/${file.id.replace("!", "%21")}/`,
        "/me/drive/root:/a//name.txt?select=id"
      ]
      for (const form of forms) assert.strictEqual((yield* api(form)).body.id, file.id, form)
      for (const form of ["/me/drive/root:/a/../a/name.txt", "/me/drive/root:/a/%2e%2e/a/name.txt", "/../v1.0/me"]) {
        assert.strictEqual((yield* api(form)).status, 400, form)
      }
      assert.strictEqual((yield* send(listening, "/v1.0/me/drive")).status, 401)
      assert.strictEqual((yield* send(listening, "/elsewhere")).status, 401)
      const head = yield* api(`/me/drive/items/${file.id}`, { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.bytes.length], [200, 0])
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("streams both ways and links to where the client came in", () =>
    Effect.gen(function* () {
      const { api, listening } = yield* served
      const bytes = bytesOf(5_000_000)
      const created = yield* api("/me/drive/root:/big.bin:/content", { method: "PUT", body: bytes })
      assert.deepStrictEqual([created.status, created.body.file?.hashes.quickXorHash], [201, quickXorHash(bytes)])
      const redirect = yield* api("/me/drive/root:/big.bin:/content")
      const location = redirect.headers.location ?? ""
      assert.isTrue(location.startsWith(`${listening.url}/transfer/download/`))
      const whole = yield* send(listening, pathOf(location))
      assert.isTrue(whole.bytes.equals(bytes))
      const part = yield* send(listening, pathOf(location), {
        headers: { range: "bytes=1000000-1000009", authorization: "x" }
      })
      assert.deepStrictEqual([part.status, part.headers["content-length"]], [206, "10"])
      assert.isTrue(part.bytes.equals(bytes.subarray(1_000_000, 1_000_010)))
      const delta = yield* api("/me/drive/root/delta", { headers: { host: "drive.example:1234" } })
      assert.isTrue(
        delta.body["@odata.deltaLink"]?.startsWith("http://drive.example:1234/v1.0/me/drive/root/delta?token=")
      )
      const session = yield* api("/me/drive/root:/s.bin:/createUploadSession", { method: "POST" })
      const headers = { "content-range": `bytes 0-${bytes.length - 1}/${bytes.length}`, "content-length": bytes.length }
      const done = yield* send(listening, pathOf(session.body.uploadUrl), { method: "PUT", headers, body: bytes })
      assert.deepStrictEqual([done.status, done.body.size], [201, bytes.length])
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("honours Expect: 100-continue, also by refusing before the body", () =>
    Effect.gen(function* () {
      const { api } = yield* served
      const expecting = { expect: "100-continue", "content-length": 3 }
      const accepted = yield* api("/me/drive/root:/x:/content", { method: "PUT", headers: expecting, body: bytesOf(3) })
      assert.deepStrictEqual([accepted.status, accepted.continued], [201, true])
      const large = { expect: "100-continue", "content-length": 300 * 1024 * 1024 }
      const refused = yield* api("/me/drive/root:/y:/content", { method: "PUT", headers: large })
      assert.deepStrictEqual([refused.status, refused.continued], [413, false])
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("cuts connections where a fault says so", () =>
    Effect.gen(function* () {
      const { api } = yield* served
      const faults = yield* GraphServer.Faults
      yield* faults.inject({ action: { _tag: "Refuse" } })
      assert.strictEqual((yield* Effect.flip(api("/me"))).name, "Error")
      yield* faults.inject({ action: { _tag: "CutBody", bytes: 10 } })
      assert.strictEqual((yield* Effect.flip(api("/me"))).name, "Error")
      assert.strictEqual((yield* api("/me")).status, 200)
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("names the port that is in use, and stays on loopback unless told", () =>
    Effect.gen(function* () {
      const { listening } = yield* served
      const busy = yield* Effect.flip(GraphServer.serveHttp({ port: listening.port }))
      assert.strictEqual(busy.reason, "PortInUse")
      assert.include(busy.message, String(listening.port))
      const open = yield* Effect.flip(GraphServer.serveHttp({ host: "0.0.0.0" }))
      assert.strictEqual(open.reason, "NotLoopback")
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )
})

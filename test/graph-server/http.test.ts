import { Agent, type IncomingHttpHeaders, request as httpRequest } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { type Body, bytesOf } from "./api.ts"

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly body: Body
  readonly continued: boolean
  readonly httpVersion: string
  /** The client's end of the connection. */
  readonly localPort: number | undefined
}

interface Options {
  readonly method?: string
  readonly headers?: Record<string, string | number>
  readonly body?: Uint8Array
  /** Default: Node's own. */
  readonly agent?: Agent
}

/** node:http sends the path as it is given, which no URL class does. */
const send = (listening: GraphServer.Listening, path: string, options: Options = {}) =>
  Effect.callback<Reply, Error>((resume) => {
    let continued = false
    const { host, port } = listening
    const { method = "GET", headers = {}, agent } = options
    let localPort: number | undefined
    const request = httpRequest({ host, port, path, method, headers, ...(agent === undefined ? {} : { agent }) })
    request.on("response", (response) => {
      localPort = response.socket.localPort
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", (error) => resume(Effect.fail(error)))
      response.on("end", () => {
        const bytes = Buffer.concat(chunks)
        const isJson = response.headers["content-type"]?.startsWith("application/json") === true
        const body = (isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : {}) as Body
        const { statusCode = 0, headers, httpVersion } = response
        resume(Effect.succeed({ status: statusCode, headers, bytes, body, continued, httpVersion, localPort }))
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

/** Sends the beginning of a body and no more; the status that comes all the same. */
const stall = ({ host, port }: GraphServer.Listening, path: string, headers: Record<string, string | number>) =>
  Effect.callback<number | undefined, Error>((resume) => {
    const request = httpRequest({ host, port, path, method: "PUT", headers })
    request.on("response", (response) => resume(Effect.succeed(response.statusCode)))
    request.on("error", (error) => resume(Effect.fail(error)))
    request.write("abc")
    return Effect.sync(() => request.destroy())
  }).pipe(Effect.timeout("10 seconds"))

/** Sends the beginning of a body, and resets the connection once the drive has all of that. */
const cutOff = Effect.fnUntraced(function* (
  { host, port }: GraphServer.Listening,
  path: string,
  headers: Record<string, string | number>,
  part: Uint8Array
) {
  const log = yield* GraphServer.RequestLog
  const earlier = yield* log.total
  const request = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = httpRequest({ host, port, path, method: "PUT", headers })
      // The reset is the point.
      made.on("error", () => {})
      made.write(part)
      return made
    }),
    (made) => Effect.sync(() => made.destroy())
  )
  const arrived = Effect.map(log.entries, (entries) => entries[earlier]?.received === part.length)
  yield* Effect.repeat(arrived, { until: (all: boolean) => all, schedule: Schedule.spaced("5 millis") }).pipe(
    Effect.timeout("20 seconds")
  )
  request.destroy()
})

const pathOf = (url: string): string => url.slice(url.indexOf("/", "http://".length))

describe("the drive over HTTP", () => {
  it.live("waits for no body for ever, so that a fragment can be sent again", () =>
    Effect.gen(function* () {
      const listening = yield* GraphServer.serveHttp({ stallLimit: 100 })
      const authorization = `Bearer ${(yield* GraphServer.DriveTokens).token}`
      const headers = { authorization, "content-length": 1000 }
      assert.strictEqual(yield* stall(listening, "/v1.0/me/drive/root:/a:/content", headers), 400)
      const session = "/v1.0/me/drive/root:/b:/createUploadSession"
      const { body } = yield* send(listening, session, { method: "POST", headers: { authorization } })
      const range = { "content-range": "bytes 0-999/1000" }
      const first = yield* Effect.forkChild(stall(listening, pathOf(body.uploadUrl), { ...headers, ...range }))
      const again = yield* send(listening, pathOf(body.uploadUrl), {
        method: "PUT",
        headers: range,
        body: new Uint8Array(1000)
      })
      assert.deepStrictEqual([again.status, again.body.size], [201, 1000])
      yield* Fiber.interrupt(first)
    }).pipe(Effect.scoped, Effect.provide(GraphServer.layerMemory()))
  )

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

  it.live(
    "checklist 10: honours Expect: 100-continue for small bodies and large, also by refusing before the body",
    () =>
      Effect.gen(function* () {
        const { api } = yield* served
        const expecting = { expect: "100-continue", "content-length": 3 }
        const accepted = yield* api("/me/drive/root:/x:/content", {
          method: "PUT",
          headers: expecting,
          body: bytesOf(3)
        })
        assert.deepStrictEqual([accepted.status, accepted.continued], [201, true])
        const bytes = bytesOf(2 * 1024 * 1024)
        const more = { expect: "100-continue", "content-length": bytes.length }
        const whole = yield* api("/me/drive/root:/z:/content", { method: "PUT", headers: more, body: bytes })
        assert.deepStrictEqual([whole.status, whole.continued, whole.body.size], [201, true, bytes.length])
        const large = { expect: "100-continue", "content-length": 300 * 1024 * 1024 }
        const refused = yield* api("/me/drive/root:/y:/content", { method: "PUT", headers: large })
        assert.deepStrictEqual([refused.status, refused.continued], [413, false])
      }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("checklist 17: speaks HTTP/1.1 and keeps the connection, also after refusals", () =>
    Effect.gen(function* () {
      const { api } = yield* served
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new Agent({ keepAlive: true, maxSockets: 1 })),
        (made) => Effect.sync(() => made.destroy())
      )
      const paths = ["/me", "/me/drive/root:/missing", "/me/drive/root/delta"]
      const replies = yield* Effect.forEach(paths, (path) => api(path, { agent }))
      assert.deepStrictEqual(
        replies.map(({ status, httpVersion }) => [status, httpVersion]),
        [
          [200, "1.1"],
          [404, "1.1"],
          [200, "1.1"]
        ]
      )
      assert.strictEqual(new Set(replies.map(({ localPort }) => localPort)).size, 1)
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("keeps the part of a fragment that arrived before the client went away, where the drive is told to", () =>
    Effect.gen(function* () {
      const { api, listening } = yield* served
      const bytes = bytesOf(2 * 320 * 1024 + 10)
      const session = yield* api("/me/drive/root:/s.bin:/createUploadSession", { method: "POST" })
      const path = pathOf(session.body.uploadUrl)
      const rangeOf = (start: number, end: number) => ({
        "content-range": `bytes ${start}-${end - 1}/${bytes.length}`,
        "content-length": end - start
      })
      yield* cutOff(listening, path, rangeOf(0, 320 * 1024), bytes.subarray(0, 100_000))
      const progress = Effect.map(send(listening, path), ({ body }) => Number(body.nextExpectedRanges[0]?.slice(0, -1)))
      // The server notices the end of the connection when it does; the part is there whole or in part by then.
      const kept = yield* Effect.repeat(progress, {
        until: (next: number) => next > 0,
        schedule: Schedule.spaced("10 millis")
      }).pipe(Effect.timeout("20 seconds"))
      assert.isAtMost(kept, 100_000)
      const again = { method: "PUT", headers: rangeOf(0, 320 * 1024), body: bytes.subarray(0, 320 * 1024) }
      assert.strictEqual((yield* send(listening, path, again)).body.error.innerError["code"], "fragmentOverlap")
      const rest = { method: "PUT", headers: rangeOf(kept, bytes.length), body: bytes.subarray(kept) }
      const done = yield* send(listening, path, rest)
      assert.deepStrictEqual([done.status, done.body.file?.hashes.quickXorHash], [201, quickXorHash(bytes)])
    }).pipe(Effect.provide(GraphServer.layerMemory({ settings: { keepPartialFragments: true } })))
  )

  it.live("forgets that part where it is not", () =>
    Effect.gen(function* () {
      const { api, listening } = yield* served
      const bytes = bytesOf(1000)
      const session = yield* api("/me/drive/root:/s.bin:/createUploadSession", { method: "POST" })
      const path = pathOf(session.body.uploadUrl)
      const headers = { "content-range": "bytes 0-999/1000", "content-length": 1000 }
      yield* cutOff(listening, path, headers, bytes.subarray(0, 500))
      // Fragments of a session are taken one after the other: this one waits for the end of the first.
      const done = yield* send(listening, path, { method: "PUT", headers, body: bytes })
      assert.deepStrictEqual([done.status, done.body.file?.hashes.quickXorHash], [201, quickXorHash(bytes)])
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

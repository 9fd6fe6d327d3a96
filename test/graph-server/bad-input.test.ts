/**
 * Whatever comes over the wire, the drive answers in Graph's form, does all of what was asked or nothing, and touches
 * nothing outside its folder. The requests are made up from a seed that is printed when one goes wrong.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { mix } from "../../src/graph-server/mix.ts"
import { temporaryFolder } from "./api.ts"

interface Reply {
  readonly status: number
  readonly text: string
}

/** Sends bytes as they are and reads one reply; for what no HTTP library would let through. */
const sendRaw = (port: number, request: Buffer) =>
  Effect.callback<Reply, Error>((resume) => {
    const socket = connect(port, "127.0.0.1")
    const chunks: Array<Buffer> = []
    socket.on("data", (chunk: Buffer) => chunks.push(chunk))
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.on("close", () => {
      const text = Buffer.concat(chunks).toString("utf8")
      resume(Effect.succeed({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text }))
    })
    socket.write(request)
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeout("10 seconds"))

/** A drive in a folder of a folder, so that a way out of it can be seen. */
const servedDrive = Effect.gen(function* () {
  const outside = yield* temporaryFolder
  writeFileSync(join(outside, "canary"), "untouched")
  mkdirSync(join(outside, "drive"))
  return { outside, layer: GraphServer.layer({ dir: join(outside, "drive") }) }
})

const makeRandom = (seed: number) => {
  let state = seed
  const number = (below: number): number => mix((state = (state + 0x9e3779b9) >>> 0)) % below
  return { number, pick: <A>(values: ReadonlyArray<A>): A => values[number(values.length)] as A }
}

const methods = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PURGE", "COPY"]
const places = [
  "/v1.0/me/drive/root",
  "/v1.0/me/drive/items/root",
  "/v1.0/me/drive/root:/folder/file.txt:",
  "/v1.0/me/drive/root:/folder:",
  "/v1.0/me/drive/root:/../../canary:",
  "/v1.0/me/drive/root:/%2e%2e/%2e%2e/canary:",
  "/v1.0/me/drive/root:/..%2f..%2fcanary:",
  "/v1.0/me/drive/root:/folder/%00:",
  "/v1.0/me/drive/root:/a%0db:",
  "/v1.0/me/drive/root:/%ff%fe:",
  "/v1.0/me/drive/root:/%zz:",
  `/v1.0/me/drive/root:/${"n".repeat(300)}:`,
  `/v1.0/me/drive/root:${"/deep".repeat(100)}:`,
  "/v1.0/me/drive/root:/b|d*na<me:",
  "/v1.0/me/drive/root:/new%20name.txt:",
  "/v1.0/me/drive/items/NO!1",
  "/v1.0/me/drive/special/documents",
  "/v1.0/me/drive/special/nothing",
  "/v1.0/me/drive/items/special%3Adocuments",
  "/v1.0/me/drive/sharedWithMe",
  "/v1.0/me/drives",
  "/v1.0/drives/b!none/root",
  "/v1.0/users/nobody/drive",
  "/v1.0/sites/root",
  "/v1.0/shares/u!%2e%2e",
  "/v1.0/subscriptions",
  "/v1.0/$batch",
  "/v1.0/%24batch%zz",
  "/v1.0/constructor",
  "/v1.0/me/drive/root/__proto__",
  "/v1.0",
  "/transfer/upload/../../canary",
  "/transfer/download/1/2/3/4",
  "/transfer/drives/9/download/1/2/3/4",
  "/transfer/monitor/1.2.3.4",
  "/transfer/thumbnail/small/1/2/3/4",
  "/_admin/../v1.0/me",
  "//v1.0/me"
]
const tails = ["", "/", "/children", "/content", "/createUploadSession", "/delta", "/copy", "/versions/x/content"]
const moreTails = [
  "/permissions/x",
  "/createLink",
  "/invite",
  "/thumbnails/0/huge",
  "/restore",
  "/search(q='')",
  "/toString",
  "/children/x",
  "/delta()"
]
const queries = [
  "",
  "?$top=-1",
  "?$top=1e9",
  "?$skiptoken=%00",
  "?token=x",
  "?$orderby=x",
  "?%zz",
  "?$select=__proto__",
  "?$expand=x",
  "?$filter=x",
  "?format=pdf"
]
const bodies = [
  "",
  "{",
  "null",
  "[]",
  '"text"',
  "{}",
  '{"name":1}',
  '{"name":"../../canary","folder":{}}',
  '{"name":"a/b","folder":{}}',
  '{"name":"","folder":{}}',
  '{"name":"x\\u0000","folder":{}}',
  '{"name":"\\ud800","folder":{}}',
  `{"name":"${"n".repeat(300)}","folder":{}}`,
  '{"name":"file.txt","folder":{},"@microsoft.graph.conflictBehavior":"explode"}',
  '{"parentReference":{"id":"../.."}}',
  '{"parentReference":{"path":"/drive/root:/../.."},"name":"x"}',
  '{"fileSystemInfo":{"lastModifiedDateTime":"never"}}',
  '{"requests":[{"id":"1","method":"GET","url":"/../../canary"},{"id":"1"}]}',
  '{"requests":[{"id":"1","method":"GET","url":"\\u0000"}]}',
  '{"__proto__":{"polluted":true},"name":"p"}',
  '{"item":{"fileSize":-1}}',
  '{"remoteItem":{"id":"x","parentReference":{"driveId":"y"}},"name":"z"}',
  '{"type":"steal","scope":"everyone"}',
  '{"recipients":"all","roles":[]}'
]
const headers = [
  "",
  "If-Match: \r\n",
  'If-Match: "\r\n',
  "Content-Range: bytes 5-1/3\r\n",
  "Range: bytes=9-1,,\r\n",
  "Prefer: ;;;=\r\n",
  "Content-Type: application/json; charset=nonsense\r\n",
  `X-Large: ${"h".repeat(10_000)}\r\n`,
  "Host: evil.example\r\n"
]

const isFine = ({ status, text }: Reply): boolean => {
  const [head = "", body = ""] = text.split("\r\n\r\n")
  if (status < 400) return status >= 200
  if (status === 500 || /\bat .+\.(ts|js):\d+/.test(text)) return false
  if (body === "") return /^HTTP\/1\.1 \d+[^\r]*\r\n/.test(head)
  const { error } = JSON.parse(body) as { readonly error?: { readonly code?: unknown; readonly message?: unknown } }
  return typeof error?.code === "string" && typeof error.message === "string"
}

describe("bad input", () => {
  it.live(
    "is refused in Graph's form, changes nothing by halves and leads nowhere",
    () =>
      Effect.gen(function* () {
        const { outside, layer } = yield* servedDrive
        const run = Effect.gen(function* () {
          const admin = yield* GraphServer.DriveAdmin
          yield* admin.createFolder("/folder")
          yield* admin.putFile("/folder/file.txt", "content")
          const { port } = yield* GraphServer.serveHttp()
          const { token } = yield* GraphServer.DriveTokens
          const seed = 20_261
          const { number, pick } = makeRandom(seed)
          const contents = () => readdirSync(join(outside, "drive/content")).length
          for (let round = 0; round < 600; round++) {
            const [method, body] = [pick(methods), pick(bodies)]
            const path = pick(places) + (number(4) === 0 ? pick(moreTails) : pick(tails)) + pick(queries)
            const authorization = number(20) === 0 ? "" : `Authorization: Bearer ${token}\r\n`
            const length = number(15) === 0 ? body.length + 3 : Buffer.byteLength(body)
            const framing = number(25) === 0 ? "" : `Content-Length: ${length}\r\n`
            const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${authorization}${pick(headers)}${framing}`
            const [before, files] = [JSON.stringify(yield* admin.tree()), contents()]
            const short = framing !== "" && length > Buffer.byteLength(body)
            const bytes = Buffer.from(`${head}Connection: close\r\n\r\n${framing === "" ? "" : body}`)
            // A body that never comes is the client's to end.
            if (short) {
              yield* Effect.ignore(Effect.timeout(sendRaw(port, bytes), "30 millis"))
            } else {
              const reply = yield* sendRaw(port, bytes)
              const what = `seed ${seed} round ${round}: ${head}\n${body}\n${reply.text}`
              assert.isTrue(method === "HEAD" || isFine(reply), what)
              if (reply.status >= 400) {
                assert.strictEqual(JSON.stringify(yield* admin.tree()), before, what)
                assert.strictEqual(contents(), files, what)
              }
            }
          }
        })
        yield* Effect.provide(run, layer)
        assert.deepStrictEqual(readdirSync(outside).sort(), ["canary", "drive"])
        assert.strictEqual(readFileSync(join(outside, "canary"), "utf8"), "untouched")
        assert.notProperty({}, "polluted")
      }).pipe(Effect.scoped),
    120_000
  )

  it.live("that is no HTTP gets an answer too", () =>
    Effect.gen(function* () {
      const { port } = yield* GraphServer.serveHttp()
      const expectations: ReadonlyArray<readonly [string, number]> = [
        ["NONSENSE\r\n\r\n", 400],
        ["GET /v1.0/me\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400],
        [`GET /v1.0/me HTTP/1.1\r\nHost: x\r\nX: ${"h".repeat(40_000)}\r\n\r\n`, 431],
        ["PUT /v1.0/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400]
      ]
      for (const [request, status] of expectations) {
        const reply = yield* sendRaw(port, Buffer.from(request))
        assert.strictEqual(reply.status, status, request.slice(0, 60))
        assert.isTrue(isFine(reply) && reply.text.includes('"invalidRequest"'), reply.text)
      }
    }).pipe(Effect.scoped, Effect.provide(GraphServer.layerMemory()))
  )
})

describe("beyond this machine", () => {
  it.live("the drive listens only when it is told to, and knows nobody without a token", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(GraphServer.serveHttp({ host: "0.0.0.0" }))
      assert.strictEqual(refused.reason, "NotLoopback")
      assert.include(refused.message, "--allow-remote")
      const { port } = yield* GraphServer.serveHttp({ host: "0.0.0.0", allowRemote: true })
      const reply = yield* sendRaw(port, Buffer.from("GET /v1.0/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
      assert.strictEqual(reply.status, 401)
      const server = yield* GraphServer.DriveServer
      const { token } = yield* GraphServer.DriveTokens
      const remote = (method: string, url: string, authorization = "") =>
        Effect.map(
          server.handle({
            method,
            origin: "http://drive.example",
            url,
            headers: { authorization },
            isRemote: true,
            body: Stream.empty
          }),
          ({ status }) => status
        )
      const signIn = "/common/oauth2/v2.0/authorize?client_id=x&response_type=code&redirect_uri=http://localhost"
      assert.strictEqual(yield* remote("GET", "/v1.0/me", `Bearer ${token}`), 200)
      assert.strictEqual(yield* remote("GET", "/v1.0/me"), 401)
      assert.strictEqual(yield* remote("GET", "/_admin/counters", `Bearer ${token}`), 403)
      assert.strictEqual(yield* remote("GET", signIn), 403)
      assert.strictEqual(yield* remote("POST", "/devicelogin"), 403)
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(GraphServer.layerMemory())))
  )
})

/** Real sockets and undici: the codes its failures carry decide whether a mutation may be repeated. */
import { createServer, type Socket } from "node:net"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { Auth } from "../../src/graph/Auth.ts"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { layerGraphClient } from "../../src/graph/GraphClientHttp.ts"
import { defaultGraphConfig, defaultLimits, GraphConfig } from "../../src/graph/GraphConfig.ts"

const limits = { ...defaultLimits, attempts: 2, retryBase: 1, retryCap: 1 }

const client = (baseUrl: string, token: string) =>
  layerGraphClient.pipe(
    Layer.provide([NodeHttpClient.layerUndici, Auth.layerToken(Redacted.make(token))]),
    Layer.provide(Layer.succeed(GraphConfig, { ...defaultGraphConfig, baseUrl, limits }))
  )

/** A TCP server on a free port that treats each connection as told. */
const tcpServer = (onConnection: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer(onConnection)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = address === null || typeof address === "string" ? 0 : address.port
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}/v1.0`, close: () => void server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const unreachable = (url: string) =>
  Effect.flip(GraphClient.use((graph) => graph.createFolder(ItemId("1"), "x", null))).pipe(
    Effect.provide(client(url, "token")),
    Effect.map(({ reason }) => (reason._tag === "Unreachable" ? reason : assert.fail(reason._tag)))
  )

describe("a mutation", () => {
  it.live("that met a closed port was not sent", () =>
    Effect.gen(function* () {
      const { close, url } = yield* tcpServer(() => {})
      close()
      const reason = yield* unreachable(url)
      assert.isFalse(reason.sent)
      assert.strictEqual(reason.detail, "ECONNREFUSED")
    })
  )

  it.live("to a name that does not resolve was not sent", () =>
    Effect.gen(function* () {
      assert.isFalse((yield* unreachable("http://graph.invalid/v1.0")).sent)
    })
  )

  for (const [name, treat] of [
    ["closes without an answer", (socket: Socket) => void socket.once("data", () => socket.destroy())],
    ["resets", (socket: Socket) => void socket.once("data", () => socket.resetAndDestroy())],
    [
      "dies in the middle of the answer",
      (socket: Socket) =>
        void socket.once("data", () => socket.end('HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{"id":'))
    ]
  ] as const) {
    it.live(`may have taken effect when the server ${name}`, () =>
      Effect.gen(function* () {
        let connections = 0
        const { url } = yield* tcpServer((socket) => {
          connections++
          socket.on("error", () => {})
          treat(socket)
        })
        assert.isTrue((yield* unreachable(url)).sent)
        assert.strictEqual(connections, 1)
      })
    )
  }
})

describe("against the embedded drive over HTTP", () => {
  const size = 1_000_000
  const content = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255)

  /** A drive with one file of `content`, and a client for it. */
  const withDrive = <A, E>(use: Effect.Effect<A, E, GraphClient | GraphServer.Faults | GraphServer.DriveAdmin>) =>
    Effect.gen(function* () {
      const { url } = yield* GraphServer.serveHttp()
      const { token } = yield* GraphServer.DriveTokens
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.putFile("/a.bin", content)
      return yield* Effect.provide(use, client(`${url}/v1.0`, token))
    }).pipe(Effect.provide(GraphServer.layerMemory()))

  const readAll = Effect.gen(function* () {
    const graph = yield* GraphClient
    const root = yield* graph.root
    const [item] = yield* Stream.runCollect(graph.children(root.id))
    if (item === undefined) return assert.fail("no file")
    const parts = yield* Stream.runCollect(graph.download(item.id, item.cTag, { offset: 0, length: size }))
    return Buffer.concat(parts)
  })

  it.live("a download outlives cut connections", () =>
    withDrive(
      Effect.gen(function* () {
        const faults = yield* GraphServer.Faults
        const cut = yield* faults.inject({
          matches: /download/i,
          times: 3,
          action: { _tag: "CutBody", bytes: 200_000 }
        })
        assert.strictEqual(Buffer.compare(yield* readAll, content), 0)
        assert.strictEqual(yield* cut.hits, 3)
      })
    )
  )

  it.live("a lost reply is ambiguous, and the folder is there", () =>
    withDrive(
      Effect.gen(function* () {
        const faults = yield* GraphServer.Faults
        const graph = yield* GraphClient
        const root = yield* graph.root
        yield* faults.inject({ method: "POST", action: { _tag: "DropReply" } })
        const error = yield* Effect.flip(graph.createFolder(root.id, "made", null))
        assert.isTrue(error.ambiguous)
        assert.strictEqual((yield* graph.child(root.id, "made"))._tag, "Some")
      })
    )
  )

  it.live("gateways that answer HTML are waited out", () =>
    withDrive(
      Effect.gen(function* () {
        const faults = yield* GraphServer.Faults
        const graph = yield* GraphClient
        yield* faults.inject({ method: "GET", action: { _tag: "Html", status: 502 } })
        assert.isTrue((yield* graph.root).isRoot)
      })
    )
  )
})

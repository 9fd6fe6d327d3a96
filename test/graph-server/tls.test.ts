import { X509Certificate } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { request as httpRequest } from "node:http"
import { connect as connectTcp } from "node:net"
import { join } from "node:path"
import type { Duplex } from "node:stream"
import { connect } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { issueCertificate, makeAuthority } from "../../src/graph-server/Certificates.ts"
import { bytesOf, opened, temporaryFolder } from "./api.ts"

/** The answer to CONNECT: status and, when it is 200, the tunnel. */
const tunnel = (proxy: GraphServer.Listening, authority: string) =>
  Effect.callback<{ readonly status: number; readonly socket: Duplex }, Error>((resume) => {
    const request = httpRequest({ host: proxy.host, port: proxy.port, method: "CONNECT", path: authority })
    request.on("connect", (response, socket) => resume(Effect.succeed({ status: response.statusCode ?? 0, socket })))
    request.on("error", (error) => resume(Effect.fail(error)))
    request.end()
    return Effect.sync(() => request.destroy())
  })

/** One HTTP/1.1 exchange over TLS with nothing but `ca` trusted, as text. */
const exchange = (socket: Duplex, servername: string, ca: string, path: string, token: string) =>
  Effect.callback<string, Error>((resume) => {
    const secure = connect({ socket, servername, ca })
    const chunks: Array<Buffer> = []
    secure.on("secureConnect", () =>
      secure.write(
        `GET ${path} HTTP/1.1\r\nHost: ${servername}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`
      )
    )
    secure.on("data", (chunk: Buffer) => chunks.push(chunk))
    secure.on("error", (error) => resume(Effect.fail(error)))
    secure.on("close", () => resume(Effect.succeed(Buffer.concat(chunks).toString())))
    return Effect.sync(() => secure.destroy())
  })

/** Asks for a tunnel, and resets the connection when the answer has begun. */
const resetAfterConnect = ({ host, port }: GraphServer.Listening, authority: string) =>
  Effect.callback<void, Error>((resume) => {
    const socket = connectTcp(port, host, () => socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`))
    socket.on("data", () => socket.resetAndDestroy())
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.on("close", () => resume(Effect.void))
    return Effect.sync(() => socket.destroy())
  })

describe("TLS", () => {
  it("issues certificates that its authority vouches for, and for the names asked only", () => {
    const now = Date.UTC(2026, 5, 1)
    const authority = makeAuthority(now)
    const issued = issueCertificate(authority, ["graph.microsoft.com", "127.0.0.1"], now)
    const [ca, leaf] = [new X509Certificate(authority.certificate), new X509Certificate(issued.certificate)]
    assert.isTrue(ca.ca && ca.verify(ca.publicKey) && ca.checkIssued(ca))
    assert.isTrue(!leaf.ca && leaf.verify(ca.publicKey) && leaf.checkIssued(ca))
    assert.strictEqual(leaf.checkHost("graph.microsoft.com"), "graph.microsoft.com")
    assert.strictEqual(leaf.checkIP("127.0.0.1"), "127.0.0.1")
    assert.isUndefined(leaf.checkHost("microsoft.com"))
    assert.strictEqual(leaf.validToDate.getTime() > now && leaf.validFromDate.getTime() < now, true)
    assert.isFalse(leaf.verify(new X509Certificate(makeAuthority(now).certificate).publicKey))
  })

  it("writes years after 2049 as GeneralizedTime", () => {
    const now = Date.UTC(2045, 0, 1)
    const ca = new X509Certificate(makeAuthority(now).certificate)
    assert.strictEqual(ca.validToDate.getUTCFullYear(), 2054)
  })

  it.live("makes its authority anew where a kill left nothing but names of files", () =>
    Effect.gen(function* () {
      const dir = yield* temporaryFolder
      const files = ["ca.crt", "ca.key"].map((name) => join(dir, "tls", name))
      yield* opened(dir, Effect.void)
      mkdirSync(join(dir, "tls"))
      for (const file of files) writeFileSync(file, "")
      yield* opened(dir, Effect.scoped(GraphServer.serveTls()))
      for (const file of files) assert.isNotEmpty(readFileSync(file, "utf8"))
      const made = readFileSync(files[0] ?? "", "utf8")
      yield* opened(dir, Effect.scoped(GraphServer.serveTls()))
      assert.strictEqual(readFileSync(files[0] ?? "", "utf8"), made)
      assert.deepStrictEqual(readdirSync(join(dir, "tls")).toSorted(), ["ca.crt", "ca.key"])
    })
  )

  it.live("keeps the proxy when a client breaks off where it is refused or let through", () =>
    Effect.gen(function* () {
      const tls = yield* GraphServer.serveTls()
      const proxy = yield* GraphServer.serveProxy(tls)
      for (const authority of ["example.com:443", "graph.microsoft.com:443"]) {
        for (let n = 0; n < 20; n++) yield* resetAfterConnect(proxy, authority)
      }
      assert.strictEqual((yield* tunnel(proxy, "graph.microsoft.com:443")).status, 200)
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("brings all of a reply to a client that reads slowly, also when the drive closes behind it", () =>
    Effect.gen(function* () {
      const tls = yield* GraphServer.serveTls()
      const proxy = yield* GraphServer.serveProxy(tls)
      const ca = readFileSync((yield* GraphServer.DriveCertificates).authorityFile, "utf8")
      const { token } = yield* GraphServer.DriveTokens
      const bytes = bytesOf(8 * 1024 * 1024)
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.putFile("/large", bytes)
      const first = yield* tunnel(proxy, "graph.microsoft.com:443")
      const redirect = yield* exchange(
        first.socket,
        "graph.microsoft.com",
        ca,
        "/v1.0/me/drive/root:/large:/content",
        token
      )
      const path = /^location: https:\/\/[^/]+(\S+)/im.exec(redirect)?.[1] ?? ""
      const { socket } = yield* tunnel(proxy, "graph.microsoft.com:443")
      const secure = connect({ socket, servername: "graph.microsoft.com", ca })
      secure.write(`GET ${path} HTTP/1.1\r\nHost: graph.microsoft.com\r\nConnection: close\r\n\r\n`)
      const slowly = Stream.fromAsyncIterable(secure, String).pipe(
        Stream.tap(() => Effect.sleep("1 millis")),
        Stream.map((chunk) => chunk as Buffer)
      )
      const reply = Buffer.concat(yield* Stream.runCollect(slowly))
      const body = reply.subarray(reply.indexOf("\r\n\r\n") + 4)
      assert.isTrue(body.equals(bytes), `${body.length} of ${bytes.length} bytes`)
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("reaches the drive as graph.microsoft.com through the proxy, and nothing else", () =>
    Effect.gen(function* () {
      const tls = yield* GraphServer.serveTls()
      const proxy = yield* GraphServer.serveProxy(tls)
      const ca = readFileSync((yield* GraphServer.DriveCertificates).authorityFile, "utf8")
      const { token } = yield* GraphServer.DriveTokens
      const { status, socket } = yield* tunnel(proxy, "graph.microsoft.com:443")
      assert.strictEqual(status, 200)
      const text = yield* exchange(socket, "graph.microsoft.com", ca, "/v1.0/me/drive/root/delta?token=latest", token)
      assert.match(text, /^HTTP\/1\.1 200/)
      assert.include(text, '"@odata.deltaLink":"https://graph.microsoft.com/v1.0/me/drive/root/delta?token=')
      for (const elsewhere of ["example.com:443", "graph.microsoft.com:80", "127.0.0.1:22", "graph.microsoft.com"]) {
        assert.strictEqual((yield* tunnel(proxy, elsewhere)).status, 403, elsewhere)
      }
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )
})

/**
 * An HTTP proxy that leads to the drive and nowhere else: `CONNECT graph.microsoft.com:443` (RFC 9110 section 9.3.6) is
 * answered with a pipe to the drive's TLS face. A client with this proxy and the drive's authority as trusted reaches the
 * drive under the names it has built in, and nothing on the machine has to change. No name is ever resolved.
 */
import { createServer, type IncomingMessage } from "node:http"
import { connect } from "node:net"
import { type Duplex, pipeline } from "node:stream"
import { Effect, type Scope } from "effect"
import { certifiedHosts } from "./DriveCertificates.ts"
import { type Listening, serveError, type ServeError } from "./HttpFace.ts"

/** Serves on loopback until the scope closes; open tunnels are cut then. `tls` is where the drive listens with TLS. */
export const serveProxy = Effect.fn("GraphServer.serveProxy")(function* (
  tls: Listening,
  options: { readonly port?: number } = {}
): Effect.fn.Return<Listening, ServeError, Scope.Scope> {
  const { port = 0 } = options
  const host = "127.0.0.1"
  const sockets = new Set<Duplex>()
  const server = createServer((_, response) => {
    response.writeHead(405, { "content-type": "text/plain" }).end("This proxy only knows CONNECT.\n")
  })
  server.on("connect", (request: IncomingMessage, client: Duplex, head: Buffer) => {
    // The socket is ours from here on, its errors too. There is nobody to tell of them but the client, which notices.
    sockets.add(client)
    client.on("error", () => client.destroy())
    client.on("close", () => sockets.delete(client))
    if (!leadsHere(request.url)) return void client.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    const upstream = connect(tls.port, tls.host, () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n")
      upstream.write(head)
      // Ends both when one breaks, and lets what was sent arrive when one has said all.
      pipeline(client, upstream, client, () => client.destroy())
    })
    upstream.on("error", () => client.destroy())
    client.on("close", () => upstream.destroy())
  })
  yield* Effect.acquireRelease(listen(server, host, port), () =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
      for (const socket of sockets) socket.destroy()
    })
  )
  const address = server.address()
  const bound = address === null || typeof address === "string" ? port : address.port
  return { host, port: bound, url: `http://${host}:${bound}` }
})

const hosts: ReadonlySet<string> = new Set(certifiedHosts)

const leadsHere = (authority = ""): boolean => {
  const match = /^([^:]+):(\d+)$/.exec(authority)
  return match !== null && match[2] === "443" && hosts.has((match[1] ?? "").toLowerCase())
}

const listen = (server: ReturnType<typeof createServer>, host: string, port: number): Effect.Effect<void, ServeError> =>
  Effect.callback((resume) => {
    const onError = (cause: Error) => resume(Effect.fail(serveError(host, port, cause)))
    server.once("error", onError)
    server.listen(port, host, () => {
      server.off("error", onError)
      resume(Effect.void)
    })
  })

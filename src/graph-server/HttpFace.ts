/** The drive over HTTP/1.1, for other processes and other people's clients. */
import { createServer, type Server } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { Duplex } from "node:stream"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Clock, Effect, Schema, type Scope, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { DriveCertificates } from "./DriveCertificates.ts"
import { DriveServer } from "./DriveServer.ts"
import { ConnectionCut, type DriveRequest } from "./Exchange.ts"
import { toServerResponse } from "./InProcess.ts"
import { isLoopback, notLoopback } from "./Loopback.ts"
import { serveSocket, socketPath } from "./SocketFace.ts"

/** Why the server does not listen. `PortInUse` names the port; `NotLoopback` refuses to serve a network unasked. */
export class ServeError extends Schema.TaggedError<ServeError>()("ServeError", {
  reason: Schema.Literals(["PortInUse", "NotLoopback", "Failed"]),
  message: Schema.String
}) {}

/** Where to listen. */
export interface ServeOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0 takes a free one. Default 0. */
  readonly port?: number
  /** Allows hosts other than loopback: everybody who reaches them and has a token can use the drive. Default false. */
  readonly allowRemote?: boolean
  /** Time for open transfers to end when the scope closes, in milliseconds. Default 2,000. */
  readonly grace?: number
  /** How long the body of a request may bring nothing before it counts as broken off, in milliseconds. Default 120,000. */
  readonly stallLimit?: number
}

/** Where a face listens. */
export interface Listening {
  readonly host: string
  readonly port: number
  /** "http://127.0.0.1:8080", without a trailing slash. */
  readonly url: string
}

/** Serves until the scope closes; open transfers then get a moment to end. */
export const serveHttp = Effect.fn("GraphServer.serveHttp")(function* (
  options: ServeOptions = {}
): Effect.fn.Return<Listening, ServeError, DriveServer | Scope.Scope> {
  return yield* serveOn("http", createServer(serverOptions), options)
})

/** The same with TLS: the certificate is signed by the drive's own authority (DriveCertificates) for `certifiedHosts`. */
export const serveTls = Effect.fn("GraphServer.serveTls")(function* (
  options: ServeOptions = {}
): Effect.fn.Return<Listening, ServeError, DriveServer | DriveCertificates | Scope.Scope> {
  const { certificate, key } = yield* (yield* DriveCertificates).issue.pipe(
    Effect.mapError(({ message }) => new ServeError({ reason: "Failed", message: `No certificate: ${message}` }))
  )
  return yield* serveOn("https", createTlsServer({ ...serverOptions, cert: certificate, key }), options)
})

// Uploads may take as long as they need: requestTimeout would cut them after five minutes.
const serverOptions = { requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 60_000 }

const serveOn = Effect.fnUntraced(function* (scheme: "http" | "https", http: Server, options: ServeOptions) {
  const { host = "127.0.0.1", port = 0, allowRemote = false, grace = 2_000, stallLimit = 120_000 } = options
  if (!allowRemote && !isLoopback(host)) {
    return yield* new ServeError({ reason: "NotLoopback", message: notLoopback(host) })
  }
  const drive = yield* DriveServer
  const server = yield* NodeHttpServer.make(() => http, { host, port, gracefulShutdownTimeout: grace }).pipe(
    Effect.mapError(({ cause }) => serveError(host, port, cause))
  )
  http.on("clientError", refuseMalformed)
  yield* server.serve(answer(drive, scheme, stallLimit))
  const address = http.address()
  const bound = address === null || typeof address === "string" ? port : address.port
  return { host, port: bound, url: `${scheme}://${host.includes(":") ? `[${host}]` : host}:${bound}` }
})

/** What is no HTTP, or has headers larger than Node's limit of 16 KiB, is refused in the API's own form as well. */
const refuseMalformed = (error: Error & { readonly code?: string }, socket: Duplex): void => {
  if (!socket.writable) return void socket.destroy()
  const tooLarge = error.code === "HPE_HEADER_OVERFLOW"
  const [status, reason] = tooLarge ? [431, "Request Header Fields Too Large"] : [400, "Bad Request"]
  const message = tooLarge ? "The request's headers are too large." : "The request is not valid HTTP."
  const body = JSON.stringify({ error: { code: "invalidRequest", message } })
  const head = `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json\r\nConnection: close`
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

/** Why a socket does not listen, said so that people can act on it. */
export const serveError = (host: string, port: number, cause: unknown): ServeError => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "EADDRINUSE") {
    return new ServeError({ reason: "PortInUse", message: `Port ${port} on ${host} is in use. Choose another one.` })
  }
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new ServeError({ reason: "Failed", message: `Cannot listen on ${host}:${port}: ${detail}` })
}

const answer = (drive: DriveServer["Service"], scheme: "http" | "https", stallLimit: number) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (request.url.startsWith(socketPath)) return yield* notify(drive, request)
    return yield* drive.handle(toDriveRequest(request, scheme, stallLimit)).pipe(
      Effect.map(toServerResponse),
      Effect.catch((cut) => cutConnection(request, cut))
    )
  })

/** A subscription that is unknown or has expired is refused before the handshake, as is anything but a WebSocket. */
const notify = Effect.fnUntraced(function* (
  { listener }: DriveServer["Service"],
  request: HttpServerRequest.HttpServerRequest
) {
  const query = new URLSearchParams(request.url.slice(request.url.indexOf("?")))
  const listening = listener(query, yield* Clock.currentTimeMillis)
  if (listening === undefined) return HttpServerResponse.empty({ status: 401 })
  return yield* request.upgrade.pipe(
    Effect.flatMap((socket) => serveSocket(socket, listening)),
    Effect.as(HttpServerResponse.empty()),
    Effect.orElseSucceed(() => HttpServerResponse.empty({ status: 400 }))
  )
})

const isLocal = (address = ""): boolean => isLoopback(address.replace(/^::ffff:/, ""))

const toDriveRequest = (
  request: HttpServerRequest.HttpServerRequest,
  scheme: "http" | "https",
  stallLimit: number
): DriveRequest => ({
  method: request.method,
  origin: `${scheme}://${request.headers["host"] ?? "localhost"}`,
  url: request.url,
  headers: request.headers,
  isRemote: !isLocal(NodeHttpServerRequest.toIncomingMessage(request).socket.remoteAddress),
  body: Stream.timeoutOrElse(request.stream, { duration: stallLimit, orElse: () => Stream.fail(stalled) })
})

const stalled = new ConnectionCut({ message: "The body of the request brought nothing for too long." })

/** What a scripted fault asks for; the client sees a reset. */
const cutConnection = (request: HttpServerRequest.HttpServerRequest, cut: ConnectionCut) =>
  Effect.logDebug(cut.message).pipe(
    Effect.andThen(Effect.sync(() => NodeHttpServerRequest.toIncomingMessage(request).socket.destroy())),
    Effect.as(HttpServerResponse.empty({ status: 500 }))
  )

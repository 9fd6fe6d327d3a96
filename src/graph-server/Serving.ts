/** All faces of a drive that one process serves, and the lines that tell people where they are. */
import { Effect, type Scope } from "effect"
import { DriveCertificates } from "./DriveCertificates.ts"
import type { DriveServer } from "./DriveServer.ts"
import { type ServeError, serveHttp, type ServeOptions, serveTls } from "./HttpFace.ts"
import { serveProxy } from "./ProxyFace.ts"

export interface FaceOptions extends ServeOptions {
  /** Serves TLS as well, on this port; 0 takes a free one. */
  readonly tlsPort?: number | undefined
  /** Serves a CONNECT proxy on this port of loopback that leads to the TLS face, which is then served in any case. */
  readonly proxyPort?: number | undefined
}

/** Serves until the scope closes. The first line is the address of plain HTTP: `listening http://127.0.0.1:8080`. */
export const serveFaces = Effect.fn("GraphServer.serveFaces")(function* (
  options: FaceOptions
): Effect.fn.Return<ReadonlyArray<string>, ServeError, DriveServer | DriveCertificates | Scope.Scope> {
  const { tlsPort, proxyPort, ...http } = options
  const plain = yield* serveHttp(http)
  if (tlsPort === undefined && proxyPort === undefined) return [`listening ${plain.url}`]
  const { authorityFile } = yield* DriveCertificates
  const tls = yield* serveTls({ ...http, port: tlsPort ?? 0 })
  const lines = [`listening ${plain.url}`, `listening ${tls.url}`, `authority ${authorityFile}`]
  if (proxyPort === undefined) return lines
  const proxy = yield* serveProxy(tls, { port: proxyPort })
  return [...lines, `proxy ${proxy.url}`]
})

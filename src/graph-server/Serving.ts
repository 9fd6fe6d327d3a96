/** A drive as one process serves it: what is in it at first, how it behaves, its faces, and where they are. */
import { Effect, type Scope } from "effect"
import type { ApiError } from "./ApiError.ts"
import { DriveAdmin } from "./DriveAdmin.ts"
import { DriveCertificates } from "./DriveCertificates.ts"
import { DriveGenerator } from "./DriveGenerator.ts"
import type { DriveServer } from "./DriveServer.ts"
import { type ServeError, serveHttp, type ServeOptions, serveTls } from "./HttpFace.ts"
import type { DriveKind, IdStyle } from "./ItemTags.ts"
import { serveProxy } from "./ProxyFace.ts"
import { seedSample } from "./sampleContent.ts"
import { type Preset, presets } from "./Scenario.ts"
import { Weather } from "./Weather.ts"

export interface FaceOptions extends ServeOptions {
  /** Serves TLS as well, on this port; 0 takes a free one. */
  readonly tlsPort?: number | undefined
  /** Serves a CONNECT proxy on this port of loopback that leads to the TLS face, which is then served in any case. */
  readonly proxyPort?: number | undefined
}

export interface ServedDrive {
  readonly dir: string
  readonly kind?: DriveKind | undefined
  readonly ids?: IdStyle | undefined
  /** Puts a small sample tree on a drive that is new. */
  readonly sample: boolean
  /** Fills a drive that is new with this many generated items. */
  readonly generate?: number | undefined
  /** Of everything generated and everything random. Default 1. */
  readonly seed?: number | undefined
  readonly scenario?: Preset | undefined
  readonly faces: FaceOptions
}

type Needs = DriveServer | DriveAdmin | DriveCertificates | DriveGenerator | Weather | Scope.Scope

/** Serves until the scope closes. The first line is the address of plain HTTP: `listening http://127.0.0.1:8080`. */
export const serveDrive = Effect.fn("GraphServer.serveDrive")(function* (
  options: ServedDrive
): Effect.fn.Return<ReadonlyArray<string>, ServeError | ApiError, Needs> {
  const { generate, seed = 1, sample, scenario = "none", faces } = options
  if (yield* (yield* DriveAdmin).isNew) {
    if (generate !== undefined) yield* (yield* DriveGenerator).generate({ items: generate, seed })
    else if (sample) yield* seedSample
  }
  yield* (yield* Weather).set(presets[scenario], seed)
  return yield* serveFaces(faces)
})

const serveFaces = Effect.fnUntraced(function* ({ tlsPort, proxyPort, ...http }: FaceOptions) {
  const plain = yield* serveHttp(http)
  if (tlsPort === undefined && proxyPort === undefined) return [`listening ${plain.url}`]
  const { authorityFile } = yield* DriveCertificates
  const tls = yield* serveTls({ ...http, port: tlsPort ?? 0 })
  const lines = [`listening ${plain.url}`, `listening ${tls.url}`, `authority ${authorityFile}`]
  if (proxyPort === undefined) return lines
  const proxy = yield* serveProxy(tls, { port: proxyPort })
  return [...lines, `proxy ${proxy.url}`]
})

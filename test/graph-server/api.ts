/** A raw client for the tests: sends exactly what it is told, follows nothing, and shows everything that came back. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import type { HttpMethod } from "effect/http/HttpMethod"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"

/** JSON as a test looks at it; the assertions say what it has to be. */
export interface Item {
  readonly id: string
  readonly name: string
  readonly size: number
  readonly webUrl: string
  readonly eTag: string
  readonly cTag: string
  readonly deleted?: { readonly state: string }
  readonly root?: object
  readonly folder?: { readonly childCount: number }
  readonly file?: {
    readonly mimeType: string
    readonly hashes: { readonly quickXorHash: string; readonly sha256Hash?: string; readonly sha1Hash?: string }
  }
  readonly parentReference: {
    readonly driveId: string
    readonly driveType: string
    readonly id?: string
    readonly path?: string
  }
  readonly createdDateTime: string
  readonly lastModifiedDateTime: string
  readonly fileSystemInfo: { readonly createdDateTime: string; readonly lastModifiedDateTime: string }
  readonly "@microsoft.graph.downloadUrl"?: string
}

export interface Body extends Item {
  readonly value: ReadonlyArray<Item>
  readonly "@odata.nextLink"?: string
  readonly "@odata.deltaLink"?: string
  readonly uploadUrl: string
  readonly expirationDateTime: string
  readonly nextExpectedRanges: ReadonlyArray<string>
  readonly error: { readonly code: string; readonly message: string; readonly innerError: Record<string, string> }
  readonly quota: Record<string, number | string>
}

export interface Options {
  readonly headers?: Record<string, string>
  readonly json?: unknown
  readonly body?: string | Uint8Array
  /** Default: the owner's. Null sends none. */
  readonly token?: string | null
}

/** `path` is absolute or starts with "/" below /v1.0. */
export const call = Effect.fnUntraced(function* (method: HttpMethod, path: string, options: Options = {}) {
  const client = yield* HttpClient.HttpClient
  const tokens = yield* GraphServer.DriveTokens
  const url = path.startsWith("/") ? GraphServer.baseUrl + path : path
  const token = options.token === undefined ? tokens.token : options.token
  let request = HttpClientRequest.make(method)(url)
  if (token !== null) request = HttpClientRequest.bearerToken(request, token)
  if (options.json !== undefined) request = yield* HttpClientRequest.bodyJson(request, options.json)
  if (options.body !== undefined) {
    const bytes = typeof options.body === "string" ? new TextEncoder().encode(options.body) : options.body
    request = HttpClientRequest.bodyUint8Array(request, bytes)
  }
  const response = yield* client.execute(HttpClientRequest.setHeaders(request, options.headers ?? {}))
  const bytes = Buffer.from(yield* response.arrayBuffer)
  const text = bytes.toString("utf8")
  const isJson = (response.headers["content-type"] ?? "").startsWith("application/json")
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text,
    body: (isJson && text !== "" ? JSON.parse(text) : {}) as Body
  }
})

export const get = (path: string, options?: Options) => call("GET", path, options)
export const put = (path: string, body: string | Uint8Array, options?: Options) =>
  call("PUT", path, { ...options, body })
export const post = (path: string, json: unknown, options?: Options) => call("POST", path, { ...options, json })
export const patch = (path: string, json: unknown, options?: Options) => call("PATCH", path, { ...options, json })
export const remove = (path: string, options?: Options) => call("DELETE", path, options)

/** The drive's own means of making it misbehave. */
export const admin = (method: HttpMethod, path: string, json?: unknown) =>
  call(method, `${GraphServer.origin}/_admin/${path}`, json === undefined ? {} : { json })

export const inject = (fault: GraphServer.FaultName, limits: Record<string, unknown> = {}) =>
  admin("POST", "faults", { fault, ...limits })

/** A drive in memory and a client for it. */
export const drive = (options?: GraphServer.DriveOptions) =>
  GraphServer.inProcess.pipe(Layer.provideMerge(GraphServer.layerMemory(options)))

/** A folder that is gone with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-drive-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** One life of the drive in `dir`. */
export const opened = <A, E, R>(dir: string, use: Effect.Effect<A, E, R>, options?: GraphServer.DriveOptions) => {
  const served = GraphServer.inProcess.pipe(Layer.provideMerge(GraphServer.layer({ dir, ...options })))
  return Effect.scoped(Effect.provide(use, served, { local: true }))
}

/** Follows a delta pass to its end. */
export const deltaPass = Effect.fnUntraced(function* (link: string) {
  const items: Array<Item> = []
  let next = link
  for (;;) {
    const { status, body } = yield* get(next)
    if (status !== 200) return yield* Effect.die(new Error(`delta answered ${status} ${body.error?.code}`))
    items.push(...body.value)
    if (body["@odata.deltaLink"] !== undefined) return { items, deltaLink: body["@odata.deltaLink"] }
    next = body["@odata.nextLink"] ?? ""
  }
})

/** Bytes that differ everywhere. */
export const bytesOf = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >>> 8) * 7) & 255)

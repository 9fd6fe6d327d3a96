/**
 * An HttpClient whose answers a test writes: a handler gets each request as plain data and returns a Response, a
 * failure, or an Effect of either. Records what was asked. No sockets, so TestClock rules all time.
 */
import { Effect, Layer, Redacted } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { Auth } from "../../src/graph/Auth.ts"
import type { GraphClient } from "../../src/graph/GraphClient.ts"
import { layerGraphClient } from "../../src/graph/GraphClientHttp.ts"
import { defaultGraphConfig, defaultLimits, GraphConfig, type GraphLimits } from "../../src/graph/GraphConfig.ts"

export const base = "https://graph.test/v1.0"
export const secret = "very-secret-token"

export interface Seen {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
  /** Number of this request, from 0. */
  readonly n: number
}

export type Reply = Response | { readonly code: string }
export type Handler = (seen: Seen) => Reply | Effect.Effect<Reply>

const bodyOf = (request: HttpClientRequest.HttpClientRequest): Uint8Array =>
  request.body._tag === "Uint8Array" ? request.body.body : new Uint8Array()

export class ScriptedServer {
  readonly seen: Array<Seen> = []
  handler: Handler
  constructor(handler: Handler) {
    this.handler = handler
  }

  readonly client = HttpClient.make((request, url) =>
    Effect.suspend(() => {
      const { headers, method } = request
      const seen: Seen = { method, url, headers, body: bodyOf(request), n: this.seen.length }
      this.seen.push(seen)
      const reply = this.handler(seen)
      return Effect.isEffect(reply) ? reply : Effect.succeed(reply)
    }).pipe(
      Effect.flatMap((reply) =>
        reply instanceof Response
          ? Effect.succeed(HttpClientResponse.fromWeb(request, reply))
          : Effect.fail(
              new HttpClientError.HttpClientError({
                reason: new HttpClientError.TransportError({
                  request,
                  cause: Object.assign(new Error(`${reply.code} ${url.href}`), { code: reply.code })
                })
              })
            )
      )
    )
  )

  layer(
    options: { readonly limits?: Partial<GraphLimits>; readonly auth?: Layer.Layer<Auth> } = {}
  ): Layer.Layer<GraphClient> {
    return layerGraphClient.pipe(
      Layer.provide(Layer.succeed(HttpClient.HttpClient, this.client)),
      Layer.provide(options.auth ?? Auth.layerToken(Redacted.make(secret))),
      Layer.provide(
        Layer.succeed(GraphConfig, {
          ...defaultGraphConfig,
          baseUrl: base,
          limits: { ...defaultLimits, ...options.limits }
        })
      )
    )
  }

  get paths(): ReadonlyArray<string> {
    return this.seen.map((seen) => `${seen.method} ${seen.url.pathname}`)
  }
}

export const json = (value: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json", ...headers } })

export const refusal = (status: number, code = "", headers: Record<string, string> = {}): Response =>
  json({ error: { code, message: `no: https://host.test/x?tempauth=${secret}` } }, status, {
    "request-id": "req-1",
    ...headers
  })

export const html = (status: number): Response =>
  new Response("<html><body>gateway</body></html>", { status, headers: { "content-type": "text/html" } })

export const fileItem = (overrides: Record<string, unknown> = {}) => ({
  id: "01FILE",
  name: "a.bin",
  size: 10,
  eTag: '"{G},1"',
  cTag: '"c:{G},1"',
  parentReference: { driveId: "b!x", id: "01ROOT" },
  file: { hashes: { quickXorHash: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" } },
  fileSystemInfo: { createdDateTime: "2026-01-02T03:04:05Z", lastModifiedDateTime: "2026-01-02T03:04:05.123Z" },
  ...overrides
})

/** A body that yields `parts` and then ends, is cut, or stalls. */
export const bodyStream = (
  parts: ReadonlyArray<Uint8Array>,
  end: "close" | "cut" | "stall"
): ReadableStream<Uint8Array> => {
  let next = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const part = parts[next++]
        if (part !== undefined) controller.enqueue(part)
        else if (end === "close") controller.close()
        else if (end === "cut")
          controller.error(Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" }))
        else return new Promise<void>(() => {})
        return undefined
      }
    },
    { highWaterMark: 0 }
  )
}

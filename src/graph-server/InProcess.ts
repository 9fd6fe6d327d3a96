/** The drive behind an HttpClient without sockets: requests run in the caller's fiber, on its clock, and are interrupted with it. */
import { Effect, Layer, Stream } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpServerResponse } from "effect/http"
import { DriveServer } from "./DriveServer.ts"
import type { ConnectionCut, DriveResponse } from "./Exchange.ts"

/** Where the in-process drive is to be found. The name can never resolve (RFC 2606). */
export const origin = "https://graph.embedded.invalid"

/** Base URL for a Graph client. */
export const baseUrl = `${origin}/v1.0`

/** Routes every request to the drive; other hosts than `origin` cannot be reached. Redirects are the caller's to follow. */
export const inProcess: Layer.Layer<HttpClient.HttpClient, never, DriveServer> = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(DriveServer, (server) =>
    HttpClient.make((request, url) => {
      if (url.origin !== origin) return Effect.fail(transportError(request, `${url.host} cannot be reached in process`))
      return server
        .handle({
          method: request.method,
          origin: url.origin,
          url: url.pathname + url.search,
          headers: headersOf(request),
          body: bodyOf(request)
        })
        .pipe(
          Effect.map((response) => HttpServerResponse.toClientResponse(toServerResponse(response), { request })),
          Effect.mapError((cut: ConnectionCut) => transportError(request, cut.message))
        )
    })
  )
)

const transportError = (request: HttpClientRequest.HttpClientRequest, description: string) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, description })
  })

/** A body of unknown length travels in chunks, as it would over HTTP/1.1. */
const headersOf = ({ headers, body }: HttpClientRequest.HttpClientRequest): Record<string, string> => {
  const length = body._tag === "Empty" ? 0 : body._tag === "FormData" ? undefined : body.contentLength
  const framing = length === undefined ? { "transfer-encoding": "chunked" } : { "content-length": String(length) }
  return { ...framing, ...headers }
}

const bodyOf = ({ body }: HttpClientRequest.HttpClientRequest): Stream.Stream<Uint8Array, unknown> => {
  switch (body._tag) {
    case "Empty":
      return Stream.empty
    case "Uint8Array":
      return Stream.succeed(body.body)
    case "Stream":
      return body.stream
    case "Raw":
    case "FormData":
      return Stream.fail(new Error(`The in-process drive takes no ${body._tag} bodies`))
  }
}

/** Also what the HTTP face sends. */
export const toServerResponse = ({ status, headers, body }: DriveResponse): HttpServerResponse.HttpServerResponse => {
  const length = headers["content-length"]
  if (body instanceof Uint8Array) {
    return body.length === 0
      ? HttpServerResponse.empty({ status, headers })
      : HttpServerResponse.uint8Array(body, { status, headers })
  }
  return HttpServerResponse.stream(body, {
    status,
    headers,
    ...(length === undefined ? {} : { contentLength: Number(length) })
  })
}

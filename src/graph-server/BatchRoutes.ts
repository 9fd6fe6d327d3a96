/** $batch (Microsoft Graph, "Combine multiple HTTP requests using JSON batching"): up to 20 requests in one. */
import { Effect, Result, Schema, Stream } from "effect"
import { Base64 } from "effect/encoding"
import { type ApiError, invalidRequest } from "./ApiError.ts"
import { type Call, json, readJson } from "./Call.ts"
import type { ConnectionCut, DriveRequest, DriveResponse } from "./Exchange.ts"
import { apiPrefix } from "./Routing.ts"

const Part = Schema.Struct({
  id: Schema.String,
  method: Schema.String,
  url: Schema.String,
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  /** JSON, or base64 of anything else. */
  body: Schema.optionalKey(Schema.Unknown),
  dependsOn: Schema.optionalKey(Schema.Array(Schema.String))
})
type Part = typeof Part.Type

const BatchBody = Schema.Struct({ requests: Schema.Array(Part) })

interface PartReply {
  readonly id: string
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

const maxParts = 20

/** Whether the call is a batch: POST /v1.0/$batch. */
export const isBatch = ({ path, request }: Call): boolean =>
  request.method === "POST" && /^\/v1\.0\/(\$|%24)batch\/*$/.test(path)

type Handle = (request: DriveRequest) => Effect.Effect<DriveResponse, ConnectionCut>

/** Each part goes through `handle` like a request of its own, so it is logged, throttled and broken like one. */
export const batch = Effect.fnUntraced(function* (call: Call, handle: Handle) {
  const { requests } = yield* readJson(call, BatchBody)
  yield* checkParts(requests)
  const replies = new Map<string, PartReply>()
  for (const part of requests) {
    const failed = part.dependsOn?.some((id) => (replies.get(id)?.status ?? 424) >= 400) === true
    replies.set(part.id, failed ? dependencyFailed(part) : yield* answerPart(call, part, handle))
  }
  return json(200, { responses: [...replies.values()] })
})

const checkParts = (requests: ReadonlyArray<Part>): Effect.Effect<void, ApiError> => {
  if (requests.length > maxParts) return Effect.fail(invalidRequest(`A batch has at most ${maxParts} requests.`))
  const seen = new Set<string>()
  for (const part of requests) {
    const { id, url, dependsOn = [] } = part
    if (seen.has(id)) return Effect.fail(invalidRequest(`The id '${id}' occurs twice.`))
    const unknown = dependsOn.find((other) => !seen.has(other))
    if (unknown !== undefined)
      return Effect.fail(invalidRequest(`'${id}' depends on '${unknown}', which is not before it.`))
    if (/^\/?(\$|%24)batch/i.test(url)) return Effect.fail(invalidRequest("A batch cannot hold a batch."))
    if (hasObject(part) && typeOf(part) === "")
      return Effect.fail(invalidRequest(`Write request id : ${id} does not contain Content-Type header or body.`))
    if (isBinary(part) && Result.isFailure(Base64.decode(part.body)))
      return Effect.fail(invalidRequest(`The body of '${id}' is neither JSON, by its Content-Type, nor base64.`))
    seen.add(id)
  }
  return Effect.void
}

const dependencyFailed = ({ id }: Part): PartReply => ({
  id,
  status: 424,
  body: { error: { code: "FailedDependency", message: "A request that this one depends on has failed." } }
})

const answerPart = (call: Call, part: Part, handle: Handle): Effect.Effect<PartReply> => {
  const headers = Object.fromEntries(
    Object.entries(part.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
  )
  const body = bodyOf(part)
  const { authorization } = call.request.headers
  const request: DriveRequest = {
    method: part.method.toUpperCase(),
    origin: call.request.origin,
    isPart: true,
    url: apiPrefix + (part.url.startsWith("/") ? part.url : `/${part.url}`),
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...headers,
      "content-length": String(body.length)
    },
    body: body.length === 0 ? Stream.empty : Stream.succeed(body)
  }
  return handle(request).pipe(
    Effect.flatMap((response) => replyOf(part.id, response)),
    Effect.orElseSucceed(() => ({ id: part.id, status: 500 }))
  )
}

const typeOf = ({ headers = {} }: Part): string =>
  Object.entries(headers).find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? ""

const hasObject = ({ body }: Part): boolean => body !== undefined && body !== null && typeof body !== "string"

/** Text is base64 of the body, unless the part says that it is JSON. */
const isBinary = (part: Part): part is Part & { readonly body: string } =>
  typeof part.body === "string" && !typeOf(part).startsWith("application/json")

const bodyOf = (part: Part): Uint8Array => {
  if (part.body === undefined || part.body === null) return new Uint8Array(0)
  return isBinary(part) ? Buffer.from(part.body, "base64") : Buffer.from(JSON.stringify(part.body))
}

const replyOf = Effect.fnUntraced(function* (id: string, { status, headers, body }: DriveResponse) {
  const bytes = body instanceof Uint8Array ? body : Buffer.concat(yield* Stream.runCollect(body))
  if (bytes.length === 0) return { id, status, headers }
  const text = Buffer.from(bytes)
  const isJson = headers["content-type"]?.startsWith("application/json") === true
  return {
    id,
    status,
    headers,
    body: isJson ? (JSON.parse(text.toString("utf8")) as unknown) : text.toString("base64")
  }
})

/** A request being answered: its query, its body as JSON, and the replies in Graph's form. */
import { Effect, Schema, Stream } from "effect"
import { type ApiError, invalidRequest, tooLarge } from "./ApiError.ts"
import type { Json } from "./DriveItemShape.ts"
import type { DriveRequest, DriveResponse, HeaderRecord, Quirks } from "./Exchange.ts"
import { apiPrefix } from "./Routing.ts"

/** A request, read as far as every handler needs it. */
export interface Call {
  readonly request: DriveRequest
  /** Raw, without the query. */
  readonly path: string
  /** Option names without "$", in lower case. */
  readonly query: ReadonlyMap<string, string>
  /** The drive's clock, in milliseconds since the epoch. */
  readonly now: number
  readonly quirks: Quirks
}

/** `now` is the clock's; what the call says of the time may be off on purpose (Quirks.skew). */
export const makeCall = (request: DriveRequest, now: number): Call => {
  const mark = request.url.indexOf("?")
  const path = mark < 0 ? request.url : request.url.slice(0, mark)
  const query = new Map<string, string>()
  for (const [name, value] of searchParams(request)) query.set(optionName(name), value)
  const { quirks = {} } = request
  return { request, path, query, now: now + (quirks.skew ?? 0), quirks }
}

const searchParams = ({ url }: DriveRequest): URLSearchParams => {
  const mark = url.indexOf("?")
  return new URLSearchParams(mark < 0 ? "" : url.slice(mark))
}

const optionName = (name: string): string => name.replace(/^\$/, "").toLowerCase()

/** HEAD is answered like GET; the server leaves the body out. */
export const methodOf = ({ request }: Call): string => (request.method === "HEAD" ? "GET" : request.method)

/** Absolute link to the same resource under the host the client came in by, all its options repeated but for one. */
export const linkWith = (call: Call, name: string, value: string): string => {
  const others = [...searchParams(call.request)].filter(([key]) => optionName(key) !== optionName(name))
  const path = call.path.replace(/\(token=[^)]*\)$/, "")
  const kept = new URLSearchParams(others).toString()
  return `${call.request.origin}${path}?${kept === "" ? "" : `${kept}&`}${name}=${encodeURIComponent(value)}`
}

/** $select as a set of top-level properties; undefined selects everything. */
export const selectOf = (call: Call): ReadonlySet<string> | undefined => {
  const select = call.query.get("select")
  if (select === undefined || select.trim() === "") return undefined
  return new Set(select.split(",").map((property) => property.trim().replace(/\/.*$/, "")))
}

const maxPageSize = 1000

/** $top clipped to what the service allows; 400 for anything but a positive number. */
export const topOf = (call: Call, fallback: number): number => {
  const top = call.query.get("top")
  if (top === undefined) return fallback
  if (!/^[0-9]{1,9}$/.test(top) || Number(top) === 0) {
    throw invalidRequest("The value of $top has to be a positive number.", "invalidQueryOption")
  }
  return Math.min(Number(top), maxPageSize)
}

/** @odata.context of a reply (OData JSON Format 4.01, section 4.5.1). */
export const contextUrl = (call: Call, entity: string): string =>
  `${call.request.origin}${apiPrefix}/$metadata#${entity}`

/** A reply in JSON, with the headers that Graph's have. */
export const json = (status: number, body: Json, headers: HeaderRecord = {}): DriveResponse => ({
  status,
  headers: {
    "content-type":
      "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
    "odata-version": "4.0",
    "cache-control": "no-store, no-cache",
    ...headers
  },
  body: encode(body)
})

/**
 * A list goes item by item: one name outside Latin-1 would make the text of the whole page a wide string, which takes
 * eight times as long to turn into UTF-8.
 */
const encode = (body: Json): Uint8Array => {
  const { value, ...rest } = body
  if (!Array.isArray(value) || value.length === 0) return Buffer.from(JSON.stringify(body))
  const head = JSON.stringify(rest).slice(0, -1)
  const parts = [Buffer.from(`${head}${head === "{" ? "" : ","}"value":[`)]
  for (const [index, item] of value.entries()) {
    parts.push(Buffer.from(index === 0 ? JSON.stringify(item) : `,${JSON.stringify(item)}`))
  }
  parts.push(Buffer.from("]}"))
  return Buffer.concat(parts)
}

/** A reply without a body. */
export const empty = (status: number, headers: HeaderRecord = {}): DriveResponse => ({
  status,
  headers: status === 204 || status === 304 ? headers : { "content-length": "0", ...headers },
  body: new Uint8Array(0)
})

/** Content-Length as sent; undefined when the body comes in chunks. */
export const contentLength = (call: Call): number | undefined => {
  const length = call.request.headers["content-length"]
  return length === undefined || !/^[0-9]{1,15}$/.test(length) ? undefined : Number(length)
}

const jsonLimit = 1024 * 1024

/** Drops a byte order mark, and throws at what is no UTF-8: a name would come out as one that nobody sent. */
const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The body as text; 413 when it is larger than any JSON or form has to be, 400 when it is not UTF-8. */
export const readText = Effect.fnUntraced(function* (call: Call) {
  const chunks: Array<Uint8Array> = []
  let size = 0
  const body = Stream.mapError(call.request.body, () => invalidRequest("The request body broke off."))
  const collect = Effect.fnUntraced(function* (chunk: Uint8Array) {
    size += chunk.length
    if (size > jsonLimit) return yield* tooLarge("The request body is too large.", "maxFileSizeExceeded")
    chunks.push(chunk)
  })
  yield* Stream.runForEach(body, collect)
  return yield* Effect.try({
    try: () => utf8.decode(Buffer.concat(chunks)),
    catch: () => invalidRequest("The request body is not valid UTF-8.")
  })
})

/** The body as JSON of a schema; 400 that names the field when it is not. An absent body counts as {}. */
export const readJson = <A>(call: Call, schema: JsonSchema<A>): Effect.Effect<A, ApiError> =>
  decodeBody(call, schema, "ignore")

/** The same where a property that is not in the schema is a slip of somebody's, and no news from a newer client. */
export const readStrictJson = <A>(call: Call, schema: JsonSchema<A>): Effect.Effect<A, ApiError> =>
  decodeBody(call, schema, "error")

type JsonSchema<A> = Schema.ConstraintCodec<A, unknown, never, never>

const decodeBody = <A>(
  call: Call,
  schema: JsonSchema<A>,
  onExcessProperty: "ignore" | "error"
): Effect.Effect<A, ApiError> =>
  Effect.gen(function* () {
    const text = yield* readText(call)
    const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema), { onExcessProperty })
    return yield* Effect.mapError(decode(text.trim() === "" ? "{}" : text), (error) =>
      invalidRequest(`The request body is not valid: ${error.message}`)
    )
  })

/**
 * A small client that changes a served drive from outside, by path, over the same API as everybody else: for people at a
 * command line and for tests that need somebody else to do something. Paths are absolute; "/" is the root.
 */
import { Effect, Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import type { HttpMethod } from "effect/http/HttpMethod"

/** What the drive refused, in its own words, or why it could not be asked. `status` is 0 when there was no answer. */
export class SecondClientError extends Schema.TaggedError<SecondClientError>()("SecondClientError", {
  status: Schema.Int,
  code: Schema.String,
  message: Schema.String
}) {}

const Item = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  size: Schema.Finite,
  lastModifiedDateTime: Schema.String,
  folder: Schema.optionalKey(Schema.Struct({ childCount: Schema.Finite }))
})
/** An item as the API shows it; a folder has `folder`. */
export type ServedItem = typeof Item.Type

const Session = Schema.Struct({ uploadUrl: Schema.String })
const ItemPage = Schema.Struct({
  value: Schema.Array(Item),
  "@odata.nextLink": Schema.optionalKey(Schema.String)
})
const Refusal = Schema.Struct({ error: Schema.Struct({ code: Schema.String, message: Schema.String }) })

export interface SecondClient {
  /** What is in a folder, by name. */
  list(path: string): Effect.Effect<ReadonlyArray<ServedItem>, SecondClientError>
  /** New content under a path; the folder has to exist. `size` in bytes; what one PUT cannot hold goes by a session. */
  put(
    path: string,
    content: Stream.Stream<Uint8Array, unknown>,
    size: number
  ): Effect.Effect<ServedItem, SecondClientError>
  createFolder(path: string): Effect.Effect<ServedItem, SecondClientError>
  /** Renames and moves; the target must not exist. */
  move(from: string, to: string): Effect.Effect<ServedItem, SecondClientError>
  remove(path: string): Effect.Effect<void, SecondClientError>
}

const segments = (path: string): ReadonlyArray<string> => path.split("/").filter((name) => name !== "")

const parentOf = (path: string): string => `/${segments(path).slice(0, -1).join("/")}`

export interface SecondClientOptions {
  /** The id of a further drive; default the user's own. */
  readonly drive?: string | undefined
  /** Bytes; larger content goes by an upload session. Default 250 MiB, which is what a PUT can hold. */
  readonly largestPut?: number
}

/** Bytes; a multiple of 320 KiB. */
const fragmentSize = 32 * 320 * 1024

/** `baseUrl` ends in /v1.0. */
export const makeSecondClient = Effect.fnUntraced(function* (
  baseUrl: string,
  token: string,
  { drive, largestPut = 250 * 1024 * 1024 }: SecondClientOptions = {}
) {
  const http = yield* HttpClient.HttpClient
  const root = drive === undefined ? "/me/drive/root" : `/drives/${encodeURIComponent(drive)}/root`

  /** The drive's address of a path; with a sub-resource when `tail` is given. */
  const addressOf = (path: string, tail = ""): string => {
    const names = segments(path).map(encodeURIComponent)
    if (names.length === 0) return `${root}${tail}`
    return `${root}:/${names.join("/")}${tail === "" ? "" : `:${tail}`}`
  }

  const send = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
    const response = yield* http
      .execute(HttpClientRequest.bearerToken(request, token))
      .pipe(Effect.mapError(({ message }) => unanswered(message)))
    if (response.status < 400) return response
    return yield* refused(response)
  })

  const decode = <A>(
    schema: Schema.ConstraintCodec<A, unknown, never, never>,
    response: HttpClientResponse.HttpClientResponse
  ) =>
    response.json.pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(schema)),
      Effect.mapError(({ message }) => unanswered(`The answer is not one of a drive: ${message}`))
    )

  const request = (method: HttpMethod, address: string) => HttpClientRequest.make(method)(baseUrl + address)
  const item = (sent: HttpClientRequest.HttpClientRequest) =>
    Effect.flatMap(send(sent), (response) => decode(Item, response))

  const octets = { contentType: "application/octet-stream" }

  const putSmall = (path: string, content: Stream.Stream<Uint8Array, unknown>, size: number) =>
    item(
      HttpClientRequest.bodyStream(request("PUT", addressOf(path, "/content")), content, {
        ...octets,
        contentLength: size
      })
    )

  /** Fragment by fragment; a session that fails is given up, so that its bytes do not stay behind. */
  const putLarge = Effect.fnUntraced(function* (
    path: string,
    content: Stream.Stream<Uint8Array, unknown>,
    size: number
  ) {
    const start = HttpClientRequest.bodyJsonUnsafe(request("POST", addressOf(path, "/createUploadSession")), {})
    const { uploadUrl } = yield* decode(Session, yield* send(start))
    let [held, sent]: [Buffer, number] = [Buffer.alloc(0), 0]
    const flush = Effect.fnUntraced(function* (length: number) {
      const range = `bytes ${sent}-${sent + length - 1}/${size}`
      const fragment = HttpClientRequest.put(uploadUrl).pipe(
        HttpClientRequest.setHeader("content-range", range),
        HttpClientRequest.bodyUint8Array(held.subarray(0, length), octets.contentType)
      )
      held = held.subarray(length)
      sent += length
      return yield* send(fragment)
    })
    const collect = Effect.fnUntraced(function* (chunk: Uint8Array) {
      held = Buffer.concat([held, chunk])
      while (held.length > fragmentSize) yield* flush(fragmentSize)
    })
    const upload = Effect.gen(function* () {
      yield* Stream.runForEach(
        Stream.mapError(content, (cause) => unanswered(`The content cannot be read: ${String(cause)}`)),
        collect
      )
      if (sent + held.length !== size) return yield* unanswered(`The content has not the ${size} bytes it should have.`)
      return yield* decode(Item, yield* flush(held.length))
    })
    const giveUp = Effect.ignore(http.execute(HttpClientRequest.delete(uploadUrl)))
    return yield* Effect.onError(upload, () => giveUp)
  })

  const client: SecondClient = {
    list: Effect.fnUntraced(function* (path) {
      const items: Array<ServedItem> = []
      let next: string | undefined = baseUrl + addressOf(path, "/children")
      while (next !== undefined) {
        const page: typeof ItemPage.Type = yield* decode(ItemPage, yield* send(HttpClientRequest.get(next)))
        items.push(...page.value)
        next = page["@odata.nextLink"]
      }
      return items
    }),
    put: (path, content, size) => (size > largestPut ? putLarge(path, content, size) : putSmall(path, content, size)),
    createFolder: (path) =>
      item(
        HttpClientRequest.bodyJsonUnsafe(request("POST", addressOf(parentOf(path), "/children")), {
          name: segments(path).at(-1) ?? "",
          folder: {}
        })
      ),
    move: Effect.fnUntraced(function* (from, to) {
      const parent = yield* item(request("GET", addressOf(parentOf(to))))
      const change = { name: segments(to).at(-1) ?? "", parentReference: { id: parent.id } }
      return yield* item(HttpClientRequest.bodyJsonUnsafe(request("PATCH", addressOf(from)), change))
    }),
    remove: (path) => Effect.asVoid(send(request("DELETE", addressOf(path))))
  }
  return client
})

const unanswered = (message: string): SecondClientError =>
  new SecondClientError({ status: 0, code: "unanswered", message })

const refused = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
  const { status } = response
  const body = yield* Effect.option(Effect.flatMap(response.json, Schema.decodeUnknownEffect(Refusal)))
  if (body._tag === "None") {
    return yield* new SecondClientError({ status, code: "unknown", message: `The drive answered ${status}.` })
  }
  return yield* new SecondClientError({ status, ...body.value.error })
})

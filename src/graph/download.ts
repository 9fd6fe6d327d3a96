/**
 * One range of one content version as a stream: exactly its bytes, or an error. The transfer runs in segments: a
 * segment is one ranged request against the pre-authenticated URL; when it is cut off or stalls, the next one goes on
 * at the byte reached, as long as bytes keep coming. Backpressure is the consumer's pull; nothing is buffered here.
 */
import { Array as Arr, Cause, Effect, Exit, Pull, Result, Scope, Stream } from "effect"
import { HttpClientRequest, type HttpClientResponse } from "effect/http"
import type { ItemId } from "./DriveItem.ts"
import type { DownloadUrl, DownloadUrls } from "./DownloadUrls.ts"
import { graphError } from "./failures.ts"
import type { ByteRange } from "./GraphClient.ts"
import { Forbidden, GraphError, InvalidRequest, Malformed } from "./GraphError.ts"
import type { Transport } from "./Transport.ts"

const operation = "download"

const malformed = (detail: string): GraphError => graphError(operation, new Malformed({ detail }))

type Chunk = Arr.NonEmptyReadonlyArray<Uint8Array>
type Segment = { readonly pull: Pull.Pull<Chunk, GraphError>; readonly scope: Scope.Closeable }

/** `bytes first-last/total`; RFC 9110 14.4. */
const contentRange = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/

/** What is wrong with the head of an answer to `bytes=first-(end - 1)`, null when it is as asked for. */
export const headProblem = (
  head: { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>> },
  asked: { readonly first: number; readonly end: number; readonly size: number }
): string | null => {
  const { headers, status } = head
  const encoding = headers["content-encoding"] ?? "identity"
  if (encoding !== "identity") return `content-encoding ${encoding} was not asked for`
  const length = headers["content-length"]
  if (length !== undefined && Number(length) !== asked.end - asked.first) {
    return `content-length ${length} for a range of ${asked.end - asked.first} bytes`
  }
  if (status === 200) {
    return asked.first === 0 && asked.end === asked.size ? null : "the whole content instead of the range"
  }
  const match = contentRange.exec(headers["content-range"] ?? "")
  if (match === null) return "206 without a valid content-range"
  if (Number(match[1]) !== asked.first || Number(match[2]) !== asked.end - 1) {
    return `content-range ${match[0]} instead of bytes ${asked.first}-${asked.end - 1}`
  }
  return null
}

/** Another total than the item's size: the content behind the URL is another version by now. */
const isOtherSize = (response: HttpClientResponse.HttpClientResponse, size: number): boolean => {
  const total = contentRange.exec(response.headers["content-range"] ?? "")?.[3]
  return total !== undefined && total !== "*" && Number(total) !== size
}

/** Refusals that a fresh URL may cure: it expired, or the content behind it was replaced. */
const wantsFreshUrl = (error: GraphError): boolean => [401, 403, 404, 410, 416].includes(error.status)

/** The transfer host knows neither our session nor the item, so its 401 and 404 say nothing about them. */
const refusedTwice = (error: GraphError): GraphError => {
  switch (error.status) {
    case 403:
      return error.reason._tag === "Forbidden" ? error : graphError(operation, new Forbidden({ code: "" }), error)
    case 401:
    case 404:
    case 410:
      return graphError(operation, new Malformed({ detail: `HTTP ${error.status} for a fresh download URL` }), error)
    default:
      return error
  }
}

/** Going on at the byte reached is worth a try. A wrong answer is not: it would be wrong again, or worse, not noticed. */
const mayResume = (error: GraphError): boolean =>
  ["Unreachable", "TimedOut", "Throttled", "ServerFailure"].includes(error.reason._tag)

/** A failed metadata call: it had its retries already. */
class Settled {
  readonly error: GraphError
  constructor(error: GraphError) {
    this.error = error
  }
}

interface Wanted {
  readonly id: ItemId
  readonly cTag: string | null
  /** The byte behind the last one. */
  readonly end: number
}

/** Opens the segment from `first` on; `resumed` when bytes of the range were delivered before. */
type OpenSegment = (
  parent: Scope.Scope,
  first: number,
  resumed: boolean
) => Effect.Effect<Segment, GraphError | Settled>

const makeOpenSegment = (transport: Transport, urls: DownloadUrls, { cTag, end, id }: Wanted): OpenSegment => {
  const request = (target: DownloadUrl, first: number) =>
    transport.open({
      operation,
      kind: "read",
      request: HttpClientRequest.get(target.url, {
        headers: { range: `bytes=${first}-${end - 1}`, "accept-encoding": "identity" }
      }),
      authorized: false,
      accepts: (status) => status === 200 || status === 206
    })

  const locate = (fresh: boolean) => Effect.mapError(urls.get(id, cTag, fresh), (error) => new Settled(error))

  /**
   * The response for the rest of the range; one fresh URL when the first is refused. Some hosts serve the current
   * content under an old URL, so what resumes compares the version again lest it joins two.
   */
  const connect = Effect.fnUntraced(function* (first: number, resumed: boolean) {
    const target = yield* locate(resumed)
    const tried = yield* Effect.result(request(target, first))
    if (Result.isSuccess(tried) && !isOtherSize(tried.success, target.size)) {
      return { response: tried.success, size: target.size }
    }
    if (Result.isFailure(tried) && !wantsFreshUrl(tried.failure)) return yield* tried.failure
    const fresh = yield* locate(true)
    const response = yield* Effect.mapError(request(fresh, first), refusedTwice)
    if (isOtherSize(response, fresh.size)) {
      return yield* malformed(`content of another size than the item's ${fresh.size} bytes`)
    }
    return { response, size: fresh.size }
  })

  return Effect.fnUntraced(function* (parent, first, resumed) {
    const scope = yield* Scope.fork(parent)
    return yield* Effect.gen(function* () {
      const { response, size } = yield* Scope.provide(connect(first, resumed), scope)
      const problem = headProblem(response, { first, end, size })
      if (problem !== null) return yield* malformed(problem)
      const pull = yield* Scope.provide(Stream.toPull(transport.body(operation, response)), scope)
      return { pull, scope } satisfies Segment
    }).pipe(Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))))
  })
}

/** Pulls the bytes from `start` to `end`, over as many segments as it takes. */
const makePull = (transport: Transport, openSegment: OpenSegment, start: number, end: number) =>
  Effect.gen(function* () {
    const parent = yield* Scope.Scope
    let position = start
    let segment: Segment | undefined
    /** Attempts in a row that brought no byte. */
    let fruitless = 0

    const leave = Effect.suspend(() => {
      const left = segment
      segment = undefined
      return left === undefined ? Effect.void : Scope.close(left.scope, Exit.void)
    })

    const recover = Effect.fnUntraced(function* (error: GraphError | Settled) {
      yield* leave
      if (error instanceof Settled) return yield* error.error
      if (position === end) return yield* Cause.done()
      fruitless++
      if (!mayResume(error) || fruitless >= transport.config.limits.attempts) return yield* error
      yield* Effect.logDebug(error.message, { attempt: fruitless, position })
      if (error.reason._tag !== "Throttled") yield* transport.backoff(fruitless - 1)
      return yield* next
    })

    const accept = (chunk: Chunk): Effect.Effect<Chunk, GraphError> => {
      let size = 0
      for (const bytes of chunk) size += bytes.length
      if (position + size > end) return malformed("more bytes than asked for")
      position += size
      if (size > 0) fruitless = 0
      return Effect.succeed(chunk)
    }

    const finish = Effect.suspend((): Pull.Pull<never, GraphError> =>
      position === end ? Cause.done() : malformed(`the body ends ${end - position} bytes short`)
    )

    const read = (opened: Segment): Pull.Pull<Chunk, GraphError> => {
      segment = opened
      return Pull.matchEffect(opened.pull, {
        onSuccess: accept,
        onFailure: (cause) => {
          const error = Cause.findErrorOption(cause)
          return error._tag === "Some" ? recover(error.value) : Effect.failCause(cause as Cause.Cause<never>)
        },
        onDone: () => Effect.andThen(leave, finish)
      })
    }

    const next: Pull.Pull<Chunk, GraphError> = Effect.suspend(() =>
      segment === undefined
        ? Effect.matchEffect(openSegment(parent, position, position > start), { onFailure: recover, onSuccess: read })
        : read(segment)
    )
    return next
  })

export const makeDownload =
  (transport: Transport, urls: DownloadUrls) =>
  (id: ItemId, cTag: string | null, range: ByteRange): Stream.Stream<Uint8Array, GraphError> => {
    const end = range.offset + range.length
    if (!(range.offset >= 0 && range.length >= 1 && Number.isSafeInteger(end))) {
      const reason = new InvalidRequest({ code: "invalidRange", detail: "a range has at least one byte" })
      return Stream.fail(graphError(operation, reason))
    }
    const openSegment = makeOpenSegment(transport, urls, { id, cTag, end })
    return Stream.scoped(Stream.fromPull(makePull(transport, openSegment, range.offset, end)))
  }

/**
 * How a request gets to the Graph and an answer back: throttle gate, authorization, limits, status to reason, decode,
 * retry. Every HTTP request of the client goes through `open`; calls with a JSON answer through `call`.
 *
 * Reads are repeated after anything transient. Mutations only when the server cannot have acted: nothing was sent, or
 * it said that it throttles. What is left ambiguous goes to the caller.
 */
import { Clock, Effect, Random, Result, type Scope, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { Auth } from "./Auth.ts"
import {
  graphError,
  isThrottling,
  parseRetryAfter,
  readErrorBody,
  reasonOf,
  type Refusal,
  transportReason
} from "./failures.ts"
import { GraphConfig, type GraphConfigShape } from "./GraphConfig.ts"
import { type GraphError, type GraphErrorReason, Malformed, TimedOut } from "./GraphError.ts"
import { makeThrottleGate, type Passage } from "./ThrottleGate.ts"
import type { Decoder } from "./wire.ts"

/** One request, and how its answers are to be read. */
export interface Call {
  /** The client's method, for errors and logs. */
  readonly operation: string
  readonly kind: "read" | "mutation"
  readonly request: HttpClientRequest.HttpClientRequest
  /** False for pre-authenticated URLs, which must not see our token. */
  readonly authorized: boolean
  /** Statuses that are answers; all of 2xx when absent. */
  readonly accepts?: (status: number) => boolean
  /** A reason that depends on the call; the general mapping applies where it has none. */
  readonly refine?: (refusal: Refusal) => GraphErrorReason | undefined
}

/** A complete answer. */
export interface Answer {
  readonly status: number
  readonly requestId: string
  readonly contentType: string
  readonly location: string | null
  readonly text: string
}

/** HTTP with limits, retries, the throttle gate and typed errors. */
export interface Transport {
  readonly config: GraphConfigShape
  /** The response head once its status is accepted; the scope owns the connection. */
  open(call: Call): Effect.Effect<HttpClientResponse.HttpClientResponse, GraphError, Scope.Scope>
  /** Body bytes, failing when none come for `idleTimeout`. */
  body(operation: string, response: HttpClientResponse.HttpClientResponse): Stream.Stream<Uint8Array, GraphError>
  /** One call with its retries; `decode` sees the complete answer. */
  answer<A>(call: Call, decode: (answer: Answer) => Result.Result<A, string>): Effect.Effect<A, GraphError>
  call<A>(call: Call, decode: Decoder<A>): Effect.Effect<A, GraphError>
  /** Waits before repetition number `n` (from 0) of something that failed; `base` in milliseconds, default `retryBase`. */
  backoff(n: number, base?: number): Effect.Effect<void>
}

const is2xx = (status: number): boolean => status >= 200 && status < 300

const identify = (response: HttpClientResponse.HttpClientResponse) => ({
  status: response.status,
  requestId: response.headers["request-id"] ?? response.headers["sprequestguid"] ?? ""
})

/** Error bodies are read up to here; Graph's have a few hundred bytes. */
const errorBodySize = 64 * 1024

export const makeTransport: Effect.Effect<Transport, never, HttpClient.HttpClient | Auth> = Effect.gen(function* () {
  const http = HttpClient.withScope(yield* HttpClient.HttpClient)
  const auth = yield* Auth
  const config = yield* GraphConfig
  const { limits } = config
  const gate = makeThrottleGate(limits)

  const uploadTime = (request: HttpClientRequest.HttpClientRequest): number =>
    request.body._tag === "Uint8Array" ? (request.body.contentLength / limits.minimumUploadRate) * 1000 : 0

  /** Spans of the HTTP layer are off: they would carry pre-authenticated URLs. */
  const send = (call: Call, request: HttpClientRequest.HttpClientRequest) => {
    const limit = limits.idleTimeout + uploadTime(request)
    return http.execute(HttpClientRequest.setHeader(request, "user-agent", config.userAgent)).pipe(
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.mapError((error) => graphError(call.operation, transportReason(error))),
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => graphError(call.operation, new TimedOut({ limit }))
      })
    )
  }

  /** A refused token is forgotten, and the call repeated once with whatever takes its place. */
  const authorize = Effect.fnUntraced(function* (call: Call) {
    if (!call.authorized) return yield* send(call, call.request)
    const token = yield* auth.token
    const first = yield* send(call, HttpClientRequest.bearerToken(call.request, token))
    if (first.status !== 401) return first
    yield* auth.invalidate(token)
    return yield* send(call, HttpClientRequest.bearerToken(call.request, yield* auth.token))
  })

  const body: Transport["body"] = (operation, response) =>
    response.stream.pipe(
      Stream.catchIf(
        (error) => error.reason._tag === "EmptyBodyError",
        () => Stream.empty
      ),
      Stream.mapError((error) => graphError(operation, transportReason(error), identify(response))),
      Stream.timeoutOrElse({
        duration: limits.idleTimeout,
        orElse: () =>
          Stream.fail(graphError(operation, new TimedOut({ limit: limits.idleTimeout }), identify(response)))
      })
    )

  const readText = Effect.fnUntraced(function* (
    operation: string,
    response: HttpClientResponse.HttpClientResponse,
    limit: number
  ) {
    const decoder = new TextDecoder()
    let size = 0
    let text = ""
    yield* Stream.runForEach(body(operation, response), (bytes) => {
      size += bytes.length
      if (size > limit) {
        const detail = `the answer exceeds ${limit} bytes`
        return graphError(operation, new Malformed({ detail }), identify(response))
      }
      text += decoder.decode(bytes, { stream: true })
      return Effect.void
    })
    return text + decoder.decode()
  })

  /** An unreadable error body leaves the status, which says enough. */
  const refuse = Effect.fnUntraced(function* (
    call: Call,
    response: HttpClientResponse.HttpClientResponse,
    passage: Passage
  ) {
    const text = yield* readText(call.operation, response, errorBodySize).pipe(Effect.orElseSucceed(() => ""))
    const now = yield* Clock.currentTimeMillis
    const refusal: Refusal = {
      status: response.status,
      ...readErrorBody(text),
      retryAfter: parseRetryAfter(response.headers["retry-after"], now, limits.throttleMax),
      location: response.headers["location"] ?? null
    }
    const wait = isThrottling(refusal) ? yield* gate.close(passage, refusal.retryAfter) : 0
    const reason = call.refine?.(refusal) ?? reasonOf(refusal, wait)
    return yield* graphError(call.operation, reason, identify(response))
  })

  const exchange = Effect.fnUntraced(function* (call: Call, passage: Passage) {
    const response = yield* authorize(call)
    if (!(call.accepts ?? is2xx)(response.status)) return yield* refuse(call, response, passage)
    gate.open(passage)
    return response
  })

  const open: Transport["open"] = (call) =>
    Effect.flatMap(gate.pass(call.operation), (passage) => exchange(call, passage))

  const once = <A>(call: Call, passage: Passage, decode: (answer: Answer) => Result.Result<A, string>) => {
    const limit = limits.callTimeout + uploadTime(call.request)
    return Effect.gen(function* () {
      const response = yield* exchange(call, passage)
      const answer: Answer = {
        ...identify(response),
        contentType: response.headers["content-type"] ?? "",
        location: response.headers["location"] ?? null,
        text: yield* readText(call.operation, response, limits.answerSize)
      }
      const decoded = decode(answer)
      if (Result.isSuccess(decoded)) return decoded.success
      return yield* graphError(call.operation, new Malformed({ detail: decoded.failure }), answer)
    }).pipe(
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => graphError(call.operation, new TimedOut({ limit }))
      })
    )
  }

  const backoff = Effect.fnUntraced(function* (n: number, base = limits.retryBase) {
    const bound = Math.min(limits.retryCap, base * 2 ** n)
    yield* Effect.sleep(Math.round((yield* Random.next) * bound))
  })

  const answer: Transport["answer"] = Effect.fnUntraced(function* (call, decode) {
    for (let attempt = 1; ; attempt++) {
      const passage = yield* gate.pass(call.operation)
      const result = yield* Effect.result(once(call, passage, decode))
      if (Result.isSuccess(result)) return result.success
      const error = result.failure
      yield* Effect.logDebug(error.message, { attempt, kind: call.kind })
      if (attempt >= limits.attempts || !mayRepeat(call.kind, error)) return yield* error
      // The closed gate is the wait after throttling.
      if (error.reason._tag !== "Throttled") yield* backoff(attempt - 1, isUnreached(error) ? unreachedBase : undefined)
    }
  })

  return {
    config,
    open,
    body,
    answer,
    backoff,
    call: (call, decode) => answer(call, (reply) => Result.flatMap(parseJson(reply), decode))
  }
})

const mayRepeat = (kind: Call["kind"], error: GraphError): boolean => {
  if (kind === "read") return error.transient
  return error.reason._tag === "Throttled" || isUnreached(error)
}

/** No connection came about: the server has nothing to recover from, and whoever asked should know soon. */
const isUnreached = ({ reason }: GraphError): boolean => reason._tag === "Unreachable" && !reason.sent

/** Instead of `retryBase` where no connection came about, in milliseconds. */
const unreachedBase = 250

/** The JSON of an answer, or what it is instead. */
export const parseJson = (answer: Answer): Result.Result<unknown, string> =>
  Result.try({
    try: (): unknown => JSON.parse(answer.text),
    catch: () => {
      const what = answer.text === "" ? "an empty body" : "a body that is not JSON"
      return `HTTP ${answer.status} with ${what}${answer.contentType === "" ? "" : ` (${answer.contentType})`}`
    }
  })

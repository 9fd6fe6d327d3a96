/**
 * From what went wrong on the wire to the reason a caller can act on. Status first, then the most specific error code
 * the body names (Graph nests them in `innerError`, the OneDrive API in `innererror`); bodies may be HTML or empty.
 */
import { Option, Predicate, Schema } from "effect"
import type { HttpClientError } from "effect/http"
import {
  Forbidden,
  GraphError,
  type GraphErrorReason,
  InvalidRequest,
  Locked,
  Malformed,
  NameExists,
  NotFound,
  PreconditionFailed,
  QuotaExceeded,
  RangeInvalid,
  ServerFailure,
  SessionGone,
  Throttled,
  TooLarge,
  Unauthenticated,
  Unreachable
} from "./GraphError.ts"

/** A refused request, as far as it could be read. */
export interface Refusal {
  readonly status: number
  /** Error codes, the most specific first; empty when the body was not Graph's. */
  readonly codes: ReadonlyArray<string>
  readonly message: string
  /** Milliseconds from Retry-After; null when absent or senseless. */
  readonly retryAfter: number | null
  readonly location: string | null
}

interface Inner {
  readonly code?: string | null | undefined
  readonly innerError?: Inner | null | undefined
  readonly innererror?: Inner | null | undefined
}
const optional = <S extends Schema.Constraint>(schema: S) => Schema.optional(Schema.NullOr(schema))
const Inner = Schema.Struct({
  code: optional(Schema.String),
  innerError: optional(Schema.suspend((): Schema.Codec<Inner> => Inner)),
  innererror: optional(Schema.suspend((): Schema.Codec<Inner> => Inner))
})
const ErrorBody = Schema.fromJsonString(
  Schema.Struct({ error: Schema.Struct({ ...Inner.fields, message: optional(Schema.String) }) })
)
const decodeErrorBody = Schema.decodeUnknownOption(ErrorBody)

const codesOf = (error: Inner): ReadonlyArray<string> => {
  const codes: Array<string> = []
  for (let at: Inner | null | undefined = error; Predicate.isNotNullish(at); at = at.innerError ?? at.innererror) {
    if (Predicate.isString(at.code) && at.code !== "") codes.unshift(at.code)
  }
  return codes
}

/** Server texts may quote pre-authenticated URLs. */
const redact = (text: string): string => text.replace(/https?:\/\/\S+/g, "<url>").slice(0, 300)

/** Codes, the most specific first, and the message without URLs; none when the body is not that of an error. */
export const readErrorBody = (text: string): { readonly codes: ReadonlyArray<string>; readonly message: string } =>
  Option.match(decodeErrorBody(text), {
    onNone: () => ({ codes: [], message: "" }),
    onSome: ({ error }) => ({ codes: codesOf(error), message: redact(error.message ?? "") })
  })

/** RFC 9110 10.2.3: seconds, or a date. Zero and the past count as absent, more than `max` as `max`. */
export const parseRetryAfter = (header: string | undefined, now: number, max: number): number | null => {
  const text = header?.trim() ?? ""
  const millis = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isNaN(millis) || millis <= 0 ? null : Math.min(millis, max)
}

/** What codes say that their status leaves open; documented inner codes of Microsoft Graph error responses. */
const reasonOfCode = (code: string): GraphErrorReason | undefined => {
  switch (code) {
    case "nameAlreadyExists":
      return new NameExists()
    case "resourceModified":
    case "entityTagDoesNotMatch":
      return new PreconditionFailed()
    case "quotaLimitReached":
    case "insufficientStorage":
      return new QuotaExceeded()
    case "invalidRange":
    case "fragmentOutOfOrder":
    case "fragmentOverlap":
    case "invalidStartIndex":
      return new RangeInvalid()
    case "resourceLocked":
    case "lockMismatch":
    case "lockOwnerMismatch":
      return new Locked()
    case "pathIsTooLong":
    case "pathTooDeep":
    case "parameterIsTooLong":
    case "maxFileSizeExceeded":
    case "maxStreamSizeExceeded":
    case "maxFragmentLengthExceeded":
    case "maxItemCountExceeded":
    case "maxFolderCountExceeded":
    case "maxDocumentCountExceeded":
    case "childItemCountExceeded":
      return new TooLarge({ code })
    default:
      return undefined
  }
}

const firstKnown = (codes: ReadonlyArray<string>): GraphErrorReason | undefined => {
  for (const code of codes) {
    const reason = reasonOfCode(code)
    if (reason !== undefined) return reason
  }
  return undefined
}

const clientReason = (refusal: Refusal): GraphErrorReason => {
  const code = refusal.codes[0] ?? ""
  const known = firstKnown(refusal.codes)
  if (known !== undefined) return known
  switch (refusal.status) {
    case 403:
      return new Forbidden({ code })
    // Without a code a name collision is by far the likeliest, and callers look the name up before they act on it.
    case 409:
      if (code === "") return new NameExists()
      break
  }
  return new InvalidRequest({ code: code === "" ? `HTTP ${refusal.status}` : code, detail: refusal.message })
}

/** The reason for any status outside 2xx. `wait` is how long the throttle gate holds callers back, in milliseconds. */
export const reasonOf = (refusal: Refusal, wait: number): GraphErrorReason => {
  const { status } = refusal
  if (isThrottling(refusal)) return new Throttled({ retryAfter: wait })
  switch (status) {
    case 401:
      return new Unauthenticated()
    case 404:
    case 410:
      return new NotFound()
    case 408:
      return new ServerFailure({ status })
    case 412:
      return new PreconditionFailed()
    case 413:
      return new TooLarge({ code: refusal.codes[0] ?? "HTTP 413" })
    case 416:
      return new RangeInvalid()
    case 423:
      return new Locked()
    case 501:
      return new InvalidRequest({ code: refusal.codes[0] ?? "notSupported", detail: refusal.message })
    case 507:
      return new QuotaExceeded()
  }
  if (status >= 500) return new ServerFailure({ status })
  if (status >= 400) return clientReason(refusal)
  return new Malformed({ detail: `unexpected status ${status}` })
}

/** The server asks for fewer requests: 429, 509, and 503 that says for how long. */
export const isThrottling = (refusal: Refusal): boolean =>
  refusal.status === 429 || refusal.status === 509 || (refusal.status === 503 && refusal.retryAfter !== null)

/** The session's view of a refusal: gone, or held by nobody we can authenticate as any more (SharePoint's tempauth). */
export const sessionReason = (refusal: Refusal): GraphErrorReason | undefined => {
  if (refusal.codes.includes("uploadSessionNotFound")) return new SessionGone()
  return [401, 403, 404, 410].includes(refusal.status) && firstKnown(refusal.codes) === undefined
    ? new SessionGone()
    : undefined
}

/** Failures that happen before a byte of the request has left: name resolution, connecting, TLS. */
const neverSent = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "ERR_TLS_CERT_ALTNAME_INVALID"
])

const errorCode = (cause: unknown, depth = 0): string | undefined => {
  if (!Predicate.isObject(cause) || depth > 4) return undefined
  if (Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code)) return cause.code
  const nested = Predicate.hasProperty(cause, "cause") ? errorCode(cause.cause, depth + 1) : undefined
  if (nested !== undefined) return nested
  return Predicate.hasProperty(cause, "errors") && Array.isArray(cause.errors)
    ? errorCode(cause.errors[0], depth + 1)
    : undefined
}

/** An ETIMEDOUT while connecting differs from one on an established connection. */
const whileConnecting = (cause: unknown): boolean =>
  Predicate.hasProperty(cause, "syscall") && cause.syscall === "connect"

/** No complete answer. The detail is a system error code or an error's name, never a URL. */
export const transportReason = (error: HttpClientError.HttpClientError): GraphErrorReason => {
  const { reason } = error
  if (reason._tag === "InvalidUrlError" || reason._tag === "EncodeError") {
    return new InvalidRequest({ code: reason._tag, detail: "the request could not be built" })
  }
  const cause = "cause" in reason ? reason.cause : undefined
  const code = errorCode(cause)
  const sent =
    reason._tag !== "TransportError" || !((code !== undefined && neverSent.has(code)) || whileConnecting(cause))
  const name = cause instanceof Error ? cause.name : reason._tag
  return new Unreachable({ detail: code ?? name, sent })
}

/** Shorthand for a failed call. */
export const graphError = (
  operation: string,
  reason: GraphErrorReason,
  answer: { readonly status: number; readonly requestId: string } = { status: 0, requestId: "" }
): GraphError => new GraphError({ operation, status: answer.status, requestId: answer.requestId, reason })

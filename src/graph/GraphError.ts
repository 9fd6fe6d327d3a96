/**
 * Everything a Graph call can end with besides its value. One `GraphError` per failed call, its `reason` says what to
 * do about it: wait, sign in, look again, ask the user, or give up. Wire codes: Microsoft Graph error responses.
 */
import { Schema } from "effect"

/** 401 after a fresh token, or no token at all: a person has to sign in. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {}) {}
/** 403: no right to do this, read-only drive, blocked download. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", { code: Schema.String }) {}
/** 404: item, drive or link does not exist (any more). */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {}
/** 409 nameAlreadyExists: another item holds the name in this folder. */
export class NameExists extends Schema.TaggedError<NameExists>()("NameExists", {}) {}
/** 412: the item changed since the base that was sent as If-Match. */
export class PreconditionFailed extends Schema.TaggedError<PreconditionFailed>()("PreconditionFailed", {}) {}
/** 416: range outside the content, or an upload fragment at the wrong place; ask the session where to go on. */
export class RangeInvalid extends Schema.TaggedError<RangeInvalid>()("RangeInvalid", {}) {}
/** 410 on a delta link: enumerate again as a difference. `location` is the fresh link when the server gave one. */
export class ResyncRequired extends Schema.TaggedError<ResyncRequired>()("ResyncRequired", {
  kind: Schema.Literals(["applyDifferences", "uploadDifferences"]),
  location: Schema.NullOr(Schema.String)
}) {}
/** 429, 509 or 503 with Retry-After: nothing is wrong, wait. `retryAfter` in milliseconds. */
export class Throttled extends Schema.TaggedError<Throttled>()("Throttled", { retryAfter: Schema.Finite }) {}
/** 507: the drive is full. */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>()("QuotaExceeded", {}) {}
/** 423: locked by an application or checked out; may pass. */
export class Locked extends Schema.TaggedError<Locked>()("Locked", {}) {}
/** 413, or a name or path beyond the limits of the drive. */
export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { code: Schema.String }) {}
/** 400 and other refusals that a repetition cannot cure. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  code: Schema.String,
  detail: Schema.String
}) {}
/** The upload session is gone (404, expired, or finished before). Look the item up before starting another. */
export class SessionGone extends Schema.TaggedError<SessionGone>()("SessionGone", {}) {}
/** No connection: name resolution, refused, reset, or closed before a complete answer. `sent` tells whether the request may have taken effect. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  detail: Schema.String,
  sent: Schema.Boolean
}) {}
/** No progress within the limit, in milliseconds. The request may have taken effect. */
export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", { limit: Schema.Finite }) {}
/** 5xx that is no throttling. The request may have taken effect. */
export class ServerFailure extends Schema.TaggedError<ServerFailure>()("ServerFailure", { status: Schema.Int }) {}
/** The answer is not what the protocol allows: HTML, truncated or oversized body, wrong Content-Range, missing fields. */
export class Malformed extends Schema.TaggedError<Malformed>()("Malformed", { detail: Schema.String }) {}

export const GraphErrorReason = Schema.Union([
  Unauthenticated,
  Forbidden,
  NotFound,
  NameExists,
  PreconditionFailed,
  RangeInvalid,
  ResyncRequired,
  Throttled,
  QuotaExceeded,
  Locked,
  TooLarge,
  InvalidRequest,
  SessionGone,
  Unreachable,
  TimedOut,
  ServerFailure,
  Malformed
])
export type GraphErrorReason = typeof GraphErrorReason.Type

/** What tells one case of a reason from another. */
const detailOf = (reason: GraphErrorReason): ReadonlyArray<string> => {
  switch (reason._tag) {
    case "Unreachable":
    case "Malformed":
      return [reason.detail]
    case "TimedOut":
      return [`nothing for ${reason.limit / 1000} s`]
    case "Throttled":
      return [`asks to wait ${Math.ceil(reason.retryAfter / 1000)} s`]
    case "Forbidden":
    case "TooLarge":
      return reason.code === "" ? [] : [reason.code]
    case "InvalidRequest":
      return [reason.code, reason.detail].filter((text) => text !== "")
    default:
      return []
  }
}

/** A failed Graph call. `operation` is the client's method; the path never holds tokens or pre-authenticated URLs. */
export class GraphError extends Schema.TaggedError<GraphError>()("GraphError", {
  operation: Schema.String,
  /** HTTP status, 0 when there was no answer. */
  status: Schema.Int,
  /** Graph's request-id for support, empty when there was none. */
  requestId: Schema.String,
  reason: GraphErrorReason
}) {
  override get message(): string {
    const status = this.status === 0 ? "no answer" : `HTTP ${this.status}`
    const request = this.requestId === "" ? "" : `, request ${this.requestId}`
    return `${this.operation}: ${this.reason._tag} (${[status, ...detailOf(this.reason)].join(", ")}${request})`
  }

  /** The call may succeed later without anybody doing anything. */
  get transient(): boolean {
    switch (this.reason._tag) {
      case "Throttled":
      case "Locked":
      case "Unreachable":
      case "TimedOut":
      case "ServerFailure":
      case "Malformed":
        return true
      default:
        return false
    }
  }

  /** The server cannot be reached at all, as opposed to it refusing something. */
  get offline(): boolean {
    return this.reason._tag === "Unreachable" || this.reason._tag === "TimedOut"
  }

  /** The effect of a mutation is unknown: look before repeating. */
  get ambiguous(): boolean {
    switch (this.reason._tag) {
      case "Unreachable":
        return this.reason.sent
      case "TimedOut":
      case "ServerFailure":
      case "Malformed":
        return true
      default:
        return false
    }
  }
}

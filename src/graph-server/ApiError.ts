/**
 * Refusals of the API, with the codes of "Microsoft Graph error responses". The drive's synchronous code throws them,
 * so that a transaction rolls back; `attempt` is the one place that turns them into failures of an Effect.
 */
import { Effect, Schema } from "effect"
import { fromCause, type SqliteError } from "../platform/SqliteError.ts"

export class ApiError extends Schema.TaggedError<ApiError>()("ApiError", {
  status: Schema.Int,
  code: Schema.String,
  message: Schema.String,
  /** The more specific code in `innerError`. */
  inner: Schema.optionalKey(Schema.String),
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
}) {}

const make =
  (status: number, code: string, fallback: string) =>
  (message = fallback, inner?: string): ApiError =>
    new ApiError({ status, code, message, ...(inner === undefined ? {} : { inner }) })

export const invalidRequest = make(400, "invalidRequest", "The request is malformed or incorrect.")
export const unauthenticated = make(401, "InvalidAuthenticationToken", "Access token is empty.")
export const accessDenied = make(403, "accessDenied", "Access denied.")
export const itemNotFound = make(404, "itemNotFound", "The resource could not be found.")
export const methodNotAllowed = make(405, "notAllowed", "The method is not allowed for this resource.")
export const nameAlreadyExists = make(409, "nameAlreadyExists", "An item with the same name already exists.")
export const lengthRequired = make(411, "lengthRequired", "The Content-Length header is required.")
export const resourceModified = make(412, "resourceModified", "ETag does not match current item's value")
export const tooLarge = make(413, "invalidRequest", "The content is too large for this call.")
export const invalidRange = make(416, "invalidRange", "The specified byte range is invalid or unavailable.")
export const notSupported = make(501, "notSupported", "The drive does not support this.")
export const quotaLimitReached = make(507, "quotaLimitReached", "The drive has no room for this content.")
export const serviceNotAvailable = make(503, "serviceNotAvailable", "The drive is busy, try again.")
const generalException = make(500, "generalException", "The drive could not do this.")

const fromSqlite = (error: SqliteError): ApiError => {
  if (error.reason === "Full") return quotaLimitReached("The disk of the drive is full.")
  return error.reason === "Busy" ? serviceNotAvailable() : generalException(`Storage failed: ${error.reason}.`)
}

/** Runs synchronous drive work. What SQLite refuses becomes an answer too; anything else thrown is a defect. */
export const attempt = <A>(f: () => A): Effect.Effect<A, ApiError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(f())
    } catch (cause) {
      if (cause instanceof ApiError) return Effect.fail(cause)
      const sqlite = fromCause("drive.db", cause)
      if (sqlite === undefined) return Effect.die(cause)
      return Effect.logError("The drive's database failed", sqlite).pipe(
        Effect.andThen(Effect.fail(fromSqlite(sqlite)))
      )
    }
  })

/** Why a database could not be opened or a statement did not do its work. */
import { Schema } from "effect"

/**
 * - `NotADatabase`: the file is something else.
 * - `Corrupt`: the file is a damaged database.
 * - `Newer`: written by a later version of this program (`found` above `known`).
 * - `Foreign`: a database of another application (`found` is its application_id, `known` ours).
 * - `Full`: no space left on the device. `Busy`: another connection held the lock past the busy timeout.
 * - `Constraint`: a UNIQUE, CHECK, NOT NULL, PRIMARY KEY or FOREIGN KEY rule was violated.
 * - `Failed`: anything else, for instance an unreadable folder or a mistake in the SQL.
 */
export const SqliteErrorReason = Schema.Literals([
  "NotADatabase",
  "Corrupt",
  "Newer",
  "Foreign",
  "Full",
  "Busy",
  "Constraint",
  "Failed"
])
export type SqliteErrorReason = typeof SqliteErrorReason.Type

/** A database that cannot be used, or a statement that failed; the message names the file. */
export class SqliteError extends Schema.TaggedError<SqliteError>()("SqliteError", {
  reason: SqliteErrorReason,
  path: Schema.String,
  message: Schema.String,
  /** Only with `Newer` and `Foreign`. */
  found: Schema.optionalKey(Schema.Int),
  known: Schema.optionalKey(Schema.Int),
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** Primary result codes, https://sqlite.org/rescode.html; extended codes carry them in the low byte. */
const reasonOfResultCode = new Map<number, SqliteErrorReason>([
  [5, "Busy"],
  [6, "Busy"],
  [11, "Corrupt"],
  [13, "Full"],
  [19, "Constraint"],
  [26, "NotADatabase"]
])

const messages: Partial<Record<SqliteErrorReason, string>> = {
  NotADatabase: "is not a SQLite database",
  Corrupt: "is damaged",
  Full: "cannot grow, the disk is full",
  Busy: "is locked by another process"
}

/** What node:sqlite throws for a SQLite result code: `errcode` is the (extended) code. */
const resultCode = (cause: unknown): number | undefined =>
  cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number" ? cause.errcode : undefined

/** Classifies what node:sqlite threw; undefined for anything that did not come from SQLite. */
export const fromCause = (path: string, cause: unknown): SqliteError | undefined => {
  if (cause instanceof SqliteError) return cause
  const code = resultCode(cause)
  if (code === undefined || !(cause instanceof Error)) return undefined
  const reason = reasonOfResultCode.get(code & 0xff) ?? "Failed"
  const what = messages[reason]
  const message = what === undefined ? `${path}: ${cause.message}` : `${path} ${what} (${cause.message})`
  return new SqliteError({ reason, path, message, cause })
}

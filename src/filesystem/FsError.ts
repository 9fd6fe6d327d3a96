/** What a filesystem call can end with; one errno each (fuse/errno.ts has the table). */
import { Schema } from "effect"

export const FsErrorReason = Schema.Literals([
  "NotFound",
  "Exists",
  "NotDirectory",
  "IsDirectory",
  "NotEmpty",
  "Loop",
  /** To a local-only name, with bytes that are only at the server: mv(1) copies then. */
  "CrossDevice",
  "NameInvalid",
  "NameTooLong",
  "PathTooLong",
  "NotPermitted",
  "AccessDenied",
  "ReadOnly",
  "NotSupported",
  "InvalidArgument",
  "NoAttribute",
  "NoSpace",
  "FileTooLarge",
  "Busy",
  "Stale",
  "Offline",
  "TimedOut",
  "Interrupted",
  "Io"
])
export type FsErrorReason = typeof FsErrorReason.Type

export class FsError extends Schema.TaggedError<FsError>()("FsError", {
  reason: FsErrorReason,
  /** For logs and the `user.onemount.error` attribute. */
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail === "" ? this.reason : `${this.reason}: ${this.detail}`
  }
}

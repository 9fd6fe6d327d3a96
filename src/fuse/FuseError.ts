/** Why a mount did not come to be. */
import { Schema } from "effect"

export class FuseError extends Schema.TaggedError<FuseError>()("FuseError", {
  /**
   * `Refused`: the kernel or fusermount3 refused the mountpoint. `Silent`: mounted, but a read through the mount did
   * not return in time; it was unmounted again.
   */
  reason: Schema.Literals(["Refused", "Silent"]),
  mountpoint: Schema.String,
  /** errno name where there is one: `ENOENT`, `EBUSY`, `EPERM`; empty otherwise. */
  code: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot mount ${this.mountpoint}: ${this.detail}`
  }
}

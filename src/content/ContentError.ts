/** Why a body could not be used. */
import { Schema } from "effect"

export class ContentError extends Schema.TaggedError<ContentError>()("ContentError", {
  /**
   * `Gone`: no such item or body. `NoSpace`: the disk or the cache budget is full. `Incomplete`: ranges are missing.
   * `Corrupt`: length or hash differ from the server's. `Stale`: the body's version is not the item's any more.
   * `Io`: the local disk failed. `Unsupported`: the operation cannot be done on this body.
   */
  reason: Schema.Literals(["Gone", "NoSpace", "Incomplete", "Corrupt", "Stale", "Io", "Unsupported"]),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.reason}: ${this.detail}`
  }
}

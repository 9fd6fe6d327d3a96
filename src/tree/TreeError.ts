/** Why the tree refused a change. `Storage` is the disk or database: the change did not happen. */
import { Schema } from "effect"

export class TreeError extends Schema.TaggedError<TreeError>()("TreeError", {
  reason: Schema.Literals([
    "NotFound",
    "Exists",
    "NotDirectory",
    "IsDirectory",
    "NotEmpty",
    "Loop",
    "NotLocal",
    "NoSpace",
    "Storage"
  ]),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.reason}: ${this.detail}`
  }
}

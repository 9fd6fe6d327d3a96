/** Why a folder cannot be served as a drive. */
import { Effect, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"

/**
 * `NotADrive`: it holds something else. `Newer`: written by a later version. `Damaged`: drive.db is not readable as a
 * database, or is empty beside content. `InUse`: another process serves it. `Unusable`: permissions, full disk and the
 * like. The folder is left as it was.
 */
export class DriveFolderError extends Schema.TaggedError<DriveFolderError>()("DriveFolderError", {
  reason: Schema.Literals(["NotADrive", "Newer", "Damaged", "InUse", "Unusable"]),
  dir: Schema.String,
  message: Schema.String
}) {
  static unusable(dir: string, detail: string): DriveFolderError {
    return new DriveFolderError({
      reason: "Unusable",
      dir,
      message: `${dir} cannot be used for an embedded drive: ${detail}`
    })
  }

  /** What the operating system refuses makes the folder unusable. */
  static readonly fromPlatform =
    (dir: string) =>
    <A, R>(self: Effect.Effect<A, PlatformError | DriveFolderError, R>): Effect.Effect<A, DriveFolderError, R> =>
      Effect.catchTag(self, "PlatformError", ({ message }) => Effect.fail(DriveFolderError.unusable(dir, message)))
}

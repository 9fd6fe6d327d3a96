/** What a mount may be told about how files look and which names stay on this machine. */
import { Schema } from "effect"
import { LocalPattern } from "./names.ts"

const Permissions = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0o7777 }))
const Id = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_fffe }))

export const FilesystemConfig = Schema.Struct({
  /** Owner of everything; the daemon's by default. */
  uid: Id,
  gid: Id,
  /** Permissions of files and directories that nobody changed with chmod here. */
  fileMode: Permissions,
  dirMode: Permissions,
  /** Further local-only names beside the built-in ones, with `*` and `?`. */
  localPatterns: Schema.Array(LocalPattern),
  /** How long a call waits for the listing of a directory nobody looked into yet, in milliseconds. */
  listTimeout: Schema.Int.check(Schema.isGreaterThan(0))
})
export type FilesystemConfig = typeof FilesystemConfig.Type

/** The configuration of a mount without one: 0644 and 0755 less `umask`, 30 seconds for a listing. */
export const defaults = (process: {
  readonly uid: number
  readonly gid: number
  readonly umask: number
}): FilesystemConfig => ({
  uid: process.uid,
  gid: process.gid,
  fileMode: 0o644 & ~process.umask,
  dirMode: 0o755 & ~process.umask,
  localPatterns: [],
  listTimeout: 30_000
})

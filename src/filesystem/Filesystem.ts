/**
 * POSIX semantics over the tree and the content store, in terms of inode numbers: what the kernel boundary calls and
 * what tests call without a kernel. Never waits for Graph when the tree has the answer; unknown directories and
 * missing bytes are asked for with a limit.
 */
import { Context, type Effect } from "effect"
import type { Time } from "../graph/DriveItem.ts"
import type { ContentId } from "@onemount/fuse-native"
import type { Ino, Item } from "../tree/Item.ts"
import type { FsError } from "./FsError.ts"

/** What `stat` shows of an item, live size and mtime of an open body included. */
export interface Stat {
  readonly item: Item
  readonly size: number
  readonly mtime: Time
  readonly ctime: Time
  readonly atime: Time
  /** Type and permission bits. */
  readonly mode: number
  readonly nlink: number
}

export interface Opened {
  readonly stat: Stat
  readonly content: ContentId
}

export class Filesystem extends Context.Service<
  Filesystem,
  {
    lookup(parent: Ino, name: string): Effect.Effect<Stat, FsError>
    stat(ino: Ino): Effect.Effect<Stat, FsError>
    setattr(
      ino: Ino,
      change: {
        readonly mode?: number
        readonly uid?: number
        readonly gid?: number
        readonly size?: number
        readonly mtime?: Time | "now"
        readonly atime?: Time | "now"
      }
    ): Effect.Effect<Stat, FsError>
    /** Entries after the cookie (an ino), without `.` and `..`. */
    readdir(directory: Ino, after: number, limit: number): Effect.Effect<ReadonlyArray<Stat>, FsError>
    mkdir(parent: Ino, name: string, mode: number): Effect.Effect<Stat, FsError>
    /** Regular file without opening it (mknod). */
    mknod(parent: Ino, name: string, mode: number): Effect.Effect<Stat, FsError>
    /** Atomic create and open; Exists when the name is taken. */
    create(parent: Ino, name: string, mode: number): Effect.Effect<Opened, FsError>
    /** `writable` opens count as writers until `release`. */
    open(ino: Ino, writable: boolean): Effect.Effect<Opened, FsError>
    /** close(2): what was written is in the journal when it returns. */
    flush(ino: Ino, content: ContentId): Effect.Effect<void, FsError>
    /** fsync(2): as flush, and on the disk. */
    fsync(ino: Ino, content: ContentId): Effect.Effect<void, FsError>
    fsyncDirectory(ino: Ino): Effect.Effect<void, FsError>
    release(ino: Ino, content: ContentId): Effect.Effect<void>
    allocate(
      ino: Ino,
      content: ContentId,
      range: { readonly mode: number; readonly offset: number; readonly length: number }
    ): Effect.Effect<void, FsError>
    unlink(parent: Ino, name: string): Effect.Effect<void, FsError>
    rmdir(parent: Ino, name: string): Effect.Effect<void, FsError>
    /** renameat2 with its flags: 0, NOREPLACE (1), EXCHANGE (2). */
    rename(
      from: { readonly parent: Ino; readonly name: string },
      to: { readonly parent: Ino; readonly name: string },
      flags: number
    ): Effect.Effect<void, FsError>
    getXattr(ino: Ino, name: string): Effect.Effect<Uint8Array, FsError>
    listXattrs(ino: Ino): Effect.Effect<ReadonlyArray<string>, FsError>
    setXattr(ino: Ino, name: string, value: Uint8Array, flags: number): Effect.Effect<void, FsError>
    removeXattr(ino: Ino, name: string): Effect.Effect<void, FsError>
    readonly statfs: Effect.Effect<{
      readonly total: number
      readonly free: number
      readonly files: number
    }>
  }
>()("onemount/filesystem/Filesystem") {}

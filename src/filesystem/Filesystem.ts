/**
 * POSIX semantics over the tree and the content store, in terms of inode numbers: what the kernel boundary calls and
 * what tests call without a kernel. Never waits for Graph when the tree has the answer; unknown directories and
 * missing bytes are asked for with a limit.
 *
 * Model: everything between two suspension points is atomic, so an operation first waits for what it has to know and
 * then checks and commits in one go. Changes are not interruptible; waits for a listing always are.
 *
 * What OneDrive cannot keep is refused, never pretended:
 *
 *     symlink, link                    NotPermitted
 *     mknod of anything but a file     NotPermitted
 *     chown to somebody else           NotPermitted (to the owner: accepted)
 *     ACLs, capabilities, trusted.*    NotSupported
 *     open of a package or vault       AccessDenied; it lists as an empty directory, removing or moving it NotPermitted
 *     a name OneDrive refuses          NameInvalid, NameTooLong, PathTooLong; why is in the folder's
 *                                      `user.onemount.error`; scratch names stay local instead (names.ts)
 *     a file over 250 GB               FileTooLarge
 *     rename to a local-only name of   CrossDevice: mv(1) then copies, which downloads it, and removes the original
 *     what is not downloaded
 *
 * chmod and access times are kept on this machine only.
 */
import { Context, Effect, Layer } from "effect"
import type { ContentId } from "@onemount/fuse-native"
import { ContentStore } from "../content/ContentStore.ts"
import type { Time } from "../graph/DriveItem.ts"
import { Sync } from "../sync/Sync.ts"
import type { Ino, Item } from "../tree/Item.ts"
import { Tree } from "../tree/Tree.ts"
import * as Attributes from "./attributes.ts"
import * as Directories from "./directories.ts"
import { fromTree } from "./errors.ts"
import type { FilesystemConfig } from "./FilesystemConfig.ts"
import { FsError } from "./FsError.ts"
import * as Namespace from "./namespace.ts"
import * as OpenFiles from "./openFiles.ts"
import * as Xattrs from "./xattrs.ts"

/** What `stat` shows of an item, live size and mtime of an open body included. */
export interface Stat {
  readonly item: Item
  readonly size: number
  readonly mtime: Time
  readonly ctime: Time
  readonly atime: Time
  /** Type and permission bits. */
  readonly mode: number
  /** 0 for a removed item that is still open. */
  readonly nlink: number
  readonly uid: number
  readonly gid: number
}

/** What setattr changes; absent fields stay. `"now"` is the server's clock. */
export interface Change {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
  readonly mtime?: Time | "now"
  readonly atime?: Time | "now"
}

export interface Opened {
  readonly stat: Stat
  readonly content: ContentId
  /** All of it is here and nobody has to look at it: the kernel may read and write it without asking. */
  readonly trusted: boolean
}

export class Filesystem extends Context.Service<
  Filesystem,
  {
    /** Undefined when there is certainly no such name: no error, because most names are looked up to be created. */
    lookup(parent: Ino, name: string): Effect.Effect<Stat | undefined, FsError>
    /** With `body`: as the handles see it that read from it, which may be an older version than the item's. */
    stat(ino: Ino, body?: ContentId): Effect.Effect<Stat, FsError>
    setattr(ino: Ino, change: Change): Effect.Effect<Stat, FsError>
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
    /** The last reference of an `open` or `create` is gone; `writable` as it was opened (created files are). */
    release(ino: Ino, content: ContentId, writable: boolean): Effect.Effect<void>
    allocate(
      ino: Ino,
      content: ContentId,
      range: { readonly mode: number; readonly offset: number; readonly length: number }
    ): Effect.Effect<void, FsError>
    /** The kernel holds these inodes no longer: a removed folder stayed for who was in it. */
    forgotten(inos: ReadonlyArray<Ino>): Effect.Effect<void>
    unlink(parent: Ino, name: string): Effect.Effect<void, FsError>
    rmdir(parent: Ino, name: string): Effect.Effect<void, FsError>
    /** renameat2 with its flags: 0, NOREPLACE (1), EXCHANGE (2). Returns the item that is at `to` now. */
    rename(
      from: { readonly parent: Ino; readonly name: string },
      to: { readonly parent: Ino; readonly name: string },
      flags: number
    ): Effect.Effect<Ino, FsError>
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
>()("onemount/filesystem/Filesystem") {
  static readonly layer = (config: FilesystemConfig) => Layer.effect(Filesystem, make(config))
}

/** Free space shown until the server told the quota: 1 TiB, so that nobody refuses to copy. */
const unknownQuota = { total: 1024 ** 4, remaining: 1024 ** 4 }

const make = Effect.fnUntraced(function* (config: FilesystemConfig) {
  const tree = yield* Tree
  const content = yield* ContentStore
  const sync = yield* Sync
  const attributes = Attributes.make({ tree, content, config })
  const directories = Directories.make({ tree, sync, config })
  const openFiles = OpenFiles.make({ tree, content, attributes })
  const { localPatterns } = config
  const namespace = Namespace.make({ tree, directories, openFiles, localPatterns })
  const { refusal } = namespace
  const xattrs = Xattrs.make({ tree, content, directories, refusal })

  const stat = Effect.fnUntraced(function* (ino: Ino, body?: ContentId): Effect.fn.Return<Stat, FsError> {
    return attributes.stat(yield* directories.item(ino), body)
  })

  const lookup = (parent: Ino, name: string): Effect.Effect<Stat | undefined, FsError> =>
    Effect.suspend(() =>
      Effect.map(directories.possible(parent, name), (item) => (item === undefined ? undefined : attributes.stat(item)))
    )

  const readdir = Effect.fnUntraced(function* (
    directory: Ino,
    after: number,
    limit: number
  ): Effect.fn.Return<ReadonlyArray<Stat>, FsError> {
    const items = yield* directories.children(directory, after, limit)
    return items.map((item) => attributes.stat(item))
  })

  const add = (kind: "file" | "directory") =>
    Effect.fnUntraced(function* (parent: Ino, name: string, mode: number): Effect.fn.Return<Stat, FsError> {
      return attributes.stat(yield* namespace.add({ parent, name }, kind, mode))
    }, Effect.uninterruptible)

  const create = Effect.fnUntraced(function* (
    parent: Ino,
    name: string,
    mode: number
  ): Effect.fn.Return<Opened, FsError> {
    const item = yield* namespace.add({ parent, name }, "file", mode)
    // A file that cannot be opened was not created.
    const undo = Effect.catch(namespace.unlink({ parent, name }), (error) =>
      Effect.logWarning(`${name} was created and could be neither opened nor removed: ${error.message}`)
    )
    return yield* Effect.tapError(openFiles.open(item, true), () => undo)
  }, Effect.uninterruptible)

  const open = Effect.fnUntraced(function* (ino: Ino, writable: boolean): Effect.fn.Return<Opened, FsError> {
    return yield* openFiles.open(yield* directories.item(ino), writable)
  }, Effect.uninterruptible)

  const setattr = Effect.fnUntraced(function* (ino: Ino, change: Change): Effect.fn.Return<Stat, FsError> {
    const item = yield* directories.item(ino)
    if (item.kind === "other") return yield* denied(`${item.name} can only be changed on the web`)
    const { uid = config.uid, gid = config.gid, mode, size } = change
    if (uid !== config.uid || gid !== config.gid) return yield* denied("everything belongs to the mount's owner")
    if (size !== undefined) yield* openFiles.truncate(item, size)
    const now = yield* OpenFiles.currentTime
    // Whatever is asked for moves the change time, an owner that stays the same too; a size and a time do by themselves.
    if (mode !== undefined || (size === undefined && change.mtime === undefined)) {
      yield* Effect.mapError(
        tree.setAttributes(ino, { ...(mode === undefined ? {} : { mode: Attributes.chosen(mode) }), now }),
        fromTree
      )
    }
    const at = (time: Time | "now" | undefined) => (time === "now" ? now : time)
    // Truncating moved the time by itself; the kernel's "now" beside a size says the same.
    const mtime = size !== undefined && change.mtime === "now" ? undefined : at(change.mtime)
    if (mtime !== undefined) yield* openFiles.setModified(item, mtime, now)
    const atime = at(change.atime)
    if (atime !== undefined) attributes.setAccessed(ino, atime)
    return yield* stat(ino)
  }, Effect.uninterruptible)

  const fsyncDirectory = Effect.fnUntraced(function* (ino: Ino): Effect.fn.Return<void, FsError> {
    yield* directories.item(ino)
    yield* Effect.mapError(tree.flushToDisk, fromTree)
  })

  const statfs = Effect.map(sync.quota, (quota) => {
    const { total, remaining } = quota === null || quota.total <= 0 ? unknownQuota : quota
    return { total, free: Math.max(0, Math.min(remaining, total)), files: tree.counts().items }
  })

  return Filesystem.of({
    lookup,
    stat,
    setattr,
    readdir,
    mkdir: add("directory"),
    mknod: add("file"),
    create,
    open,
    flush: (ino, body) => Effect.uninterruptible(openFiles.flush(ino, body)),
    fsync: (ino, body) => Effect.uninterruptible(openFiles.fsync(ino, body)),
    fsyncDirectory,
    release: (ino, body, writable) => Effect.uninterruptible(openFiles.release(ino, body, writable)),
    allocate: (_, body, range) => Effect.uninterruptible(openFiles.allocate(body, range)),
    forgotten: (inos) => Effect.uninterruptible(openFiles.forgotten(inos)),
    unlink: (parent, name) => Effect.uninterruptible(namespace.unlink({ parent, name })),
    rmdir: (parent, name) => Effect.uninterruptible(namespace.rmdir({ parent, name })),
    rename: (from, to, flags) => Effect.uninterruptible(namespace.rename(from, to, flags)),
    getXattr: xattrs.get,
    listXattrs: xattrs.list,
    setXattr: (ino, name, value, flags) => Effect.uninterruptible(xattrs.set(ino, name, value, flags)),
    removeXattr: (ino, name) => Effect.uninterruptible(xattrs.remove(ino, name)),
    statfs
  })
})

const denied = (detail: string) => Effect.fail(new FsError({ reason: "NotPermitted", detail }))

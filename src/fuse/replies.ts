/** Stats as the kernel wants them: attributes, entries, directory pages. */
import type { Attr, DirEntry, Entry, NodeId, Session, StatFs } from "@onemount/fuse-native"
import type { Stat } from "../filesystem/Filesystem.ts"
import type { Ino } from "../tree/Item.ts"

/** What the boundary needs of a binding's session; tests put their own in. */
export type KernelSession = Pick<
  Session,
  | "drain"
  | "notify"
  | "lookups"
  | "retire"
  | "withdraw"
  | "bumpEpoch"
  | "invalidateAttributes"
  | "replyError"
  | "replyOk"
  | "replyEntry"
  | "replyNegative"
  | "replyAttr"
  | "replyOpen"
  | "replyCreate"
  | "replyDirectory"
  | "replyBytes"
  | "replySize"
  | "replyStatFs"
>

const blockSize = 4096
const typeMask = 0o170000
/** Cookies of `.` and `..`; an entry's is its inode number after them, so it stays while others come and go. */
const selfCookie = 1
const parentCookie = 2

export const attrOf = (stat: Stat): Attr => ({
  ino: stat.item.ino,
  size: stat.size,
  blocks: Math.ceil(stat.size / 512),
  atime: stat.atime,
  mtime: stat.mtime,
  ctime: stat.ctime,
  mode: stat.mode,
  nlink: stat.nlink,
  uid: stat.uid,
  gid: stat.gid,
  rdev: 0,
  blksize: blockSize
})

/** Place of an entry in its directory's listing. */
export const cookieOf = (ino: Ino): number => ino + parentCookie

/** Timeouts in seconds; generation 0 because node ids are never reused. */
export const entryOf = (stat: Stat, nodeId: NodeId, timeouts: { entry: number; attr: number }): Entry => ({
  nodeId,
  generation: 0,
  attr: attrOf(stat),
  attrTimeout: timeouts.attr,
  entryTimeout: timeouts.entry,
  cookie: cookieOf(stat.item.ino)
})

export const dirEntryOf = (stat: Stat, entry: Entry | undefined): DirEntry => ({
  name: stat.item.name,
  ino: stat.item.ino,
  type: stat.mode & typeMask,
  offset: cookieOf(stat.item.ino),
  ...(entry === undefined ? {} : { entry })
})

/** `.` and `..` as far as the kernel does not have them yet. */
export const dotEntries = (directory: Stat, offset: number): ReadonlyArray<DirEntry> => {
  const type = directory.mode & typeMask
  const dots = [
    { name: ".", ino: directory.item.ino, type, offset: selfCookie },
    { name: "..", ino: directory.item.parent ?? directory.item.ino, type, offset: parentCookie }
  ]
  return dots.filter((dot) => dot.offset > offset)
}

/** The inode number after which the next page starts. */
export const afterCookie = (offset: number): number => Math.max(0, offset - parentCookie)

/**
 * How many entries are said at once: more than the kernel's pages of a few KiB hold. The binding answers the following
 * pages from what did not fit.
 */
export const listedAtOnce = 256

export const statFsOf = (space: { readonly total: number; readonly free: number; readonly files: number }): StatFs => {
  const free = Math.floor(space.free / blockSize)
  // OneDrive has no limit worth showing; tools that look for free inodes find some.
  const freeFiles = 1_000_000_000
  return {
    bsize: blockSize,
    frsize: blockSize,
    blocks: Math.floor(space.total / blockSize),
    bfree: free,
    bavail: free,
    files: space.files + freeFiles,
    ffree: freeFiles,
    favail: freeFiles,
    namemax: 255
  }
}

/** NUL-terminated names, as listxattr(2) returns them. */
export const xattrList = (names: ReadonlyArray<string>): Uint8Array =>
  Buffer.from(names.map((name) => `${name}\0`).join(""))

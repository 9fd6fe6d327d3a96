/**
 * What `stat` shows: the row, the live size and time of an open body over it, and the access times that somebody set.
 *
 * Access times are kept in memory only and reading does not move them (as with `noatime`); without one, and after a
 * restart, the modification time shows.
 */
import type { ContentId, ContentStatus } from "@onemount/fuse-native"
import type { ContentStore } from "../content/ContentStore.ts"
import type { Time } from "../graph/DriveItem.ts"
import type { Ino, Item } from "../tree/Item.ts"
import type { Tree } from "../tree/Tree.ts"
import { BoundedMap } from "../platform/BoundedMap.ts"
import type { Stat } from "./Filesystem.ts"
import type { FilesystemConfig } from "./FilesystemConfig.ts"

const typeDirectory = 0o040000
const typeFile = 0o100000
/** Items whose access times are remembered at most. */
const remembered = 20_000

/**
 * The kernel is told that it need not look for what a write would have to take from a file (`killPrivileges` of the
 * binding), so no file has set-user-ID or set-group-ID, not even one whose row comes from elsewhere. Folders keep theirs.
 */
const kept = { file: 0o1777, directory: 0o7777 }

/** What the tree gives the server's items; they show the mount's defaults instead. */
const untouched = { file: 0o644, directory: 0o755 }

/** Beside the permission bits in the tree: somebody here asked for just these, even if the tree's own are the same. */
const wasChosen = 0o10000

/** How permissions that somebody asked for, by creating or by chmod, are kept in the tree. */
export const chosen = (mode: number): number => (mode & 0o7777) | wasChosen

export interface Attributes {
  /** `body` is the open body a handle reads from; without it the item's current one counts. */
  stat(item: Item, body?: ContentId): Stat
  setAccessed(ino: Ino, atime: Time): void
}

export const make = (layers: {
  readonly tree: Tree["Service"]
  readonly content: ContentStore["Service"]
  readonly config: FilesystemConfig
}): Attributes => {
  const { tree, content, config } = layers
  const accessed = new BoundedMap<Ino, Time>(remembered)

  const permissions = ({ kind, mode }: Item): number => {
    if (kind === "file") return (mode === untouched.file ? config.fileMode : mode) & kept.file
    return (mode === untouched.directory ? config.dirMode : mode) & kept.directory
  }

  const file = (item: Item, live: ContentStatus | undefined): Stat => {
    const written = live !== undefined && live.mtimeMoved
    const mtime = written ? live.mtime : item.mtime
    return {
      item,
      size: live?.size ?? item.size,
      mtime,
      ctime: written ? later(live.mtime, item.ctime) : item.ctime,
      atime: accessed.get(item.ino) ?? mtime,
      mode: typeFile | permissions(item),
      nlink: item.parent === null ? 0 : 1,
      uid: config.uid,
      gid: config.gid
    }
  }

  const directory = (item: Item): Stat => ({
    item,
    size: 4096,
    mtime: item.mtime,
    ctime: item.ctime,
    atime: accessed.get(item.ino) ?? item.mtime,
    mode: typeDirectory | (item.kind === "other" ? 0o555 : permissions(item)),
    nlink: item.parent === null ? 0 : item.kind === "other" ? 2 : 2 + tree.subdirectories(item.ino),
    uid: config.uid,
    gid: config.gid
  })

  return {
    stat: (item, body) =>
      item.kind === "file"
        ? file(item, body === undefined ? content.live(item) : content.table.status(body))
        : directory(item),
    setAccessed: (ino, atime) => accessed.set(ino, atime)
  }
}

const later = (a: Time, b: Time): Time => (a.sec > b.sec || (a.sec === b.sec && a.nsec >= b.nsec) ? a : b)

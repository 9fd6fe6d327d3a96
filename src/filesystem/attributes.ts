/**
 * What `stat` shows: the row, the live size and time of an open body over it, and what only this machine keeps in
 * memory (access times, times of directories whose entries changed here).
 *
 * Those last ones are conveniences of bounded size: when one is dropped, or after a restart, the row's times show again.
 */
import type { ContentId, ContentState } from "@onemount/fuse-native"
import type { ContentStore } from "../content/ContentStore.ts"
import type { Time } from "../graph/DriveItem.ts"
import type { Ino, Item } from "../tree/Item.ts"
import type { Tree } from "../tree/Tree.ts"
import { BoundedMap } from "./BoundedMap.ts"
import type { Stat } from "./Filesystem.ts"
import type { FilesystemConfig } from "./FilesystemConfig.ts"

const typeDirectory = 0o040000
const typeFile = 0o100000
/** Times kept in memory for at most this many items each. */
const remembered = 20_000

export interface Attributes {
  /** `body` is the open body a handle reads from; without it the item's current one counts. */
  stat(item: Item, body?: ContentId): Stat
  /** An entry of the directory came, went or changed its name. */
  touch(directory: Ino, now: Time): void
  /** A person set the times: they win over what was remembered. */
  setTimes(ino: Ino, times: { readonly mtime?: Time; readonly atime?: Time }): void
}

export const make = (layers: {
  readonly tree: Tree["Service"]
  readonly content: ContentStore["Service"]
  readonly config: FilesystemConfig
}): Attributes => {
  const { tree, content, config } = layers
  const touched = new BoundedMap<Ino, Time>(remembered)
  const accessed = new BoundedMap<Ino, Time>(remembered)

  const file = (item: Item, live: ContentState | undefined): Stat => {
    const written = live !== undefined && live.mtimeMoved
    const mtime = written ? live.mtime : item.mtime
    return {
      item,
      size: live?.size ?? item.size,
      mtime,
      ctime: written ? later(live.mtime, item.ctime) : item.ctime,
      atime: accessed.get(item.ino) ?? mtime,
      mode: typeFile | (item.mode & 0o7777),
      nlink: item.parent === null ? 0 : 1,
      uid: config.uid,
      gid: config.gid
    }
  }

  const directory = (item: Item): Stat => {
    const moved = touched.get(item.ino)
    const mtime = moved === undefined ? item.mtime : later(moved, item.mtime)
    return {
      item,
      size: 4096,
      mtime,
      ctime: moved === undefined ? item.ctime : later(moved, item.ctime),
      atime: accessed.get(item.ino) ?? mtime,
      mode: typeDirectory | (item.kind === "other" ? 0o555 : item.mode & 0o7777),
      nlink: item.parent === null ? 0 : item.kind === "other" ? 2 : 2 + tree.subdirectories(item.ino),
      uid: config.uid,
      gid: config.gid
    }
  }

  return {
    stat: (item, body) =>
      item.kind === "file"
        ? file(item, body === undefined ? content.live(item) : content.table.state(body))
        : directory(item),
    touch: (ino, now) => touched.set(ino, now),
    setTimes: (ino, { mtime, atime }) => {
      if (mtime !== undefined) touched.delete(ino)
      if (atime !== undefined) accessed.set(ino, atime)
    }
  }
}

const later = (a: Time, b: Time): Time => (a.sec > b.sec || (a.sec === b.sec && a.nsec >= b.nsec) ? a : b)

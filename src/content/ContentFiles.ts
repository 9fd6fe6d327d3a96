/**
 * Backing files: `<directory>/content/<xx>/<key>`, `xx` being the last two hexadecimal digits of the key. Folders are
 * 0700, files 0600 (made by the binding). `<key>.copy` is a copy on write that has not taken the file's place yet.
 * Everything else in there belongs to somebody else: it is neither counted nor touched.
 *
 * What must not be lost and has no place any more goes to `<directory>/recovered/`.
 */
import * as fs from "node:fs"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import type { Time } from "../graph/DriveItem.ts"
import { makePrivateDirectory } from "../platform/Directories.ts"
import { ContentKey } from "../tree/Item.ts"

/** What the disk says about a backing file. Sizes in bytes. */
export interface FileFacts {
  readonly size: number
  /** When it was written last, about: a file that the kernel writes itself carries a mark instead, see `factsOf`. */
  readonly mtime: Time
  /** Allocated, holes not counted. */
  readonly diskBytes: number
}

export interface StoredFile {
  readonly key: ContentKey
  readonly path: string
  readonly copy: boolean
}

export interface ContentFiles {
  /** Path of a body's file; its folder exists. */
  path(key: ContentKey): string
  /** Folder of a body's file. */
  folder(key: ContentKey): string
  /** Undefined when there is no such file. */
  facts(key: ContentKey): FileFacts | undefined
  /** Removes file and unfinished copy; missing ones are fine. */
  remove(key: ContentKey): void
  /** As `remove`, off the JavaScript thread: freeing a large file takes a while. */
  removeLater(key: ContentKey): Promise<void>
  /** Removes an unfinished copy only. */
  removeCopy(key: ContentKey): void
  /** Moves a body's file out of the store and returns where it is now. */
  setAside(key: ContentKey, name: string): string
  /** Every file that is named as ours are. */
  list(): ReadonlyArray<StoredFile>
  /** Bytes that the disk has left for us, and its size. */
  disk(): { readonly free: number; readonly total: number }
}

const blockSize = 512
const nameLimit = 180
const ourName = /^([1-9][0-9]{0,15})(\.copy)?$/

export const makeContentFiles = (directory: string): ContentFiles => {
  const root = join(directory, "content")
  const recovered = join(directory, "recovered")
  const known = new Set<string>()
  makePrivateDirectory(root)

  const folder = (key: ContentKey): string => join(root, shard(key))
  const locate = (key: ContentKey): string => join(folder(key), String(key))

  const path = (key: ContentKey): string => {
    const parent = folder(key)
    if (!known.has(parent)) {
      makePrivateDirectory(parent)
      known.add(parent)
    }
    return locate(key)
  }

  const facts = (key: ContentKey): FileFacts | undefined => {
    const stat = fs.statSync(locate(key), { bigint: true, throwIfNoEntry: false })
    return stat === undefined ? undefined : factsOf(stat)
  }

  const removeCopy = (key: ContentKey): void => fs.rmSync(`${locate(key)}.copy`, { force: true })

  const remove = (key: ContentKey): void => {
    fs.rmSync(locate(key), { force: true })
    removeCopy(key)
  }

  const removeLater = async (key: ContentKey): Promise<void> => {
    await rm(locate(key), { force: true })
    await rm(`${locate(key)}.copy`, { force: true })
  }

  const setAside = (key: ContentKey, name: string): string => {
    makePrivateDirectory(recovered)
    const target = freeName(recovered, `${shortened(name)}-${key}`)
    fs.renameSync(locate(key), target)
    remove(key)
    return target
  }

  const list = (): ReadonlyArray<StoredFile> =>
    shards.flatMap((name) => {
      const parent = join(root, name)
      return entries(parent).flatMap((entry) => {
        const match = ourName.exec(entry.name)
        if (match === null || !entry.isFile()) return []
        const key = ContentKey(Number(match[1]))
        return shard(key) === name ? [{ key, path: join(parent, entry.name), copy: match[2] !== undefined }] : []
      })
    })

  const disk = () => {
    const { bavail, blocks, bsize } = fs.statfsSync(root)
    return { free: bavail * bsize, total: blocks * bsize }
  }

  return { path, folder, facts, remove, removeLater, removeCopy, setAside, list, disk }
}

/** The binding's mark in place of an mtime (native/cpp/core/content_passthrough.cpp), in nanoseconds. */
const mark = 1_000_000_000n

export const factsOf = (stat: fs.BigIntStats): FileFacts => {
  const written = stat.mtimeNs === mark ? stat.ctimeNs : stat.mtimeNs
  return {
    size: Number(stat.size),
    mtime: { sec: Number(written / 1_000_000_000n), nsec: Number(written % 1_000_000_000n) },
    diskBytes: Number(stat.blocks) * blockSize
  }
}

const shard = (key: ContentKey): string => (key % 256).toString(16).padStart(2, "0")
const shards = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"))

/** Entries of a folder, none when it does not exist. */
const entries = (path: string): ReadonlyArray<fs.Dirent> =>
  fs.existsSync(path) ? fs.readdirSync(path, { withFileTypes: true }) : []

/** Room for the key and a number within the 255 bytes of a file name. */
const shortened = (name: string): string => {
  let text = name
  while (Buffer.byteLength(text) > nameLimit) text = Array.from(text).slice(0, -1).join("")
  return text
}

const freeName = (parent: string, name: string): string => {
  let candidate = join(parent, name)
  for (let n = 2; fs.existsSync(candidate); n++) candidate = join(parent, `${name}-${n}`)
  return candidate
}

/**
 * Structures on their way down: fixed-size ones into the scratch array that the addon reads in place, lists into one
 * growing array of 8-byte words. The order of fields is that of cpp/addon/reply_functions.cpp.
 */
import type { Attr, DirEntry, Entry, Notification, OpenReply, StatFs } from "./types.ts"
import { checkNotification } from "./validate.ts"

const wordSize = 8
/** More than the kernel ever asks for in one directory page, in bytes. */
const largestPage = 1 << 20

export const scratchLength = 64

const putAttr = (out: Float64Array, at: number, attr: Attr): number => {
  out[at] = attr.ino
  out[at + 1] = attr.size
  out[at + 2] = attr.blocks
  out[at + 3] = attr.atime.sec
  out[at + 4] = attr.atime.nsec
  out[at + 5] = attr.mtime.sec
  out[at + 6] = attr.mtime.nsec
  out[at + 7] = attr.ctime.sec
  out[at + 8] = attr.ctime.nsec
  out[at + 9] = attr.mode
  out[at + 10] = attr.nlink
  out[at + 11] = attr.uid
  out[at + 12] = attr.gid
  out[at + 13] = attr.rdev
  out[at + 14] = attr.blksize
  return at + 15
}

export const putEntry = (out: Float64Array, at: number, entry: Entry): number => {
  out[at] = entry.nodeId
  out[at + 1] = entry.generation
  out[at + 2] = entry.attrTimeout
  out[at + 3] = entry.entryTimeout
  return putAttr(out, at + 4, entry.attr)
}

/** An entry and its place in its directory's listing. */
export const putPlacedEntry = (out: Float64Array, entry: Entry): number => {
  const at = putEntry(out, 0, entry)
  out[at] = entry.cookie ?? 0
  return at + 1
}

export const putAttrReply = (out: Float64Array, attr: Attr, timeout: number): void => {
  out[0] = timeout
  putAttr(out, 1, attr)
}

export const putOpen = (out: Float64Array, at: number, open: OpenReply): void => {
  out[at] = open.handle
  out[at + 1] = open.content === undefined ? 0 : 1
  out[at + 2] = open.content ?? 0
  out[at + 3] = open.keepCache ? 1 : 0
  out[at + 4] = open.directIo === true ? 1 : 0
  out[at + 5] = open.passthrough === true ? 1 : 0
  out[at + 6] = open.shareable === true ? 1 : 0
}

export const putStatFs = (out: Float64Array, stat: StatFs): void => {
  out.set([
    stat.bsize,
    stat.frsize,
    stat.blocks,
    stat.bfree,
    stat.bavail,
    stat.files,
    stat.ffree,
    stat.favail,
    stat.namemax
  ])
}

/** Words that grow as needed; reused from call to call. */
export class Packer {
  numbers = new Float64Array(4096)
  #bytes = Buffer.from(this.numbers.buffer)
  #at = 0

  #reserve(words: number): void {
    if (this.#at + words <= this.numbers.length) return
    const larger = new Float64Array(Math.max(this.numbers.length * 2, this.#at + words))
    larger.set(this.numbers)
    this.numbers = larger
    this.#bytes = Buffer.from(larger.buffer)
  }

  #text(value: string): void {
    const length = Buffer.byteLength(value)
    const words = Math.ceil(length / wordSize)
    this.#reserve(words + 1)
    this.numbers[this.#at] = length
    this.#bytes.write(value, (this.#at + 1) * wordSize, "utf8")
    this.#at += words + 1
  }

  #data(bytes: Uint8Array): void {
    const words = Math.ceil(bytes.length / wordSize)
    this.#reserve(words + 1)
    this.numbers[this.#at] = bytes.length
    this.#bytes.set(bytes, (this.#at + 1) * wordSize)
    this.#at += words + 1
  }

  /** Packs entries while they can fit into a page; returns how many were packed. */
  directory(entries: ReadonlyArray<DirEntry>): number {
    this.#at = 0
    let count = 0
    let least = 0
    for (const { entry, ino, name, offset, type } of entries) {
      // The kernel's record is at least this long, whichever kind of page it is.
      least += 24 + name.length
      if (least > largestPage) break
      this.#reserve(4 + 19)
      this.numbers[this.#at] = offset
      this.numbers[this.#at + 1] = ino
      this.numbers[this.#at + 2] = type
      this.numbers[this.#at + 3] = entry === undefined ? 0 : 1
      this.#at += 4
      if (entry !== undefined) this.#at = putEntry(this.numbers, this.#at, entry)
      this.#text(name)
      count += 1
    }
    return count
  }

  notifications(list: ReadonlyArray<Notification>): void {
    this.#at = 0
    for (const notification of list) {
      checkNotification(notification)
      this.#reserve(5)
      const at = this.#at
      this.#at += 5
      this.numbers.fill(0, at, at + 5)
      switch (notification.kind) {
        case "entry":
          this.numbers[at] = 0
          this.numbers[at + 1] = notification.parent
          this.#text(notification.name)
          break
        case "expire":
          this.numbers[at] = 3
          this.numbers[at + 1] = notification.parent
          this.#text(notification.name)
          break
        case "store":
          this.numbers[at] = 4
          this.numbers[at + 1] = notification.node
          this.numbers[at + 3] = notification.offset
          this.#data(notification.bytes)
          break
        case "delete":
          this.numbers[at] = 1
          this.numbers[at + 1] = notification.parent
          this.numbers[at + 2] = notification.child
          this.#text(notification.name)
          break
        case "inode":
          this.numbers[at] = 2
          this.numbers[at + 1] = notification.node
          this.numbers[at + 3] = notification.attributesOnly === true ? -1 : (notification.offset ?? 0)
          this.numbers[at + 4] = notification.length ?? 0
          this.#text("")
          break
      }
    }
  }
}

/**
 * Packed records to requests and content events. The layout is described in cpp/core/record.h: 8-byte words, a header word with the
 * operation and the record's length, then numbers as doubles and byte strings behind their lengths. The fields of each
 * operation are written in cpp/transport/operations.cpp in the order they are read here.
 */
import { ContentId, HandleId, NodeId, RequestId } from "./types.ts"
import type { Caller, ContentEvent, Request, Time, TimeArgument } from "./types.ts"

/** Operation names by number (cpp/core/operation.h). `write` and `lseek` occur in statistics only. */
export const opNames = [
  "",
  "lookup",
  "forget",
  "getattr",
  "setattr",
  "readlink",
  "mknod",
  "mkdir",
  "unlink",
  "rmdir",
  "symlink",
  "link",
  "rename",
  "open",
  "create",
  "read",
  "flush",
  "fsync",
  "release",
  "readdir",
  "fsyncdir",
  "statfs",
  "setxattr",
  "getxattr",
  "listxattr",
  "removexattr",
  "access",
  "fallocate",
  "dirty",
  "fetch",
  "cancel",
  "closed",
  "write",
  "lseek"
] as const

const wordSize = 8

/** A buffer that records are taken into, seen as numbers, as header words and as bytes. */
export class RecordBuffer {
  readonly numbers: Float64Array
  readonly #headers: Uint32Array
  readonly #bytes: Buffer
  #at = 0

  constructor(words: number) {
    const memory = new ArrayBuffer(words * wordSize)
    this.numbers = new Float64Array(memory)
    this.#headers = new Uint32Array(memory)
    this.#bytes = Buffer.from(memory)
  }

  /** Decodes the requests in the first `words` words. */
  requests(words: number): ReadonlyArray<Request> {
    return this.#records(words, (op) => this.#request(op))
  }

  /** Decodes the content events in the first `words` words. */
  events(words: number): ReadonlyArray<ContentEvent> {
    return this.#records(words, (op) => this.#event(op))
  }

  #records<A>(words: number, read: (op: number) => A | undefined): ReadonlyArray<A> {
    const records: Array<A> = []
    let start = 0
    while (start < words) {
      const op = this.#headers[start * 2]!
      const length = this.#headers[start * 2 + 1]!
      this.#at = start + 1
      const record = read(op)
      if (record === undefined || length === 0) throw new RangeError(`record of unknown operation ${op}`)
      records.push(record)
      start += length
    }
    return records
  }

  #number(): number {
    return this.numbers[this.#at++]!
  }

  #optional(): number | undefined {
    const value = this.#number()
    return Number.isNaN(value) ? undefined : value
  }

  #text(): string {
    const length = this.#number()
    const start = this.#at * wordSize
    this.#at += Math.ceil(length / wordSize)
    return this.#bytes.toString("utf8", start, start + length)
  }

  #copy(): Uint8Array {
    const length = this.#number()
    const start = this.#at * wordSize
    this.#at += Math.ceil(length / wordSize)
    return Uint8Array.from(this.#bytes.subarray(start, start + length))
  }

  #time(): TimeArgument | undefined {
    const kind = this.#number()
    const time: Time = { sec: this.#number(), nsec: this.#number() }
    return kind === 0 ? undefined : kind === 2 ? "now" : time
  }

  #handle(): HandleId | undefined {
    const value = this.#optional()
    return value === undefined ? undefined : HandleId(value)
  }

  #content(): ContentId | undefined {
    const value = this.#optional()
    return value === undefined ? undefined : ContentId(value)
  }

  #caller(): Caller {
    return { uid: this.#number(), gid: this.#number(), pid: this.#number(), umask: this.#number() }
  }

  #event(op: number): ContentEvent | undefined {
    switch (opNames[op]) {
      case "dirty":
        return { op: "dirty", id: RequestId(this.#number()), content: ContentId(this.#number()) }
      case "fetch":
        return {
          op: "fetch",
          content: ContentId(this.#number()),
          offset: this.#number(),
          length: this.#number(),
          sequential: this.#number()
        }
      default:
        return undefined
    }
  }

  #request(op: number): Request | undefined {
    switch (opNames[op]) {
      case "forget": {
        const count = this.#number()
        const nodes = Array.from({ length: count }, () => ({ node: NodeId(this.#number()), count: this.#number() }))
        return { op: "forget", nodes }
      }
      case "release":
        return {
          op: "release",
          node: NodeId(this.#number()),
          handle: HandleId(this.#number()),
          content: this.#content()
        }
      case "cancel":
        return { op: "cancel", target: RequestId(this.#number()) }
      case "closed":
        return { op: "closed", reason: this.#text() }
      default:
        return this.#fromKernel(op)
    }
  }

  #fromKernel(op: number): Request | undefined {
    const id = RequestId(this.#number())
    const node = NodeId(this.#number())
    const caller = this.#caller()
    const name = opNames[op]
    switch (name) {
      case "lookup":
      case "unlink":
      case "rmdir":
        return { op: name, id, caller, parent: node, name: this.#text() }
      case "getattr":
        return { op: name, id, caller, node, handle: this.#handle() }
      case "setattr":
        return {
          op: name,
          id,
          caller,
          node,
          handle: this.#handle(),
          mode: this.#optional(),
          uid: this.#optional(),
          gid: this.#optional(),
          size: this.#optional(),
          atime: this.#time(),
          mtime: this.#time()
        }
      case "readlink":
      case "fsyncdir":
      case "statfs":
        return { op: name, id, caller, node }
      case "mknod":
        return { op: name, id, caller, parent: node, name: this.#text(), mode: this.#number(), rdev: this.#number() }
      case "mkdir":
        return { op: name, id, caller, parent: node, name: this.#text(), mode: this.#number() }
      case "symlink":
        return { op: name, id, caller, parent: node, name: this.#text(), target: this.#text() }
      case "link":
        return { op: name, id, caller, parent: node, name: this.#text(), node: NodeId(this.#number()) }
      case "rename":
        return {
          op: name,
          id,
          caller,
          parent: node,
          name: this.#text(),
          newParent: NodeId(this.#number()),
          newName: this.#text(),
          flags: this.#number()
        }
      case "open":
        return { op: name, id, caller, node, flags: this.#number() }
      case "create":
        return { op: name, id, caller, parent: node, name: this.#text(), mode: this.#number(), flags: this.#number() }
      case "read":
        return {
          op: name,
          id,
          caller,
          node,
          handle: HandleId(this.#number()),
          offset: this.#number(),
          size: this.#number()
        }
      case "flush":
        return { op: name, id, caller, node, handle: HandleId(this.#number()), content: ContentId(this.#number()) }
      case "fsync":
        return {
          op: name,
          id,
          caller,
          node,
          handle: HandleId(this.#number()),
          content: this.#content(),
          dataOnly: this.#number() === 1
        }
      case "readdir":
        return {
          op: name,
          id,
          caller,
          node,
          offset: this.#number(),
          size: this.#number(),
          plus: this.#number() === 1
        }
      case "setxattr":
        return { op: name, id, caller, node, name: this.#text(), value: this.#copy(), flags: this.#number() }
      case "getxattr":
        return { op: name, id, caller, node, name: this.#text(), size: this.#number() }
      case "listxattr":
        return { op: name, id, caller, node, size: this.#number() }
      case "removexattr":
        return { op: name, id, caller, node, name: this.#text() }
      case "access":
        return { op: name, id, caller, node, mask: this.#number() }
      case "fallocate":
        return {
          op: name,
          id,
          caller,
          node,
          handle: HandleId(this.#number()),
          content: this.#content(),
          mode: this.#number(),
          offset: this.#number(),
          length: this.#number()
        }
      default:
        return undefined
    }
  }
}

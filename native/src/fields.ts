/** Reads the fields of packed records (cpp/core/record.h). */
import { ContentId, HandleId, NodeId, RequestId } from "./types.ts"
import type { Caller, TimeArgument } from "./types.ts"

const wordSize = 8

/** Walks through the records in a buffer, field by field. */
export class FieldReader {
  /** Word that is read next. */
  at = 0
  readonly #numbers: Float64Array
  readonly #bytes: Buffer

  constructor(memory: ArrayBuffer) {
    this.#numbers = new Float64Array(memory)
    this.#bytes = Buffer.from(memory)
  }

  number(): number {
    return this.#numbers[this.at++]!
  }

  flag(): boolean {
    return this.number() === 1
  }

  optional(): number | undefined {
    const value = this.number()
    return Number.isNaN(value) ? undefined : value
  }

  text(): string {
    const start = this.#skipBytes()
    return this.#bytes.toString("utf8", start, start + this.#length)
  }

  bytes(): Uint8Array {
    const start = this.#skipBytes()
    return Uint8Array.from(this.#bytes.subarray(start, start + this.#length))
  }

  time(): TimeArgument | undefined {
    const kind = this.number()
    const time = { sec: this.number(), nsec: this.number() }
    return kind === 0 ? undefined : kind === 2 ? "now" : time
  }

  request(): RequestId {
    return RequestId(this.number())
  }

  node(): NodeId {
    return NodeId(this.number())
  }

  handle(): HandleId {
    return HandleId(this.number())
  }

  handleIfAny(): HandleId | undefined {
    const value = this.optional()
    return value === undefined ? undefined : HandleId(value)
  }

  content(): ContentId {
    return ContentId(this.number())
  }

  contentIfAny(): ContentId | undefined {
    const value = this.optional()
    return value === undefined ? undefined : ContentId(value)
  }

  caller(): Caller {
    return { uid: this.number(), gid: this.number(), pid: this.number(), umask: this.number() }
  }

  #length = 0
  /** Start of a byte string in bytes; its length stays behind in `#length`. */
  #skipBytes(): number {
    this.#length = this.number()
    const start = this.at * wordSize
    this.at += Math.ceil(this.#length / wordSize)
    return start
  }
}

/**
 * Packed records to requests and content events: 8-byte words as cpp/core/record.h describes them, a header word with
 * the operation and the record's length, then what layouts.ts says.
 */
import { FieldReader } from "./fields.ts"
import { layouts } from "./layouts.ts"
import type { Layout } from "./layouts.ts"
import type { ContentEvent, Request } from "./types.ts"

const wordSize = 8

/** A buffer that records are taken into. */
export class RecordBuffer {
  /** What the addon writes into. */
  readonly numbers: Float64Array
  readonly #headers: Uint32Array
  readonly #fields: FieldReader

  constructor(words: number) {
    const memory = new ArrayBuffer(words * wordSize)
    this.numbers = new Float64Array(memory)
    this.#headers = new Uint32Array(memory)
    this.#fields = new FieldReader(memory)
  }

  /** Decodes the requests in the first `words` words. */
  requests(words: number): ReadonlyArray<Request> {
    return this.#records(words, (layout) => layout?.request)
  }

  /** Decodes the content events in the first `words` words. */
  events(words: number): ReadonlyArray<ContentEvent> {
    return this.#records(words, (layout) => layout?.event)
  }

  #records<A>(
    words: number,
    readerOf: (layout: Layout | undefined) => ((fields: FieldReader) => A) | undefined
  ): ReadonlyArray<A> {
    const records: Array<A> = []
    for (let start = 0; start < words;) {
      const op = this.#headers[start * 2]!
      const length = this.#headers[start * 2 + 1]!
      const read = readerOf(layouts[op])
      if (read === undefined || length === 0) throw new RangeError(`record of unknown operation ${op}`)
      this.#fields.at = start + 1
      records.push(read(this.#fields))
      start += length
    }
    return records
  }
}

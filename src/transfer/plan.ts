/**
 * What to ask the server for when a reader misses bytes. Pure.
 *
 * Small bodies come whole, so that their hash is known before anybody sees a byte. A random read takes at least 1 MiB
 * around it, on 128 KiB borders; a sequential run reads ahead as far as it has come, 4 to 16 MiB. Requests are cut
 * into fragments of 4 MiB so that several can run side by side and a failed one costs little.
 */
import type { ByteRange } from "../graph/GraphClient.ts"

const KiB = 1024
const MiB = 1024 * KiB

/** Bodies up to this size are downloaded in one request and verified before they are filled, in bytes. */
export const wholeLimit = 8 * MiB
/** Largest single download request, in bytes. */
export const fragmentSize = 4 * MiB

const alignment = 128 * KiB
const randomMinimum = 1 * MiB
const readAheadMinimum = 4 * MiB
const readAheadMaximum = 16 * MiB

export interface Demand {
  readonly offset: number
  readonly length: number
  /** Bytes read in sequence before this one; 0 for a random read. */
  readonly sequential: number
}

/** The range to bring for a demand in a body of `size` bytes: contains the demand, lies inside `[0, size)`. */
export const planFetch = (demand: Demand, size: number): ByteRange => {
  if (size <= wholeLimit) return { offset: 0, length: size }
  const start = Math.floor(demand.offset / alignment) * alignment
  const needed = demand.offset + demand.length
  const wanted = start + minimum(demand)
  const end = Math.min(size, Math.ceil(Math.max(needed, wanted) / alignment) * alignment)
  return { offset: start, length: end - start }
}

const minimum = (demand: Demand): number => {
  const run = demand.sequential
  // The first read of a file is most often the first of all of it.
  if (run === 0 && demand.offset > 0) return randomMinimum
  return Math.min(readAheadMaximum, Math.max(readAheadMinimum, run))
}

/** Parts of `range` that no range of `taken` covers, in ascending order. */
export const subtract = (range: ByteRange, taken: ReadonlyArray<ByteRange>): ReadonlyArray<ByteRange> => {
  const end = range.offset + range.length
  const free: Array<ByteRange> = []
  let position = range.offset
  for (const other of taken.toSorted((a, b) => a.offset - b.offset)) {
    if (other.offset >= end) break
    if (other.offset > position) free.push({ offset: position, length: other.offset - position })
    position = Math.max(position, other.offset + other.length)
  }
  if (position < end) free.push({ offset: position, length: end - position })
  return free
}

/** `range` in pieces of at most `size` bytes. */
export const split = (range: ByteRange, size: number): ReadonlyArray<ByteRange> => {
  const pieces: Array<ByteRange> = []
  const end = range.offset + range.length
  for (let offset = range.offset; offset < end; offset += size) {
    pieces.push({ offset, length: Math.min(size, end - offset) })
  }
  return pieces
}

export const overlaps = (a: ByteRange, b: ByteRange): boolean =>
  a.offset < b.offset + b.length && b.offset < a.offset + a.length

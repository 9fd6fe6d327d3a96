/** The write queues from outside: their limits, what they count, and what a flush left. */
import { totalmem } from "node:os"
import type { ContentId, HandleId } from "./types.ts"
import { checkInteger, checkKeys, checkObject } from "./validate.ts"

const MiB = 1024 ** 2

/** Bounds of what writers may have on the way. Bytes unless said otherwise. */
export interface WriteLimits {
  /** Writes that wait in all queues of a table; beyond it the device is not read. Default 4,096. */
  readonly operations?: number
  /** Payload of those; at most one more write per loop thread comes on top. Default 64 MiB. */
  readonly bytes?: number
  /** Writes of one handle beyond which they go behind those of others. Default 256. */
  readonly handleOperations?: number
  /** Payload of those. Default 16 MiB. */
  readonly handleBytes?: number
  /**
   * Written to open contents and not on the disk yet: from half of it on they are written back, at it writers wait.
   * Default a tenth of the memory, 64 MiB to 1 GiB.
   */
  readonly dirtyBytes?: number
}

export interface WriteFigures {
  readonly operations: number
  readonly completed: number
  readonly failed: number
  /** Interrupted before their turn came. */
  readonly cancelled: number
  /** Written. */
  readonly bytes: number
  /** Those of `operations` that could not be absorbed at once and were queued. */
  readonly deferred: number
  readonly queued: number
  readonly queuedBytes: number
  readonly queuedMax: number
  /** From request to reply. */
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
}

export interface HandleWriteFigures extends WriteFigures {
  readonly handle: HandleId
  readonly content: ContentId
}

export interface WriteStats {
  readonly total: WriteFigures
  /** Of open handles that have written. */
  readonly handles: ReadonlyArray<HandleWriteFigures>
  readonly activeHandles: number
  /** Written to open contents and not on the disk yet, in bytes. */
  readonly dirtyBytes: number
}

/** What still waited for its turn in a content when a flush's time was over. */
export interface Unflushed {
  readonly content: ContentId
  readonly operations: number
  readonly bytes: number
}

const defaultDirtyBytes = (): number => Math.min(1024 * MiB, Math.max(64 * MiB, Math.floor(totalmem() / 10)))

const names = ["operations", "bytes", "handleOperations", "handleBytes", "dirtyBytes"] as const

/** In the order the addon reads them (cpp/addon/table_functions.cpp). */
export const encodeLimits = (limits: WriteLimits): Float64Array => {
  checkObject("create", limits)
  checkKeys("create", limits, names)
  const all: Required<WriteLimits> = {
    operations: 4096,
    bytes: 64 * MiB,
    handleOperations: 256,
    handleBytes: 16 * MiB,
    dirtyBytes: defaultDirtyBytes(),
    ...limits
  }
  return Float64Array.from(names, (name) => checkInteger("create", name, all[name], 1))
}

const rowLength = 14
const nanosPerMicro = 1_000

/** From the numbers that the addon writes (cpp/addon/write_functions.cpp). */
export const decodeWriteStats = (numbers: ReadonlyArray<number>): WriteStats => {
  const [dirtyBytes = 0] = numbers
  const rows = Array.from({ length: (numbers.length - 1) / rowLength }, (_, row) => {
    const at = (index: number): number => numbers[1 + row * rowLength + index] ?? 0
    return {
      handle: at(0) as HandleId,
      content: at(1) as ContentId,
      operations: at(2),
      completed: at(3),
      failed: at(4),
      cancelled: at(5),
      bytes: at(6),
      deferred: at(7),
      queued: at(8),
      queuedBytes: at(9),
      queuedMax: at(10),
      p50Us: at(11) / nanosPerMicro,
      p99Us: at(12) / nanosPerMicro,
      maxUs: at(13) / nanosPerMicro
    }
  })
  const [sum, ...handles] = rows
  const { handle: _handle, content: _content, ...total } = sum!
  return { total, handles, activeHandles: handles.length, dirtyBytes }
}

/** Triples of content, operations and bytes. */
export const decodeUnflushed = (numbers: ReadonlyArray<number>): ReadonlyArray<Unflushed> =>
  Array.from({ length: numbers.length / 3 }, (_, i) => ({
    content: (numbers[i * 3] ?? 0) as ContentId,
    operations: numbers[i * 3 + 1] ?? 0,
    bytes: numbers[i * 3 + 2] ?? 0
  }))

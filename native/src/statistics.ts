import { layouts } from "./layouts.ts"
import type { LaneStats, NativeStats, OpStats, SessionStats } from "./types.ts"

const headLength = 16
const laneNames = ["high", "normal", "low"] as const
const lanesLength = laneNames.length * 2
const perOp = 5

const nativeNames = [
  "lookupHits",
  "lookupMisses",
  "attributeHits",
  "attributeMisses",
  "listingHits",
  "listingMisses",
  "refusedFills",
  "evicted",
  "records",
  "opens",
  "shares",
  "held"
] as const satisfies ReadonlyArray<keyof NativeStats>
const nativeStart = headLength + lanesLength + layouts.length * perOp

export const statisticsLength = nativeStart + nativeNames.length

/** Bits of libfuse's FUSE_CAP_* that say something about a session. */
const capabilityBits = {
  asyncRead: 0,
  atomicTruncate: 3,
  autoInvalidateData: 12,
  readdirPlus: 13,
  readdirPlusAuto: 14,
  asyncDirectIo: 15,
  writebackCache: 16,
  parallelDirectoryOperations: 18,
  noOpendir: 24,
  explicitInvalidateData: 25
} as const

const decodeNative = (at: (index: number) => number): NativeStats =>
  Object.fromEntries(nativeNames.map((name, index) => [name, at(index)])) as Record<
    (typeof nativeNames)[number],
    number
  >

/** From the numbers that the addon writes (cpp/addon/session_functions.cpp). Operations that never ran are left out. */
export const decodeStatistics = (numbers: Float64Array): SessionStats => {
  const at = (index: number): number => numbers[index] ?? 0
  const ops: Record<string, OpStats> = {}
  let errors = 0
  layouts.forEach(({ name }, op) => {
    const base = headLength + lanesLength + op * perOp
    errors += at(base + 1)
    if (at(base) === 0) return
    ops[name] = {
      count: at(base),
      errors: at(base + 1),
      p50Us: at(base + 2),
      p99Us: at(base + 3),
      maxUs: at(base + 4)
    }
  })
  const [high, normal, low] = laneNames.map((_, lane): LaneStats => ({
    now: at(headLength + lane * 2),
    max: at(headLength + lane * 2 + 1)
  })) as [LaneStats, LaneStats, LaneStats]
  const capabilities = Object.fromEntries(
    Object.entries(capabilityBits).map(([name, bit]) => [name, (at(14) & (1 << bit)) !== 0])
  )
  return {
    uptimeMs: at(0),
    queued: at(1),
    queuedMax: at(2),
    lanes: { high, normal, low },
    pending: at(3),
    dispatched: at(4),
    completed: at(5),
    errors,
    strayReplies: at(6),
    contents: at(7),
    handles: at(8),
    waiters: at(9),
    notifications: at(10),
    bytesRead: at(11),
    bytesWritten: at(12),
    bytesFilled: at(13),
    native: decodeNative((index) => at(nativeStart + index)),
    ops,
    capabilities
  }
}

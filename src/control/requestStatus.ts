/** The binding's statistics as the status has them. */
import type { SessionStats, WriteStats } from "@onemount/fuse-native"
import type { Requests, Writes } from "./protocol.ts"

/** The most frequent operations first. */
export const requestsOf = ({
  dispatched,
  errors,
  lanes,
  ops,
  pending,
  queued,
  queuedMax,
  strayReplies
}: SessionStats): Requests => {
  const operations = Object.entries(ops)
    .map(([name, { count, errors, p50Us, p99Us, maxUs }]) => ({
      name,
      count,
      errors,
      p50: p50Us,
      p99: p99Us,
      max: maxUs
    }))
    .sort((a, b) => b.count - a.count)
  return {
    completed: operations.reduce((sum, { count }) => sum + count, 0),
    errors,
    dispatched,
    pending,
    strays: strayReplies,
    queue: {
      now: queued,
      max: queuedMax,
      lanes: Object.entries(lanes).map(([name, { now, max }]) => ({ name, now, max }))
    },
    operations
  }
}

/** Latencies in microseconds, as they come. */
export const writesOf = ({ activeHandles, dirtyBytes, total }: WriteStats): Writes => {
  const { bytes, cancelled, completed, deferred, failed, operations } = total
  return {
    operations,
    completed,
    failed,
    cancelled,
    bytes,
    deferred,
    queue: { now: total.queued, max: total.queuedMax, bytes: total.queuedBytes },
    latency: { p50: total.p50Us, p99: total.p99Us, max: total.maxUs },
    activeHandles,
    dirtyBytes
  }
}

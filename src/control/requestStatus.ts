/** The binding's statistics as the status has them. */
import type { SessionStats } from "@onemount/fuse-native"
import type { Requests } from "./protocol.ts"

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

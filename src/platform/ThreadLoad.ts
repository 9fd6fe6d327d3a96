/** How busy this thread is, so that work that can wait leaves it to work that cannot. */
import { performance } from "node:perf_hooks"

/** Shortest time a share is taken over, in milliseconds: less would be noise. */
const shortest = 50

/** Share of the time since the last answer but one that this thread was not idle, 0..1; 0 until it is known. */
export const makeThreadLoad = (): (() => number) => {
  let before = performance.eventLoopUtilization()
  let share = 0
  return () => {
    const since = performance.eventLoopUtilization(before)
    if (since.idle + since.active >= shortest) {
      share = since.utilization
      before = performance.eventLoopUtilization()
    }
    return share
  }
}

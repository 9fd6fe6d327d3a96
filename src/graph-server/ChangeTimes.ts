/** When the latest changes of the log were made, so that a reply can leave out what is newer than some moment. */

/** Changes whose time is kept; older ones were made "long ago". */
const capacity = 20_000

export const makeChangeTimes = () => {
  const entries: Array<{ readonly change: number; readonly at: number }> = []
  return {
    /** Changes come in order; a number that comes again belonged to a transaction that was rolled back. */
    record: (change: number, at: number): void => {
      while ((entries.at(-1)?.change ?? 0) >= change) entries.pop()
      entries.push({ change, at })
      if (entries.length > 2 * capacity) entries.splice(0, entries.length - capacity)
    },
    /** The newest change not made after `time`; infinite when all of them were made by then. */
    newestAt: (time: number): number => {
      let low = 0
      for (let high = entries.length; low < high;) {
        const middle = (low + high) >>> 1
        if ((entries[middle]?.at ?? 0) <= time) low = middle + 1
        else high = middle
      }
      const next = entries[low]
      return next === undefined ? Number.POSITIVE_INFINITY : next.change - 1
    }
  }
}

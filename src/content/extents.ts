/**
 * Byte ranges of a body as they are stored: a format byte, then for each range the gap since the end of the one before
 * and its length, as base-128 varints (least significant group first, high bit: more follow). Ranges ascend, are not
 * empty and never touch, so one list has one form. An empty blob is no list at all.
 */
import type { Extents } from "@onemount/fuse-native"

const format = 1
const more = 0x80

/** No list: in the `dirty` column, a body without local changes (`pack([])` is one that was changed and has no ranges). */
export const nothing = new Uint8Array(0)

export const pack = (extents: Extents): Uint8Array => {
  const bytes: Array<number> = [format]
  let before = 0
  for (const edge of extents) {
    let rest = edge - before
    before = edge
    while (rest >= more) {
      bytes.push((rest % more) + more)
      rest = Math.floor(rest / more)
    }
    bytes.push(rest)
  }
  return Uint8Array.from(bytes)
}

/** The ranges of a blob within `[0, size)`; undefined when it is not a list of such ranges. */
export const unpack = (bytes: Uint8Array | null, size: number): Extents | undefined => {
  if (bytes === null || bytes[0] !== format) return undefined
  const edges: Array<number> = []
  let edge = 0
  for (let at = 1; at < bytes.length;) {
    let delta = 0
    let scale = 1
    while (true) {
      const byte = bytes[at++]
      if (byte === undefined || (byte === 0 && scale > 1)) return undefined
      delta += (byte % more) * scale
      if (delta > size) return undefined
      if (byte < more) break
      scale *= more
    }
    // Only the first range may follow its predecessor, the start of the file, without a gap.
    if (delta === 0 && edges.length > 0) return undefined
    edge += delta
    if (edge > size) return undefined
    edges.push(edge)
  }
  return edges.length % 2 === 0 ? edges : undefined
}

/** End of the last range, 0 when there is none. */
export const end = (extents: Extents): number => extents.at(-1) ?? 0

/** First range at or after `offset` that `extents` lacks, clipped to `[offset, size)`. */
export const firstGap = (
  extents: Extents,
  offset: number,
  size: number
): { readonly offset: number; readonly length: number } | undefined => {
  // Edges at even positions open a range: with an odd number of edges at or before it, `offset` is inside one.
  const passed = edgesUpTo(extents, offset)
  const start = passed % 2 === 1 ? (extents[passed] ?? size) : offset
  if (start >= size) return undefined
  const next = extents[passed % 2 === 1 ? passed + 1 : passed] ?? size
  return { offset: start, length: Math.min(next, size) - start }
}

/** Number of edges <= offset. */
const edgesUpTo = (extents: Extents, offset: number): number => {
  let low = 0
  let high = extents.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((extents[middle] ?? 0) <= offset) low = middle + 1
    else high = middle
  }
  return low
}

/** Every byte that is in `a` or in `b`, below `size`. */
export const union = (a: Extents, b: Extents, size: number): Extents => {
  const edges: Array<number> = []
  let left = 0
  let right = 0
  while (left < a.length || right < b.length) {
    const fromLeft = (a[left] ?? Number.POSITIVE_INFINITY) <= (b[right] ?? Number.POSITIVE_INFINITY)
    const start = (fromLeft ? a[left] : b[right]) ?? 0
    const stop = Math.min((fromLeft ? a[left + 1] : b[right + 1]) ?? 0, size)
    if (fromLeft) left += 2
    else right += 2
    if (start >= stop) continue
    const last = edges.at(-1)
    if (last !== undefined && start <= last) edges[edges.length - 1] = Math.max(last, stop)
    else edges.push(start, stop)
  }
  return edges
}

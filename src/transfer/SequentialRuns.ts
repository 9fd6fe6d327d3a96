/**
 * Sequential runs of bodies as their demands tell: a demand that begins where the last one's range ended goes on with
 * its run, whoever reads. Bounded, the least recently used body is forgotten first.
 */
import type { ByteRange } from "../graph/GraphClient.ts"
import { BoundedMap } from "../platform/BoundedMap.ts"
import type { ContentKey } from "../tree/Item.ts"

const bodiesKept = 1_000

export class SequentialRuns {
  readonly #fronts = new BoundedMap<ContentKey, { readonly start: number; readonly end: number }>(bodiesKept)

  /** Bytes brought in sequence right before `offset`; 0 for a jump. */
  before(key: ContentKey, offset: number): number {
    const front = this.#fronts.get(key)
    return front?.end === offset ? front.end - front.start : 0
  }

  /** `range` is being brought. */
  extend(key: ContentKey, { offset, length }: ByteRange): void {
    const start = offset - this.before(key, offset)
    this.#fronts.set(key, { start, end: offset + length })
  }
}

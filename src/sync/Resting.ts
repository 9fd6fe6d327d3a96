/**
 * Items whose intents wait for something else, so that passes over the journal pass them by: until the item they wait
 * for got on, or for a while where nobody tells.
 */
import type { ItemId } from "../graph/DriveItem.ts"
import type { Ino } from "../tree/Item.ts"

export interface Rest {
  /** Milliseconds since the epoch. */
  readonly until: number
  readonly why: string
  /** Ends the rest when this item was worked on. */
  readonly on?: Ino
  /** Server folder the item has still to leave. */
  readonly leaves: ItemId | null
}

export class Resting {
  readonly #rests = new Map<Ino, Rest>()
  readonly #waiters = new Map<Ino, Set<Ino>>()

  add(ino: Ino, rest: Rest): void {
    this.#rests.set(ino, rest)
    if (rest.on === undefined) return
    const waiters = this.#waiters.get(rest.on) ?? new Set()
    this.#waiters.set(rest.on, waiters.add(ino))
  }

  inos(): IterableIterator<Ino> {
    return this.#rests.keys()
  }

  /** Server folders that items which rest have still to leave. */
  leaving(): ReadonlyArray<ItemId> {
    return [...this.#rests.values()].flatMap(({ leaves }) => (leaves === null ? [] : [leaves]))
  }

  why(ino: Ino): string | undefined {
    return this.#rests.get(ino)?.why
  }

  /** The item was worked on: who waits for it is looked at again. */
  gotOn(ino: Ino): void {
    for (const waiter of this.#waiters.get(ino) ?? []) this.#rests.delete(waiter)
    this.#waiters.delete(ino)
  }

  clear(): void {
    this.#rests.clear()
    this.#waiters.clear()
  }

  expire(now: number): void {
    for (const [ino, { on, until }] of this.#rests) {
      if (until > now) continue
      this.#rests.delete(ino)
      if (on !== undefined) this.#waiters.get(on)?.delete(ino)
    }
  }
}

/** The intents that are being worked on, at most one for each item, and how many more each lane takes. */
import type { ItemId } from "../graph/DriveItem.ts"
import type { Ino } from "../tree/Item.ts"
import type { Intent, Lane } from "../tree/Journal.ts"

export interface Running {
  readonly intent: Intent
  readonly lane: Lane
  /** Server folder that something is being created in; its item may be gone here before it has arrived. */
  readonly into: ItemId | null
  /** What it is about at the server: the item, and the place it is to have. */
  readonly targets: ReadonlyArray<string>
}

export class InFlight {
  readonly #running = new Map<Ino, Running>()
  readonly #free: Record<Lane, number>

  constructor(limits: Readonly<Record<Lane, number>>) {
    this.#free = { changes: limits.changes, uploads: limits.uploads }
  }

  has(ino: Ino): boolean {
    return this.#running.has(ino)
  }

  inos(): ReadonlyArray<Ino> {
    return [...this.#running.keys()]
  }

  all(): ReadonlyArray<Running> {
    return [...this.#running.values()]
  }

  hasRoom(lane: Lane): boolean {
    return this.#free[lane] > 0
  }

  add(running: Running): void {
    this.#running.set(running.intent.ino, running)
    this.#free[running.lane]--
  }

  remove(ino: Ino): void {
    const running = this.#running.get(ino)
    if (running !== undefined && this.#running.delete(ino)) this.#free[running.lane]++
  }

  /**
   * An item that was removed here, or gave its place to this one, while it is being sent. Its answer has to be known
   * before something else is sent there, or what we sent ourselves would look like somebody else's.
   */
  rivalOf(ino: Ino, targets: ReadonlyArray<string>): Ino | undefined {
    const isRival = (running: Running) =>
      running.intent.ino !== ino && running.targets.some((target) => targets.includes(target))
    return this.all().find(isRival)?.intent.ino
  }
}

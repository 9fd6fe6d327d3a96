/** What is being worked on, at most one intent of each item or a stray, and how many more each lane takes. */
import type { ItemId } from "../graph/DriveItem.ts"
import { fold } from "../tree/fold.ts"
import type { Ino } from "../tree/Item.ts"
import type { Intent, Lane } from "../tree/Journal.ts"
import type { Tree } from "../tree/Tree.ts"

export interface Running {
  readonly ino: Ino
  /** Null for a stray. */
  readonly intent: Intent | null
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
    this.#running.set(running.ino, running)
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
      running.ino !== ino && running.targets.some((target) => targets.includes(target))
    return this.all().find(isRival)?.ino
  }
}

/** A place at the server, whatever the case of its name. */
export const placeKey = (parent: ItemId, name: string): string => `${parent}/${fold(name)}`

/** What an intent is about at the server: its item, and the place it is to have. */
export const targetsOf = (tree: Tree["Service"], { ino, kind, remoteId }: Intent): ReadonlyArray<string> => {
  const item = tree.get(ino)
  const id = remoteId ?? item?.remoteId ?? null
  const known = id === null ? [] : [id]
  if (item === undefined || item.parent === null || (kind !== "create" && kind !== "move")) return known
  const parent = tree.get(item.parent)?.remoteId ?? null
  return parent === null ? known : [...known, placeKey(parent, item.name)]
}

/** The one place that decides an item's state (design of the metadata model: total, never stored, never forced). */
import type { Item, ItemState } from "./Item.ts"
import type { Intent } from "./Journal.ts"

export interface StateFacts {
  readonly intents: ReadonlyArray<Intent>
  /** The server moved past the base of a changed item. */
  readonly shadowed: boolean
  /** The body on this machine; null for none. */
  readonly body: {
    readonly complete: boolean
    readonly dirty: boolean
    readonly hydrating: boolean
    readonly failed: boolean
  } | null
}

/** Earlier rules win: what a person has to know about comes before what is merely going on. */
export const itemState = (item: Item, facts: StateFacts): ItemState => {
  if (item.parent === null || facts.intents.some((intent) => intent.kind === "delete")) return "DELETED_LOCAL"
  if (facts.shadowed) return "CONFLICT"
  if (facts.intents.some((intent) => intent.parked)) return "ERROR"
  if (facts.intents.length > 0) return "DIRTY_LOCAL"
  if (item.kind !== "file" || item.localOnly) return "HYDRATED"
  if (facts.body === null) return item.size === 0 ? "HYDRATED" : "GHOST"
  if (facts.body.dirty) return "DIRTY_LOCAL"
  if (facts.body.complete) return "HYDRATED"
  if (facts.body.failed) return "ERROR"
  return facts.body.hydrating ? "HYDRATING" : "GHOST"
}

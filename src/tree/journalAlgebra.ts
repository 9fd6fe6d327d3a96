/**
 * Which intents an item has: a pure function of how it differs from the server, so that undoing a change undoes its
 * intent and the order of changes does not matter.
 *
 * The base is what the server last said about an item, kept while the item differs from it. Create + delete leaves
 * nothing (neither at the server nor in the tree), a delete replaces everything, a rename back to the base is no move.
 * A new modification time rides along with a content intent and becomes an intent of its own only without one.
 */
import type { ItemId, Time } from "../graph/DriveItem.ts"
import type { Item, Kind } from "./Item.ts"
import type { IntentKind } from "./Journal.ts"

/** The server's side of an item while the local side differs. */
export interface Base {
  /** Folder that holds it at the server; null for the root. */
  readonly parent: ItemId | null
  readonly name: string
  readonly mtime: Time
  /** Content generation the server has; -1 when its content never was this item's. */
  readonly generation: number
}

export interface Difference {
  readonly kind: Kind
  readonly atServer: boolean
  readonly attached: boolean
  readonly localOnly: boolean
  readonly moved: boolean
  readonly edited: boolean
  readonly retimed: boolean
}

/** How an item differs from its base; `parentId` is the server id of the folder it is in locally. */
export const difference = (item: Item, base: Base | undefined, parentId: ItemId | null): Difference => ({
  kind: item.kind,
  atServer: item.remoteId !== null,
  attached: item.parent !== null,
  localOnly: item.localOnly,
  moved: base !== undefined && (base.parent !== parentId || base.name !== item.name),
  edited: item.remoteId === null ? item.generation > 0 : base !== undefined && base.generation !== item.generation,
  retimed: base !== undefined && !equalTime(base.mtime, item.mtime)
})

/** The intents of an item, in the order of work. */
export const intentKinds = (item: Difference): ReadonlyArray<IntentKind> => {
  if (!item.attached) return item.atServer ? ["delete"] : []
  if (item.localOnly) return []
  const edited = item.kind === "file" && item.edited
  if (!item.atServer) {
    if (item.kind === "other") return []
    return edited ? ["create", "content"] : ["create"]
  }
  const kinds: Array<IntentKind> = []
  if (item.moved) kinds.push("move")
  if (edited) kinds.push("content")
  else if (item.retimed) kinds.push("times")
  return kinds
}

/**
 * What becomes of the item that a rename replaces: `vanish` (the server does not have it), `delete` (an intent to
 * delete it there), `takeOver` (the moved item becomes its new version and keeps its versions and shares).
 *
 * Taking over needs bytes of one's own: an edited item whose content is not all here would have to fetch the rest from
 * an identity it just gave up.
 */
export const planReplace = (
  moved: Difference & { readonly whole: boolean },
  replaced: Difference,
  toLocalOnly: boolean
): "vanish" | "delete" | "takeOver" => {
  if (!replaced.atServer) return "vanish"
  if (toLocalOnly || moved.kind !== replaced.kind || moved.kind === "other") return "delete"
  if (!moved.atServer) return "takeOver"
  return moved.kind === "file" && moved.edited && moved.whole ? "takeOver" : "delete"
}

export const equalTime = (a: Time, b: Time): boolean => a.sec === b.sec && a.nsec === b.nsec

/** Equal as far as the server can tell: it keeps milliseconds at best and may round to seconds. */
export const sameTime = (local: Time, remote: Time): boolean =>
  Math.abs(local.sec - remote.sec + (local.nsec - remote.nsec) / 1e9) < 1

export const milliseconds = (time: Time): number => time.sec * 1000 + Math.floor(time.nsec / 1e6)

export const timeOf = (ms: number): Time => {
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: Math.round((ms - sec * 1000) * 1e6) }
}

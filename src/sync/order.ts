/**
 * What has to happen before an intent can be sent. Synchronous reads of the tree only.
 *
 * Rules: one item's intents go in the order create, move, content, times. A parent has to exist at the server before
 * its children. A name another item still holds at the server is waited for until that one moved away or was deleted;
 * where such waits form a circle (a swap of names, a folder that gives its name to what was in it), one item of it has
 * to step aside. A folder moves only after the folders above its new place did, so that the server never sees a folder
 * inside itself. A folder is deleted after
 * what was in it, and after what is being created in it: a file that arrives there when it is gone here already would
 * look like somebody else's.
 */
import type { ContentStatus } from "@onemount/fuse-native"
import type { ItemId } from "../graph/DriveItem.ts"
import type { Ino, Item } from "../tree/Item.ts"
import { rootIno } from "../tree/Item.ts"
import type { Intent, IntentKind } from "../tree/Journal.ts"
import type { Tree } from "../tree/Tree.ts"

export type Readiness =
  | { readonly _tag: "Ready" }
  /** `why` in words for people; `on` is the item that has to get on first, if it is a single one. */
  | { readonly _tag: "Waits"; readonly why: string; readonly on?: Ino }
  /** `holder` keeps the name at the server and itself waits, in the end, for this intent. */
  | { readonly _tag: "StepAside"; readonly holder: Ino }

export interface OrderContext {
  readonly tree: Tree["Service"]
  readonly live: (item: Item) => ContentStatus | undefined
  readonly now: number
  /** Server folders that intents before this one still have to empty, or are just putting something into. */
  readonly unsettled: ReadonlySet<ItemId>
}

const ready: Readiness = { _tag: "Ready" }
const waits = (why: string, on?: Ino): Readiness =>
  on === undefined ? { _tag: "Waits", why } : { _tag: "Waits", why, on }

const rank: Record<IntentKind, number> = { create: 0, move: 1, content: 2, times: 3, delete: 4 }
/** How long a new file that nobody has written to is left alone while it is open, in milliseconds. */
const emptyFileGrace = 5_000
/** How long deletes wait, in milliseconds: a mass delete is to be seen as one before its first item is gone. */
const deleteWindow = 1_000

export const readiness = (context: OrderContext, intent: Intent): Readiness => {
  const item = context.tree.get(intent.ino)
  if (item === undefined) return ready
  if (intent.kind === "delete") return deleteReadiness(context, intent, item)
  const earlier = context.tree.intents(intent.ino).find((other) => precedes(other, intent))
  if (earlier !== undefined) {
    // Its own turn comes in the same pass, unless it has to wait itself.
    const on = isDue(context, earlier, item) ? intent.ino : undefined
    return waits(`waits for its own ${earlier.kind}`, on)
  }
  if (intent.kind === "create" && item.kind === "file") {
    const unfinished = unfinishedFile(context, intent, item)
    if (unfinished !== undefined) return waits(unfinished)
  }
  return intent.kind === "create" || intent.kind === "move" ? placeReadiness(context, item) : ready
}

/** A parked move does not hold back content: bytes matter more than names. A parked create does, there is no item. */
const precedes = (other: Intent, intent: Intent): boolean =>
  rank[other.kind] < rank[intent.kind] && (other.kind === "create" || !other.parked)

const isDue = ({ now, tree }: OrderContext, intent: Intent, item: Item): boolean => {
  const parent = item.parent === null ? undefined : tree.get(item.parent)
  return !intent.parked && intent.notBefore <= now && parent !== undefined && parent.remoteId !== null
}

const unfinishedFile = (context: OrderContext, intent: Intent, item: Item): string | undefined => {
  const content = context.tree.intents(item.ino).find(({ kind }) => kind === "content")
  if (content !== undefined) return content.notBefore > context.now ? "was written just now" : undefined
  return isBeingWritten(context, intent, item) ? "is still open for writing" : undefined
}

/** A new file without committed content that somebody has open: an empty file at the server would be wrong. */
const isBeingWritten = (context: OrderContext, intent: Intent, item: Item): boolean => {
  const live = context.live(item)
  if (live === undefined) return false
  return live.modified || (live.handles > 0 && isYounger(context, intent, emptyFileGrace))
}

/** Not so when it is from the future: then the clock was set back. */
const isYounger = ({ now }: OrderContext, { createdAt }: Intent, age: number): boolean =>
  now >= createdAt && now - createdAt < age

/** Committed content is what counts: a file that is only open for writing has nothing to send yet. */
export const isUncommitted = (context: OrderContext, intent: Intent): boolean => {
  if (intent.kind !== "create") return false
  const item = context.tree.get(intent.ino)
  if (item?.kind !== "file" || context.tree.intents(item.ino).length > 1) return false
  return isBeingWritten(context, intent, item)
}

const deleteReadiness = (context: OrderContext, intent: Intent, item: Item): Readiness => {
  if (isYounger(context, intent, deleteWindow)) return waits("was deleted just now")
  const { remoteId } = intent
  const inUse = item.kind === "directory" && remoteId !== null && context.unsettled.has(remoteId)
  return inUse ? waits("waits until what was in the folder has arrived, and is deleted or moved") : ready
}

const placeReadiness = (context: OrderContext, item: Item): Readiness => {
  const blocker = blockerOf(context, item)
  if (blocker === undefined) return ready
  const isStuck = () => isCircle(context, item.ino, blocker.ino) || isLeft(context, blocker.ino)
  if (blocker.kind === "name" && isStuck()) return { _tag: "StepAside", holder: blocker.ino }
  return waits(blocker.why, blocker.ino)
}

interface Blocker {
  readonly kind: "parent" | "name" | "above"
  readonly ino: Ino
  readonly why: string
}

const blockerOf = (context: OrderContext, item: Item): Blocker | undefined => {
  const { tree } = context
  const parent = item.parent === null ? undefined : tree.get(item.parent)
  if (parent === undefined) return undefined
  if (parent.remoteId === null) {
    return { kind: "parent", ino: parent.ino, why: `waits until the folder ${parent.name} exists at the server` }
  }
  const above = item.kind === "directory" ? movingAbove(tree, item.ino, parent) : undefined
  if (above !== undefined) return { kind: "above", ino: above.ino, why: `waits for the move of ${above.name}` }
  const holder = tree.remoteHolder(parent.remoteId, item.name)
  if (holder === undefined || holder.ino === item.ino) return undefined
  const leaves = tree.intents(holder.ino).some(({ kind }) => kind === "delete" || kind === "move")
  return leaves ? { kind: "name", ino: holder.ino, why: `waits until ${holder.name} gives up its old name` } : undefined
}

const movingAbove = (tree: Tree["Service"], self: Ino, from: Item): Item | undefined => {
  let folder: Item | undefined = from
  while (folder !== undefined && folder.ino !== rootIno) {
    const moves = tree.intents(folder.ino).some(({ kind, parked }) => kind === "move" && !parked)
    if (moves && folder.ino !== self) return folder
    folder = folder.parent === null ? undefined : tree.get(folder.parent)
  }
  return undefined
}

const longestCircle = 1_000

/** Follows who waits for whom from `start` and tells whether it leads back to `self`. */
const isCircle = (context: OrderContext, self: Ino, start: Ino): boolean => {
  let ino: Ino | undefined = start
  for (let steps = 0; ino !== undefined && steps < longestCircle; steps++) {
    const item: Item | undefined = context.tree.get(ino)
    const moves: boolean = context.tree.intents(ino).some(({ kind }) => kind === "move")
    ino = item !== undefined && moves ? blockerOf(context, item)?.ino : undefined
    if (ino === self) return true
  }
  return false
}

/** A folder that is to be deleted and waits until something was moved out of it, perhaps to where its name is needed. */
const isLeft = ({ tree }: OrderContext, holder: Ino): boolean => {
  const item = tree.get(holder)
  return item?.kind === "directory" && item.parent === null && item.remoteId !== null && tree.isLeft(item.remoteId)
}

/** The server folder that the intent's item is about to leave. */
export const departure = ({ kind, base }: Intent): ItemId | null =>
  kind === "delete" || kind === "move" ? (base?.parent ?? null) : null

/**
 * Delta pages into the tree. A page is applied in slices, each its own transaction of a few milliseconds, and the last
 * one moves the cursor: a crash in between repeats the page, which changes nothing that is there already. Deletions
 * wait for the end of the round, because what a deleted folder held may be moved out of it by a later page.
 */
import { Clock, Effect } from "effect"
import type { DriveItem, ItemId } from "../graph/DriveItem.ts"
import { parentsFirst } from "./deltaOrder.ts"
import { type Ino, rootIno } from "./Item.ts"
import { noIdentity, type Row } from "./ItemTable.ts"
import { existingFolder } from "./localChanges.ts"
import { applyRemote } from "./remoteItem.ts"
import { beginDeletion, isChanged, type Removal, startRemoval, stepRemoval } from "./remoteRemoval.ts"
import type { TreeState, Tx } from "./settle.ts"
import type { RemotePage } from "./Tree.ts"
import type { TreeError } from "./TreeError.ts"

/** Items per transaction: about 5 ms. */
const sliceSize = 100
/** Rows looked at per step of the search for items that an enumeration did not name. */
const sweepWindow = 2_000

export type Transact = <A>(f: (tx: Tx) => A) => Effect.Effect<A, TreeError>

export interface RemoteApplier {
  page(page: RemotePage): Effect.Effect<number, TreeError>
  children(directory: Ino, items: ReadonlyArray<DriveItem>): Effect.Effect<void, TreeError>
  item(item: DriveItem): Effect.Effect<void, TreeError>
}

export const makeRemoteApplier = (state: TreeState, transact: Transact): RemoteApplier => {
  const { items, cursor } = state

  const applySlices = Effect.fnUntraced(function* (ordered: ReadonlyArray<DriveItem>) {
    for (let start = 0; start < ordered.length; start += sliceSize) {
      const slice = ordered.slice(start, start + sliceSize)
      yield* transact((tx) => {
        for (const item of slice) applyOrDefer(state, tx, item)
      })
      yield* Effect.yieldNow
    }
  })

  /** Parked items whose parent came, until none is left that was not tried. */
  const adoptParked = Effect.fnUntraced(function* () {
    const tried = new Set<ItemId>()
    for (;;) {
      const batch = cursor.adoptable(10 * sliceSize).filter((item) => !tried.has(item.id))
      if (batch.length === 0) return
      for (const item of batch) tried.add(item.id)
      yield* applySlices(parentsFirst(batch))
    }
  })

  const remove = Effect.fnUntraced(function* (removal: Removal) {
    while (!(yield* transact((tx) => stepRemoval(state, tx, removal, sliceSize)))) yield* Effect.yieldNow
  })

  const deleteOne = Effect.fnUntraced(function* (item: DriveItem) {
    const removal = yield* transact((tx) => beginDeletion(state, tx, item))
    if (removal !== undefined) yield* remove(removal)
    yield* transact(() => cursor.unpark(item.id))
  })

  const deleteDeferred = Effect.fnUntraced(function* () {
    for (;;) {
      const batch = cursor.deletions(sliceSize)
      if (batch.length === 0) return
      for (const item of batch) yield* deleteOne(item)
      yield* Effect.yieldNow
    }
  })

  /** What a finished enumeration did not name is gone at the server; what was changed here stays. */
  const sweep = Effect.fnUntraced(function* (enumeration: number) {
    const last = items.lastIno()
    for (let after: number = rootIno; after < last; after += sweepWindow) {
      for (const row of items.unseen(after, after + sweepWindow, enumeration)) {
        if (row.parent !== null && !isChanged(state, row)) yield* remove(startRemoval(row))
      }
      yield* Effect.yieldNow
    }
  })

  const page = Effect.fnUntraced(function* ({ items: named, link, caughtUp, enumeration }: RemotePage) {
    const ordered = parentsFirst(named)
    yield* applySlices(ordered)
    yield* adoptParked()
    const completes = caughtUp && enumeration !== null && enumeration === cursor.read().enumeration
    if (caughtUp) yield* deleteDeferred()
    if (completes) yield* sweep(enumeration)
    const now = yield* Clock.currentTimeMillis
    yield* transact(() => cursor.advance(link, caughtUp ? now : null, completes))
    return ordered.length
  })

  const children = Effect.fnUntraced(function* (directory: Ino, listed: ReadonlyArray<DriveItem>) {
    const folder = yield* transact(() => learnRoot(state, existingFolder(state, directory), listed))
    const here = listed.map((item) => (item.parentId === null ? { ...item, parentId: folder.remoteId } : item))
    yield* applySlices(parentsFirst(here))
    yield* transact(() => items.complete(directory, true))
  })

  const item = Effect.fnUntraced(function* (single: DriveItem) {
    if (single.deleted) return yield* deleteOne(single)
    yield* transact((tx) => applyRemote(state, tx, single))
    yield* adoptParked()
  })

  return { page, children, item }
}

/** The root may be listed before the delta named it: its children tell its id. */
const learnRoot = ({ items }: TreeState, folder: Row, listed: ReadonlyArray<DriveItem>): Row => {
  const remoteId = listed[0]?.parentId ?? null
  if (folder.ino !== rootIno || folder.remoteId !== null || remoteId === null) return folder
  items.identify(rootIno, { ...noIdentity, remoteId })
  return { ...folder, remoteId }
}

const applyOrDefer = (state: TreeState, tx: Tx, item: DriveItem): void => {
  if (!item.deleted) return applyRemote(state, tx, item)
  if (state.items.byRemoteId(item.id) === undefined) state.cursor.unpark(item.id)
  else state.cursor.park(item)
}

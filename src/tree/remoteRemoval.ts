/**
 * What the server deleted leaves the tree, but for what was changed here: an edit beats a delete. Folders that still
 * hold something of ours are kept and created again.
 */
import type { DriveItem, ItemId } from "../graph/DriveItem.ts"
import type { Ino } from "./Item.ts"
import { noIdentity, type Row } from "./ItemTable.ts"
import { isEditing, purgeIfForgotten, settle, type TreeState, type Tx, txTime } from "./settle.ts"
import { remoteOf } from "./remoteView.ts"

/** A removal under way: depth first, in steps, so that no transaction is long. */
export interface Removal {
  readonly stack: Array<{ readonly ino: Ino; entered: boolean }>
  /** Server folders that are gone with everything that was in them there. */
  readonly gone: Set<ItemId>
  readonly top: Ino | null
}

export const startRemoval = (row: Row): Removal => ({
  stack: [{ ino: row.ino, entered: false }],
  gone: new Set(),
  top: row.ino
})

/** Goes on for about `budget` rows; true when nothing is left to do. */
export const stepRemoval = (state: TreeState, tx: Tx, removal: Removal, budget: number): boolean => {
  for (let step = 0; step < budget; step++) {
    const frame = removal.stack.at(-1)
    if (frame === undefined) return true
    const row = state.items.get(frame.ino)
    // What was moved in here is not where the server deleted something: it and all below stay.
    if (row === undefined || row.parent === null || !isGone(state, removal, row)) removal.stack.pop()
    else if (frame.entered || row.kind !== "directory") {
      removal.stack.pop()
      leave(state, tx, row)
    } else {
      frame.entered = true
      if (row.remoteId !== null) removal.gone.add(row.remoteId)
      for (const ino of state.items.childInos(row.ino)) removal.stack.push({ ino, entered: false })
    }
  }
  return removal.stack.length === 0
}

export const finishRemoval = (state: TreeState, tx: Tx, removal: Removal): void => {
  let done = false
  while (!done) done = stepRemoval(state, tx, removal, 1000)
}

export const removeNow = (state: TreeState, tx: Tx, row: Row): void => {
  finishRemoval(state, tx, startRemoval(row))
}

/** As when the folder itself is gone at the server, but the folder stays. */
export const removeChildren = (state: TreeState, tx: Tx, folder: Row): void => {
  const stack = state.items.childInos(folder.ino).map((ino) => ({ ino, entered: false }))
  finishRemoval(state, tx, { stack, gone: new Set(folder.remoteId === null ? [] : [folder.remoteId]), top: null })
}

/** Starts what a deletion asks for; undefined when it is done already. */
export const beginDeletion = (state: TreeState, tx: Tx, remote: DriveItem): Removal | undefined => {
  const row = state.items.byRemoteId(remote.id)
  if (row === undefined) return undefined
  if (row.parent === null) {
    finishDelete(state, tx, row.ino)
    return undefined
  }
  if (isChanged(state, row)) {
    state.journal.setShadow(row.ino, { ...remote, deleted: true })
    tx.work = true
    return undefined
  }
  return startRemoval(row)
}

/** The server does not have the detached item any more. */
export const finishDelete = (state: TreeState, tx: Tx, ino: Ino): void => {
  const { items, journal } = state
  items.identify(ino, noIdentity)
  journal.dropBase(ino)
  journal.dropShadow(ino)
  journal.dropUpload(ino)
  settle(state, tx, ino)
  purgeIfForgotten(state, ino)
}

/** Something of the item is not at the server: its row is not the server's to change. */
export const isChanged = (state: TreeState, row: Row): boolean =>
  row.localOnly || row.remoteId === null || state.journal.has(row.ino) || isEditing(state, row)

const isGone = ({ items, journal }: TreeState, { top, gone }: Removal, row: Row): boolean => {
  if (row.ino === top) return true
  const parentId = journal.base(row.ino)?.parent ?? (row.parent === null ? null : items.get(row.parent)?.remoteId)
  return parentId !== null && parentId !== undefined && gone.has(parentId)
}

const leave = (state: TreeState, tx: Tx, row: Row): void => {
  const { items, journal } = state
  if (isChanged(state, row)) {
    if (row.remoteId !== null) journal.setShadow(row.ino, { ...remoteOf(items, journal, row), deleted: true })
    tx.work = true
  } else if (row.kind === "directory" && items.hasChildren(row.ino)) {
    items.identify(row.ino, noIdentity)
    items.complete(row.ino, true)
    settle(state, tx, row.ino)
  } else takeOut(state, tx, row)
}

const takeOut = (state: TreeState, tx: Tx, row: Row): void => {
  const { items, bodies, xattrs } = state
  if (row.parent !== null) tx.changes.push({ _tag: "Removed", parent: row.parent, name: row.name, ino: row.ino })
  if (row.content === null) {
    // A clean row has nothing in the journal's tables.
    bodies.staleAll(row.ino)
    xattrs.removeAll(row.ino)
    return items.delete(row.ino)
  }
  // A handle may be open: the row stays until it is forgotten.
  items.identify(row.ino, noIdentity)
  items.place(row.ino, null, row.name, txTime(tx))
  bodies.stale(row.content)
}

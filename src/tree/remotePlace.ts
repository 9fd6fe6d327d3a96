/** Names at the server against names here: insertion, moves, collisions. Functions that run inside a transaction. */
import type { DriveItem } from "../graph/DriveItem.ts"
import { conflictName, freeName } from "./conflictName.ts"
import type { Ino } from "./Item.ts"
import { type Row } from "./ItemTable.ts"
import { captureBase, differenceOf, settle, type TreeState, type Tx, txTime } from "./settle.ts"
import { isChanged } from "./remoteRemoval.ts"
import { kindOf, identityOf, remoteRow } from "./remoteView.ts"

/** A new item of the server. A new local one of the same name and kind becomes it; any other moves aside. */
export const insertRemote = (state: TreeState, tx: Tx, folder: Row, remote: DriveItem): void => {
  const { items, cursor } = state
  const kind = kindOf(remote.kind)
  const holder = items.child(folder.ino, remote.name)
  if (holder !== undefined) {
    const isNew = holder.remoteId === null && !holder.localOnly && holder.kind === kind
    if (isNew && kind === "directory") return mergeFolder(state, tx, holder, remote)
    if (isNew && kind === "file") return mergeFile(state, tx, holder, remote)
    stepAside(state, tx, holder)
  }
  items.insert({ ...remoteRow(folder.ino, remote), seen: cursor.enumeration() })
  tx.changes.push({ _tag: "Entry", parent: folder.ino, name: remote.name })
}

/** Both sides made a folder of this name: it is one folder, and what is in it merges in turn. */
const mergeFolder = (state: TreeState, tx: Tx, holder: Row, remote: DriveItem): void => {
  const { items, journal, cursor } = state
  items.identify(holder.ino, identityOf(remote))
  items.seen(holder.ino, cursor.enumeration())
  items.complete(holder.ino, false)
  journal.setBase(holder.ino, {
    parent: remote.parentId,
    name: remote.name,
    mtime: holder.mtime,
    generation: holder.generation
  })
  respell(state, tx, holder, remote.name)
  settle(state, tx, holder.ino)
  settleMovedInto(state, tx, holder.ino, remote.id)
}

/**
 * Both sides made a file of this name; perhaps it is the echo of our own creation whose answer is still under way or
 * lost. The local file takes the server's identity but not its version: base eTag null and generation -1 say that the
 * two never were equal, and the shadow is what the planner compares with before anything is sent.
 */
const mergeFile = (state: TreeState, tx: Tx, holder: Row, remote: DriveItem): void => {
  const { items, journal, cursor } = state
  items.identify(holder.ino, { remoteId: remote.id, eTag: null, cTag: null, hash: null })
  items.seen(holder.ino, cursor.enumeration())
  journal.setBase(holder.ino, { parent: remote.parentId, name: remote.name, mtime: remote.modified, generation: -1 })
  journal.setShadow(holder.ino, remote)
  respell(state, tx, holder, remote.name)
  settle(state, tx, holder.ino)
}

const respell = ({ items }: TreeState, tx: Tx, row: Row, name: string): void => {
  if (row.name === name || row.parent === null) return
  items.place(row.ino, row.parent, name, txTime(tx))
  entries(tx, row.parent, row.name, row.parent, name)
}

/** Items that were moved here before the folder had its server id may be back at their base by now. */
export const settleMovedInto = (state: TreeState, tx: Tx, folder: Ino, id: NonNullable<Row["remoteId"]>): void => {
  for (const ino of state.journal.basedIn(id)) if (state.items.get(ino)?.parent === folder) settle(state, tx, ino)
}

/** Moves an item to where the server has it. False when it had to be parked. */
export const moveTo = (state: TreeState, tx: Tx, row: Row, folder: Row, remote: DriveItem): boolean => {
  const { items, cursor } = state
  if (row.parent === null || (row.parent === folder.ino && row.name === remote.name)) return true
  if (items.isWithin(folder.ino, row.ino)) {
    if (keepPlace(state, row, folder, remote)) return true
    cursor.park(remote)
    return false
  }
  makeRoom(state, tx, folder.ino, remote.name, row.ino)
  const { parent, name } = items.get(row.ino) ?? row
  items.place(row.ino, folder.ino, remote.name, txTime(tx))
  if (parent !== null) entries(tx, parent, name, folder.ino, remote.name)
  return true
}

/**
 * The server moved a folder into what was moved into it here. The local move wins: the folder keeps its place and gets
 * an intent to move back. Without a local move the other half of the server's change has not arrived yet.
 */
const keepPlace = (state: TreeState, row: Row, folder: Row, remote: DriveItem): boolean => {
  let at: Row | undefined = folder
  while (at !== undefined && at.ino !== row.ino) {
    if (differenceOf(state, at).moved) {
      captureBase(state, row)
      const base = state.journal.base(row.ino)
      if (base !== undefined) state.journal.setBase(row.ino, { ...base, parent: remote.parentId, name: remote.name })
      return true
    }
    at = at.parent === null ? undefined : state.items.get(at.parent)
  }
  return false
}

/** Back into the namespace at its base: something at the server needs what was deleted here. */
export const reattach = (state: TreeState, tx: Tx, row: Row): Row | undefined => {
  const { items, journal } = state
  const base = journal.base(row.ino)
  const parent = base === undefined || base.parent === null ? undefined : items.byRemoteId(base.parent)
  if (base === undefined || parent === undefined) return undefined
  const folder = parent.parent === null ? reattach(state, tx, parent) : parent
  if (folder === undefined) return undefined
  makeRoom(state, tx, folder.ino, base.name, row.ino)
  items.place(row.ino, folder.ino, base.name, txTime(tx))
  items.forgotten(row.ino, false)
  settle(state, tx, row.ino)
  tx.changes.push({ _tag: "Entry", parent: folder.ino, name: base.name })
  tx.conflicts.push({ ino: row.ino, was: base.name, detail: "deleted here, changed at the server: brought back" })
  return items.get(row.ino)
}

/** Frees a name for an item of the server. */
export const makeRoom = (state: TreeState, tx: Tx, parent: Ino, name: string, self: Ino | null): void => {
  const holder = state.items.child(parent, name)
  if (holder !== undefined && holder.ino !== self) stepAside(state, tx, holder)
}

/**
 * A changed item moves aside for good, under the conflict name. An unchanged one only until its own record says where
 * it is now (a later page, or the other half of a swap): its temporary name is no change of ours. The same holds for
 * the base of a changed item that was not moved here.
 */
const stepAside = (state: TreeState, tx: Tx, holder: Row): void => {
  const { items, journal } = state
  const parent = holder.parent
  if (parent === null) return
  const changed = isChanged(state, holder)
  const wanted = changed ? conflictName(holder.name, state.host, tx.now) : `${holder.name}~${holder.ino}`
  const name = freeName(wanted, (candidate) => items.child(parent, candidate) !== undefined)
  const base = journal.base(holder.ino)
  const { moved } = differenceOf(state, holder)
  items.place(holder.ino, parent, name, txTime(tx))
  if (base !== undefined && !moved) journal.setBase(holder.ino, { ...base, name })
  settle(state, tx, holder.ino, { kinds: ["create", "move"] })
  entries(tx, parent, holder.name, parent, name)
  if (changed) tx.conflicts.push({ ino: holder.ino, was: holder.name, detail: `the server has another ${holder.name}` })
}

const entries = (tx: Tx, oldParent: Ino, oldName: string, parent: Ino, name: string): void => {
  tx.changes.push({ _tag: "Entry", parent: oldParent, name: oldName }, { _tag: "Entry", parent, name })
}

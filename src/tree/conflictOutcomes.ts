/** Conflicts as they were decided: functions that run inside a transaction. */
import type { DriveItem } from "../graph/DriveItem.ts"
import { freeName } from "./conflictName.ts"
import type { Ino } from "./Item.ts"
import { noIdentity, type Row } from "./ItemTable.ts"
import { sameTime } from "./journalAlgebra.ts"
import { existing } from "./localChanges.ts"
import { applyRemote } from "./remoteItem.ts"
import { makeRoom, moveTo } from "./remotePlace.ts"
import { finishDelete, removeChildren } from "./remoteRemoval.ts"
import { identityOf, sameContent } from "./remoteView.ts"
import { versionOf } from "./BodyTable.ts"
import { captureBase, differenceOf, purge, settle, type TreeState, type Tx, txTime } from "./settle.ts"
import type { ConflictOutcome } from "./Tree.ts"

export const resolveConflict = (state: TreeState, tx: Tx, ino: Ino, outcome: ConflictOutcome): void => {
  const row = existing(state, ino)
  state.journal.dropShadow(ino)
  switch (outcome._tag) {
    case "Identical":
      return identical(state, tx, row, outcome.remote, outcome.generation)
    case "KeepBoth":
      return keepBoth(state, tx, row, outcome.remote, outcome.copyName)
    case "Recreate":
      return recreate(state, tx, row)
    case "Restore":
      return restore(state, tx, row, outcome.remote)
  }
}

/** The server's version is ours, as of this generation: what else differs, or was written since, is still to be sent. */
const identical = (state: TreeState, tx: Tx, row: Row, remote: DriveItem, generation: number): void => {
  const { items, journal, bodies } = state
  captureBase(state, row)
  const { moved } = differenceOf(state, row)
  const folder = remote.parentId === null ? undefined : items.byRemoteId(remote.parentId)
  const base = journal.base(row.ino)
  items.identify(row.ino, identityOf(remote))
  if (!moved && folder !== undefined && folder.parent !== null) moveTo(state, tx, row, folder, remote)
  journal.setBase(row.ino, {
    parent: remote.parentId ?? base?.parent ?? null,
    name: remote.name,
    mtime: sameTime(row.mtime, remote.modified) ? row.mtime : remote.modified,
    generation
  })
  if (row.generation === generation) {
    // Same bytes, so the server's time is as good as ours and saves a version.
    items.attributes(row.ino, { ...row, mtime: journal.base(row.ino)?.mtime ?? row.mtime })
    if (row.content !== null) bodies.clean(row.content, versionOf(remote))
  }
  tx.changes.push({ _tag: "Attributes", ino: row.ino })
  settle(state, tx, row.ino)
}

/** The local item, with its inode and open handles, becomes the copy; the server's version is a new ghost. */
const keepBoth = (state: TreeState, tx: Tx, row: Row, remote: DriveItem, copyName: string): void => {
  const { items, journal, bodies } = state
  if (remote.deleted || row.parent === null) return recreate(state, tx, row)
  const parent = row.parent
  const name = freeName(copyName, (candidate) => {
    const holder = items.child(parent, candidate)
    return holder !== undefined && holder.ino !== row.ino
  })
  items.place(row.ino, parent, name, txTime(tx))
  becomeNew(state, row)
  if (row.content !== null) bodies.version(row.content, null)
  settle(state, tx, row.ino, { kinds: ["create", "content"] })
  tx.changes.push({ _tag: "Entry", parent, name: row.name }, { _tag: "Entry", parent, name })
  journal.dropUpload(row.ino)
  applyRemote(state, tx, remote)
  tx.work = true
}

/** Gone at the server, edited here: a new item there. What has no bytes here cannot come back and goes too. */
const recreate = (state: TreeState, tx: Tx, row: Row): void => {
  const { items, journal, bodies } = state
  if (row.parent === null) return finishDelete(state, tx, row.ino)
  if (row.kind === "directory") removeChildren(state, tx, row)
  const hasNothing = row.kind === "other" || (row.kind === "file" && row.content === null && row.size > 0)
  becomeNew(state, row)
  journal.dropUpload(row.ino)
  if (hasNothing) return dropGhost(state, tx, row)
  if (row.content !== null) bodies.version(row.content, null)
  items.complete(row.ino, true)
  settle(state, tx, row.ino, { kinds: ["create", "content"] })
  tx.work = true
}

const dropGhost = (state: TreeState, tx: Tx, row: Row): void => {
  if (row.parent !== null) tx.changes.push({ _tag: "Removed", parent: row.parent, name: row.name, ino: row.ino })
  for (const { kind } of state.journal.intents(row.ino)) state.journal.drop(row.ino, kind)
  purge(state, row.ino)
}

const becomeNew = ({ items, journal }: TreeState, row: Row): void => {
  items.identify(row.ino, noIdentity)
  journal.dropBase(row.ino)
}

/** Deleted here, changed at the server: back at the server's place, with the server's version. */
const restore = (state: TreeState, tx: Tx, row: Row, remote: DriveItem): void => {
  const { items, journal, bodies, cursor } = state
  if (row.parent !== null) return applyRemote(state, tx, remote)
  const folder = remote.parentId === null ? undefined : items.byRemoteId(remote.parentId)
  if (folder === undefined || folder.parent === null) {
    // Its folder was deleted here as well: comes back when that does.
    finishDelete(state, tx, row.ino)
    return folder === undefined ? cursor.park(remote) : applyRemote(state, tx, remote)
  }
  makeRoom(state, tx, folder.ino, remote.name, row.ino)
  const same = row.kind !== "file" || sameContent(row, remote)
  items.place(row.ino, folder.ino, remote.name, txTime(tx))
  items.forgotten(row.ino, false)
  items.identify(row.ino, identityOf(remote))
  items.attributes(row.ino, { ...row, size: same ? row.size : remote.size, mtime: remote.modified, ctime: txTime(tx) })
  if (!same && row.content !== null) bodies.stale(row.content)
  items.body(row.ino, same ? row.content : null, same ? row.generation : 0)
  journal.dropBase(row.ino)
  settle(state, tx, row.ino)
  tx.changes.push({ _tag: "Entry", parent: folder.ino, name: remote.name }, { _tag: "Attributes", ino: row.ino })
}

/** The server's answers to intents: functions that run inside a transaction. */
import type { DriveItem } from "../graph/DriveItem.ts"
import { versionOf } from "./BodyTable.ts"
import type { Ino } from "./Item.ts"
import type { Row } from "./ItemTable.ts"
import type { IntentKind } from "./Journal.ts"
import { sameTime } from "./journalAlgebra.ts"
import { finishDelete, isChanged, removeNow } from "./remoteRemoval.ts"
import { settleMovedInto } from "./remotePlace.ts"
import { identityOf, isOlder, remoteRow, sameContent } from "./remoteView.ts"
import { captureBase, differenceOf, isEditing, settle, type TreeState, type Tx } from "./settle.ts"

/** An intent that its own confirmation did not settle (the server answers another time) is given up after so many. */
const timesAttempts = 3

export const confirm = (
  state: TreeState,
  tx: Tx,
  ino: Ino,
  kind: IntentKind,
  generation: number,
  remote: DriveItem | null
): void => {
  const row = state.items.get(ino)
  if (kind === "delete") {
    if (row !== undefined && row.parent === null) finishDelete(state, tx, ino)
  } else if (remote === null) throw new Error(`the answer to ${kind} of item ${ino} has to be an item`)
  else if (row === undefined || (row.localOnly && row.remoteId === null)) {
    if (kind === "create") deleteUnwanted(state, tx, remote)
  } else if (kind === "create" && row.remoteId !== null && row.remoteId !== remote.id) deleteUnwanted(state, tx, remote)
  else if (claim(state, tx, row, remote)) accept(state, tx, row, kind, generation, remote)
}

/**
 * Created at the server, meanwhile deleted here or put in the place of another item: what nobody wants any more gets an
 * intent to delete it.
 */
const deleteUnwanted = (state: TreeState, tx: Tx, remote: DriveItem): void => {
  const { items, journal } = state
  const echo = items.byRemoteId(remote.id)
  if (echo !== undefined) {
    if (isChanged(state, echo)) return
    removeNow(state, tx, echo)
  }
  if (items.byRemoteId(remote.id) !== undefined) return
  const ino = items.insert({ ...remoteRow(null, remote), complete: true, forgotten: true })
  const { parentId, name, modified } = remote
  journal.setBase(ino, { parent: parentId, name, mtime: modified, generation: 0 })
  settle(state, tx, ino)
}

/**
 * The delta may have brought the new item under its name before its answer came, as a row of its own. That row goes,
 * unless somebody changed it already: then it stays what the server has, and ours is sent again as another item.
 */
const claim = (state: TreeState, tx: Tx, row: Row, remote: DriveItem): boolean => {
  const other = state.items.byRemoteId(remote.id)
  if (other === undefined || other.ino === row.ino) return true
  if (isChanged(state, other)) return false
  removeNow(state, tx, other)
  return state.items.byRemoteId(remote.id) === undefined
}

const accept = (state: TreeState, tx: Tx, row: Row, kind: IntentKind, generation: number, remote: DriveItem): void => {
  const { items, journal, cursor } = state
  if (row.parent !== null) captureBase(state, row)
  dropOldShadow(state, row, remote)
  const sendsContent = row.kind === "file" && (kind === "create" || kind === "content")
  if (!sendsContent && row.remoteId !== null && row.kind === "file" && !sameContent(row, remote)) {
    acceptForeignContent(state, tx, row, remote)
  } else {
    rebase(state, row, kind, sendsContent ? generation : undefined, remote)
    if (sendsContent && row.generation === generation) settleContent(state, tx, row, remote)
  }
  items.seen(row.ino, cursor.enumeration())
  const before = journal.intents(row.ino).find((intent) => intent.kind === kind)
  settle(state, tx, row.ino)
  if (row.remoteId === null && row.kind === "directory") settleMovedInto(state, tx, row.ino, remote.id)
  // Still wanted although the server did it: changed meanwhile, or the server has its own mind. Not at once again.
  if (before === undefined || (kind !== "move" && kind !== "times")) return
  const wait = Math.min(60_000, 1000 * 2 ** before.attempts)
  journal.failed(row.ino, kind, tx.now + wait, "the server answered another name, place or time", false)
}

const dropOldShadow = ({ journal }: TreeState, row: Row, remote: DriveItem): void => {
  const shadow = journal.shadow(row.ino)
  if (shadow === undefined || shadow.deleted) return
  if (shadow.eTag === remote.eTag || isOlder(shadow.eTag, remote.eTag)) journal.dropShadow(row.ino)
}

/** A move or a new time went through, and the answer shows that the server's content is not the one we know. */
const acceptForeignContent = (state: TreeState, tx: Tx, row: Row, remote: DriveItem): void => {
  const { items, journal, bodies } = state
  const base = journal.base(row.ino)
  const contested = row.parent === null || differenceOf(state, row).edited || isEditing(state, row)
  if (base !== undefined) {
    const parent = remote.parentId ?? base.parent
    journal.setBase(row.ino, { ...base, parent, name: remote.name, mtime: row.mtime })
  }
  // The eTag stays the old one: what is pending for the content must fail and be decided.
  if (contested) return journal.setShadow(row.ino, remote)
  items.identify(row.ino, identityOf(remote))
  items.attributes(row.ino, { ...row, size: remote.size, mtime: remote.modified })
  items.body(row.ino, null, 0)
  if (base !== undefined) {
    const parent = remote.parentId ?? base.parent
    journal.setBase(row.ino, { parent, name: remote.name, mtime: remote.modified, generation: 0 })
  }
  if (row.content !== null) bodies.stale(row.content)
  tx.changes.push({ _tag: "Content", ino: row.ino, parent: row.parent, name: row.name })
}

const rebase = (
  state: TreeState,
  row: Row,
  kind: IntentKind,
  generation: number | undefined,
  remote: DriveItem
): void => {
  const { items, journal } = state
  const before = journal.base(row.ino)
  const folder = row.parent === null ? null : (items.get(row.parent)?.remoteId ?? null)
  const attempts = journal.intents(row.ino).find((intent) => intent.kind === kind)?.attempts ?? 0
  const known = kind === "move" ? (before?.mtime ?? row.mtime) : row.mtime
  const giveUp = kind === "times" && attempts + 1 >= timesAttempts
  const settledTime = row.kind !== "file" ? kind !== "times" : kind === "move"
  const mtime = settledTime || giveUp || sameTime(known, remote.modified) ? known : remote.modified
  // Somebody else's move, seen in the answer to other work, is not ours to undo: the next delta brings it.
  const place = before !== undefined && kind !== "move" && kind !== "create" ? before : undefined
  journal.setBase(row.ino, {
    parent: place?.parent ?? remote.parentId ?? folder,
    name: place?.name ?? remote.name,
    mtime,
    generation: generation ?? before?.generation ?? row.generation
  })
  items.identify(row.ino, {
    remoteId: remote.id,
    eTag: remote.eTag ?? row.eTag,
    cTag: remote.cTag ?? (generation === undefined ? row.cTag : null),
    hash: remote.hash ?? (generation === undefined ? row.hash : null)
  })
}

/** The server has the newest generation. Where it rewrote what was sent, its version counts and ours is stale. */
const settleContent = (state: TreeState, tx: Tx, row: Row, remote: DriveItem): void => {
  const { items, journal, bodies } = state
  if (remote.size === row.size || isEditing(state, row) || row.parent === null) {
    if (row.content !== null) bodies.clean(row.content, versionOf({ cTag: remote.cTag, eTag: remote.eTag }))
    return
  }
  const base = journal.base(row.ino)
  items.attributes(row.ino, { ...row, size: remote.size, mtime: remote.modified })
  items.body(row.ino, null, 0)
  if (base !== undefined) journal.setBase(row.ino, { ...base, mtime: remote.modified, generation: 0 })
  if (row.content !== null) bodies.stale(row.content)
  tx.changes.push({ _tag: "Content", ino: row.ino, parent: row.parent, name: row.name })
}

/** What people and programs do to the tree, apart from renames: functions that run inside a transaction. */
import type { Time } from "../graph/DriveItem.ts"
import { type ContentKey, type Ino, rootIno } from "./Item.ts"
import { newRow, type Row } from "./ItemTable.ts"
import { versionOf } from "./BodyTable.ts"
import { captureBase, purgeIfForgotten, settle, type TreeState, type Tx, txTime } from "./settle.ts"
import { remoteOf } from "./remoteView.ts"
import type { ContentCommit, Create } from "./Tree.ts"
import { TreeError } from "./TreeError.ts"

export const refuse = (reason: TreeError["reason"], detail: string): never => {
  throw new TreeError({ reason, detail })
}

export const existing = ({ items }: TreeState, ino: Ino): Row =>
  items.get(ino) ?? refuse("NotFound", `there is no item ${ino}`)

export const existingFolder = (state: TreeState, ino: Ino): Row => {
  const row = existing(state, ino)
  if (row.kind !== "directory") return refuse("NotDirectory", `${row.name} is not a directory`)
  if (row.parent === null) return refuse("NotFound", `${row.name} was removed`)
  return row
}

export const create = (state: TreeState, tx: Tx, parent: Ino, options: Create): Row => {
  const { items } = state
  const folder = existingFolder(state, parent)
  const taken = items.child(parent, options.name)
  if (taken !== undefined) refuse("Exists", `${taken.name} exists`)
  const { name, kind, mode, now } = options
  const ino = items.insert({
    ...newRow(parent, name, kind, mode, now),
    complete: kind === "directory",
    // Nothing below a folder that stays here can be at the server.
    localOnly: options.localOnly || folder.localOnly
  })
  settle(state, tx, ino)
  touchFolder(state, parent, now)
  return existing(state, ino)
}

/** Entries of a folder changed: POSIX wants its times to say so; the server keeps that to itself, so no intent. */
export const touchFolder = ({ items, journal }: TreeState, ino: Ino, now: Time): void => {
  const row = items.get(ino)
  if (row === undefined) return
  items.attributes(ino, { ...row, mtime: now, ctime: now })
  const base = journal.base(ino)
  if (base !== undefined) journal.setBase(ino, { ...base, mtime: now })
}

export const setAttributes = (
  state: TreeState,
  tx: Tx,
  ino: Ino,
  change: { readonly mode?: number; readonly mtime?: Time; readonly now: Time }
): Row => {
  const row = existing(state, ino)
  if (change.mtime !== undefined) captureBase(state, row)
  state.items.attributes(ino, {
    ...row,
    mode: change.mode ?? row.mode,
    mtime: change.mtime ?? row.mtime,
    ctime: change.now
  })
  if (change.mtime !== undefined && row.parent !== null) settle(state, tx, ino, { kinds: ["times"] })
  return existing(state, ino)
}

export const remove = (state: TreeState, tx: Tx, ino: Ino, now: Time): void => {
  const row = existing(state, ino)
  if (ino === rootIno || row.parent === null) refuse("NotFound", `${row.name || "/"} cannot be removed`)
  else {
    requireEmpty(state, row)
    detach(state, tx, row, now)
    touchFolder(state, row.parent, now)
  }
}

/** A folder whose children were never listed is not empty: an rmdir of it would delete what nobody looked at. */
export const requireEmpty = ({ items, cursor }: TreeState, row: Row): void => {
  if (row.kind !== "directory") return
  const known = row.complete || row.remoteId === null || cursor.enumerated()
  if (!known) refuse("NotEmpty", `the children of ${row.name} are not known yet`)
  if (items.hasChildren(row.ino)) refuse("NotEmpty", `${row.name} has children`)
}

/** Out of the namespace; stays as a row until the server confirmed and the last handle closed. */
export const detach = (state: TreeState, tx: Tx, row: Row, now: Time): void => {
  captureBase(state, row)
  state.items.place(row.ino, null, row.name, now)
  settle(state, tx, row.ino)
}

export const beginEdit = (state: TreeState, ino: Ino, content: ContentKey): void => {
  const row = existing(state, ino)
  adoptBody(state, row, content)
  state.bodies.edit(content)
}

/** Nothing was written: what the server said meanwhile is no conflict. */
export const endEdit = (state: TreeState, tx: Tx, ino: Ino, content: ContentKey): void => {
  state.bodies.unedit(content)
  settle(state, tx, ino)
}

/**
 * The edited body becomes the item's content. When it belongs to an older version than the item shows by now (a handle
 * that was open while the server's version changed), that version is the base of the edit, and what the server has is
 * the shadow: a conflict, decided like any other.
 */
const adoptBody = ({ items, journal, bodies }: TreeState, row: Row, content: ContentKey): void => {
  if (row.content === content) return
  const version = bodies.get(content)?.version ?? null
  const outdated = row.remoteId !== null && version !== null && version !== versionOf(row)
  if (outdated && journal.shadow(row.ino) === undefined) {
    journal.setShadow(row.ino, remoteOf(items, journal, row))
    items.identify(row.ino, { ...row, eTag: null, cTag: version, hash: null })
  }
  if (row.content !== null) bodies.stale(row.content)
  items.body(row.ino, content, row.generation)
}

export const commitContent = (
  state: TreeState,
  tx: Tx,
  ino: Ino,
  commit: ContentCommit,
  timing: { readonly window: number; readonly maxWait: number }
): Row => {
  const { items, bodies, journal } = state
  adoptBody(state, existing(state, ino), commit.content)
  const row = existing(state, ino)
  captureBase(state, row)
  const base = journal.base(ino)
  // A fresh body counts its generations from the start and may meet the number that the server has of an older one.
  if (base?.generation === commit.generation && isChanged(state, commit)) {
    journal.setBase(ino, { ...base, generation: -1 })
  }
  items.written(ino, { ...commit, ctime: txTime(tx) })
  bodies.commit(commit, tx.now)
  settle(state, tx, ino, {
    kinds: ["create", "content"],
    notBefore: (createdAt) => Math.min(tx.now + timing.window, createdAt + timing.maxWait)
  })
  return existing(state, ino)
}

/** Whether the commit brings anything that the body's row does not say. */
const isChanged = ({ bodies }: TreeState, { content, generation }: ContentCommit): boolean => {
  const before = bodies.get(content)
  return before === undefined || before.editing || before.generation !== generation
}

export const forget = (state: TreeState, ino: Ino): void => {
  const row = state.items.get(ino)
  if (row === undefined || row.parent !== null) return
  // Bytes that were written to an unlinked file and never recorded are of no use to anybody.
  state.items.forgotten(ino, true)
  purgeIfForgotten(state, ino)
}

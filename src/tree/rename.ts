/** rename, replace and exchange: functions that run inside a transaction. */
import type { Time } from "../graph/DriveItem.ts"
import { type Ino, rootIno } from "./Item.ts"
import { noIdentity, type Row } from "./ItemTable.ts"
import { planReplace } from "./journalAlgebra.ts"
import { detach, existing, existingFolder, refuse, requireEmpty, touchFolder } from "./localChanges.ts"
import {
  abandonIdentity,
  captureBase,
  differenceOf,
  isWhole,
  moveServerSide,
  settle,
  type TreeState,
  type Tx
} from "./settle.ts"
import type { RenameTarget } from "./Tree.ts"

export const rename = (state: TreeState, tx: Tx, ino: Ino, to: RenameTarget): Row | undefined => {
  const { items } = state
  const moved = movable(state, ino)
  const folder = existingFolder(state, to.parent)
  if (items.isWithin(folder.ino, ino)) refuse("Loop", `${moved.name} cannot move into itself`)
  const target = items.child(folder.ino, to.name)
  const replaced = target?.ino === ino ? undefined : target
  const localOnly = to.localOnly || folder.localOnly
  if (replaced !== undefined) requireReplaceable(state, moved, replaced)
  if (localOnly && !moved.localOnly) requireLocalBytes(state, moved)
  if (replaced !== undefined) replace(state, tx, moved, replaced, localOnly, to.now)
  relocate(state, tx, existing(state, ino), { ...to, parent: folder.ino, localOnly })
  if (moved.parent !== null) touchFolder(state, moved.parent, to.now)
  if (moved.parent !== folder.ino) touchFolder(state, folder.ino, to.now)
  return replaced
}

export const exchange = (state: TreeState, tx: Tx, a: Ino, b: Ino, now: Time): void => {
  const { items } = state
  const [first, second] = [movable(state, a), movable(state, b)]
  if (a === b) return
  if (items.isWithin(b, a) || items.isWithin(a, b))
    refuse("Loop", `${first.name} and ${second.name} contain each other`)
  for (const [row, other] of [
    [first, second],
    [second, first]
  ] as const) {
    if (other.localOnly && !row.localOnly) requireLocalBytes(state, row)
    captureBase(state, row)
  }
  // Off the namespace for a moment, so that the names never collide.
  items.place(a, null, first.name, now)
  if (second.parent !== null) relocate(state, tx, second, placeOf(first, now), false)
  if (first.parent !== null) relocate(state, tx, first, placeOf(second, now), false)
  settleMove(state, tx, a)
  settleMove(state, tx, b)
  for (const parent of new Set([first.parent, second.parent])) if (parent !== null) touchFolder(state, parent, now)
}

const placeOf = ({ parent, name, localOnly }: Row, now: Time): RenameTarget => ({
  parent: parent ?? rootIno,
  name,
  localOnly,
  now
})

const movable = (state: TreeState, ino: Ino): Row => {
  const row = existing(state, ino)
  if (ino === rootIno || row.parent === null) return refuse("NotFound", `${row.name || "/"} cannot be moved`)
  return row
}

const requireReplaceable = (state: TreeState, moved: Row, replaced: Row): void => {
  const directory = moved.kind === "directory"
  if (directory && replaced.kind !== "directory") refuse("NotDirectory", `${replaced.name} is not a directory`)
  if (!directory && replaced.kind === "directory") refuse("IsDirectory", `${replaced.name} is a directory`)
  requireEmpty(state, replaced)
}

/** What becomes local-only is deleted at the server: nothing may go that way whose bytes are only there. */
const requireLocalBytes = (state: TreeState, row: Row): void => {
  if (row.kind === "file" && !isWhole(state, row)) refuse("NotLocal", `${row.name} is not completely on this machine`)
  if (row.kind === "other") refuse("NotLocal", `${row.name} only exists at the server`)
  if (row.kind !== "directory") return
  if (row.remoteId !== null && !row.complete && !state.cursor.enumerated()) {
    refuse("NotLocal", `the children of ${row.name} are not known yet`)
  }
  for (const child of state.items.childInos(row.ino)) requireLocalBytes(state, existing(state, child))
}

const replace = (state: TreeState, tx: Tx, moved: Row, replaced: Row, localOnly: boolean, now: Time): void => {
  const whole = isWhole(state, moved)
  const plan = planReplace({ ...differenceOf(state, moved), whole }, differenceOf(state, replaced), localOnly)
  if (plan === "takeOver") takeOver(state, tx, moved, replaced)
  detach(state, tx, existing(state, replaced.ino), now)
}

/** The moved item becomes the next version of the replaced one. */
const takeOver = (state: TreeState, tx: Tx, moved: Row, replaced: Row): void => {
  const { items, journal, bodies } = state
  captureBase(state, replaced)
  if (moved.remoteId !== null) abandonIdentity(state, tx, moved)
  items.identify(replaced.ino, noIdentity)
  items.identify(moved.ino, replaced)
  moveServerSide(state, replaced.ino, moved.ino)
  const base = journal.base(moved.ino)
  if (base === undefined) return
  // A folder's own times are no business of the server's, see touchFolder.
  if (moved.kind !== "file") return journal.setBase(moved.ino, { ...base, mtime: moved.mtime })
  // The server never had these bytes under this identity, whatever their generation.
  journal.setBase(moved.ino, { ...base, generation: -1 })
  if (moved.content !== null) bodies.version(moved.content, null)
}

/** Moves a row to a free place and lets its journal follow. */
const relocate = (state: TreeState, tx: Tx, row: Row, to: RenameTarget, settled = true): void => {
  const { items } = state
  const becomesLocal = to.localOnly && !row.localOnly
  const becomesNormal = !to.localOnly && row.localOnly
  if (becomesLocal) keepHere(state, tx, row)
  else captureBase(state, row)
  items.place(row.ino, to.parent, to.name, to.now)
  if (becomesNormal) release(state, tx, row.ino, to)
  if (settled) settleMove(state, tx, row.ino)
}

/** What the server refused under the old name or in the old folder is tried again. */
const settleMove = (state: TreeState, tx: Tx, ino: Ino): void => {
  settle(state, tx, ino, { kinds: ["move"] })
  if (state.journal.intents(ino).some(({ parked }) => parked)) state.journal.unpark(ino)
}

/** The item and all below become local-only; each leaves the intent to delete the server's copy behind. */
const keepHere = (state: TreeState, tx: Tx, row: Row): void => {
  const { items, bodies, journal } = state
  for (const child of items.childInos(row.ino)) keepHere(state, tx, existing(state, child))
  if (row.remoteId !== null) abandonIdentity(state, tx, row)
  items.localOnly(row.ino, true)
  if (row.content !== null) bodies.version(row.content, null)
  journal.dropBase(row.ino)
  settle(state, tx, row.ino)
}

/** The item and all below go to the server from now on, but for names that the rule keeps here. */
const release = (state: TreeState, tx: Tx, ino: Ino, to: RenameTarget): void => {
  const { items } = state
  items.localOnly(ino, false)
  for (const child of items.childInos(ino)) {
    if (to.keepsLocal?.(existing(state, child).name) !== true) release(state, tx, child, to)
  }
  settle(state, tx, ino)
}

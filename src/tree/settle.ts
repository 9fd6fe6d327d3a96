/**
 * Keeps the journal equal to the difference between tree and server: every change of an item runs inside a transaction
 * with `captureBase` before it and `settle` after it.
 */
import type { DriveItem, Time } from "../graph/DriveItem.ts"
import type { Database } from "../platform/Sqlite.ts"
import type { BodyTable } from "./BodyTable.ts"
import type { CursorTable } from "./CursorTable.ts"
import { type Ino, rootIno } from "./Item.ts"
import { type ItemTable, noIdentity, type Row } from "./ItemTable.ts"
import type { Intent, IntentKind } from "./Journal.ts"
import { difference, intentKinds, timeOf } from "./journalAlgebra.ts"
import type { JournalTable } from "./JournalTable.ts"
import type { TreeChange } from "./Tree.ts"
import type { XattrTable } from "./XattrTable.ts"

export interface TreeState {
  readonly db: Database
  readonly items: ItemTable
  readonly journal: JournalTable
  readonly bodies: BodyTable
  readonly cursor: CursorTable
  readonly xattrs: XattrTable
  /** Name of this machine in conflict names. */
  readonly host: string
}

/** What one transaction leaves to do after it. */
export interface Tx {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly changes: Array<TreeChange>
  readonly conflicts: Array<{ readonly ino: Ino; readonly was: string; readonly detail: string }>
  /** Items that lost their last intent while a shadow waits: the server's version becomes theirs. */
  readonly cleaned: Array<Ino>
  /** New work may be due. */
  work: boolean
}

export const newTx = (now: number): Tx => ({ now, changes: [], conflicts: [], cleaned: [], work: false })

export const txTime = (tx: Tx): Time => timeOf(tx.now)

/** How long a created file waits for its first bytes, in ms: nobody wants to see the empty file at the server. */
export const firstBytesWindow = 2_000

/** A handle wrote to the item's body since its last close or fsync. */
export const isEditing = (state: TreeState, row: Row): boolean =>
  row.content !== null && state.bodies.get(row.content)?.editing === true

/** Every byte of the item is on this machine. */
export const isWhole = (state: TreeState, row: Row): boolean =>
  row.content === null ? row.remoteId === null || row.size === 0 : state.bodies.get(row.content)?.complete === true

/** Remembers the server's side of an item before it is changed here for the first time. */
export const captureBase = ({ items, journal }: TreeState, row: Row): void => {
  if (row.remoteId === null || row.parent === null || row.ino === rootIno) return
  if (journal.base(row.ino) !== undefined) return
  const parent = items.get(row.parent)?.remoteId ?? null
  journal.setBase(row.ino, { parent, name: row.name, mtime: row.mtime, generation: row.generation })
}

/** Which kinds the running change renews, and when they may start (ms since the epoch). */
export interface Renewal {
  readonly kinds: ReadonlyArray<IntentKind>
  readonly notBefore?: (createdAt: number) => number
}

export const differenceOf = ({ items, journal }: TreeState, row: Row) =>
  difference(row, journal.base(row.ino), row.parent === null ? null : (items.get(row.parent)?.remoteId ?? null))

/** Makes the item's intents what its difference from the server asks for. */
export const settle = (state: TreeState, tx: Tx, ino: Ino, renewal: Renewal = { kinds: [] }): void => {
  const { items, journal } = state
  const row = items.get(ino)
  if (row === undefined || ino === rootIno) return
  const wanted = intentKinds(differenceOf(state, row))
  const existing = journal.intents(ino)
  for (const intent of existing) if (!wanted.includes(intent.kind)) journal.drop(ino, intent.kind)
  for (const kind of wanted) want(state, tx, row, kind, wanted, existing, renewal)
  if (wanted.length > 0) tx.work = true
  // A delete has to know what may have arrived of the item.
  if (wanted.length === 0 && row.remoteId === null) journal.strand(ino)
  else if (wanted.every((kind) => kind === "move" || kind === "times")) journal.dropUpload(ino)
  if (wanted.length > 0 || row.remoteId === null) return
  journal.dropBase(ino)
  if (journal.shadow(ino) !== undefined && !isEditing(state, row)) tx.cleaned.push(ino)
}

const want = (
  { journal }: TreeState,
  tx: Tx,
  row: Row,
  kind: IntentKind,
  wanted: ReadonlyArray<IntentKind>,
  existing: ReadonlyArray<Intent>,
  renewal: Renewal
): void => {
  const present = existing.find((intent) => intent.kind === kind)
  const carriesBytes = kind === "content" || (kind === "create" && !wanted.includes("content"))
  const bytes = carriesBytes && row.kind === "file" ? row.size : 0
  // Not in the future, where the clock was set back.
  const createdAt = Math.min(present?.createdAt ?? tx.now, tx.now)
  const wait = kind === "create" && row.kind === "file" && row.content === null ? firstBytesWindow : 0
  const notBefore = renewal.notBefore?.(createdAt) ?? createdAt + wait
  const generation = kind === "content" ? row.generation : 0
  if (present === undefined) journal.add({ ino: row.ino, kind, generation, bytes, createdAt, notBefore })
  else if (renewal.kinds.includes(kind)) journal.renew({ ino: row.ino, kind, generation, bytes, notBefore })
}

/** Leaves the item's server identity behind on a detached row, with the intent to delete it there. */
export const abandonIdentity = (state: TreeState, tx: Tx, row: Row): void => {
  const { items } = state
  captureBase(state, row)
  items.identify(row.ino, noIdentity)
  const carrier = items.insert({ ...row, parent: null, content: null, complete: true, forgotten: true })
  moveServerSide(state, row.ino, carrier)
  settle(state, tx, carrier)
}

/**
 * The base and shadow of one row become those of another, as does what may have arrived of it: the version that the
 * other one follows, and none of its generations.
 */
export const moveServerSide = ({ journal }: TreeState, from: Ino, to: Ino): void => {
  const base = journal.base(from)
  const shadow: DriveItem | undefined = journal.shadow(from)
  const sent = journal.upload(from)
  journal.dropBase(from)
  journal.dropShadow(from)
  journal.dropUpload(from)
  if (base !== undefined) journal.setBase(to, base)
  if (shadow !== undefined) journal.setShadow(to, shadow)
  if (sent !== undefined) journal.saveUpload({ ...sent, ino: to, generation: -1 })
}

/** A detached row without intents goes when nobody holds it; its bodies are left to the content store. */
export const purgeIfForgotten = (state: TreeState, ino: Ino): void => {
  const row = state.items.get(ino)
  if (row?.parent === null && row.forgotten && !state.journal.has(ino)) purge(state, ino)
}

export const purge = ({ items, journal, bodies, xattrs }: TreeState, ino: Ino): void => {
  journal.dropBase(ino)
  journal.dropShadow(ino)
  journal.strand(ino)
  bodies.staleAll(ino)
  xattrs.removeAll(ino)
  items.delete(ino)
}

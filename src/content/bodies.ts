/**
 * Bodies in use: counted references, one entry per body of the content table. Opening and the last step of closing are
 * synchronous, so that an entry in the map is always open in the table; commits and saved extents of one body follow
 * each other under its lock.
 *
 * After each commit the table is told that the body is clean, so that the next write asks again and its row says that
 * there are unrecorded writes; which ranges the server lacks is therefore collected here (`dirty`).
 */
import { Semaphore } from "effect"
import { ContentId, type ContentStatus, type ContentTable, type Extents } from "@onemount/fuse-native"
import type { BoundedMap } from "../platform/BoundedMap.ts"
import { type ContentKey, type Ino, type Item } from "../tree/Item.ts"
import { versionOf } from "../tree/BodyTable.ts"
import type { Tree } from "../tree/Tree.ts"
import { ContentError } from "./ContentError.ts"
import type { ContentFiles } from "./ContentFiles.ts"
import { type ContentRow, type ContentRows, isEdited } from "./ContentRows.ts"
import * as extents from "./extents.ts"
import type { Keeper } from "./Keeper.ts"
import type { SpareFiles } from "./SpareFiles.ts"

export interface Body {
  readonly content: ContentId
  readonly key: ContentKey
  /** Owner; a body can move to another item when a conflict is settled. */
  ino: Ino
  references: number
  /** One commit or save at a time. */
  readonly lock: Semaphore.Semaphore
  /** One snapshot at a time. */
  readonly freezing: Semaphore.Semaphore
  /** Generation that the row has. */
  committed: number
  /** Ranges the server lacks, as of the last commit; undefined when it lacks nothing. */
  dirty: Extents | undefined
  /** Filled bytes whose extents are not saved yet. */
  unsaved: number
  /** Fills under way: the table may have some of their bytes. */
  filling: number
  /** When extents were saved last, milliseconds since the epoch. */
  savedAt: number
  saving: boolean
  /** Written or filled since its row was brought up to date, or about to be: its close has to be recorded. */
  touched: boolean
  /** Its row says that it is being edited, and no commit followed yet. */
  asked: boolean
  /** Nobody has to look at its bytes again: they were written here, or compared with the server's hash, or kept from before. */
  trusted: boolean
  /** Its row says that it is being edited since it was made, so its first write does not ask. */
  permitted: boolean
  /** When its use was last recorded, milliseconds since the epoch. */
  lastUsed: number
  /** What the keeper counts for it. */
  diskBytes: number
}

/** What everything in this folder shares. */
export interface Store {
  readonly tree: Tree["Service"]
  readonly table: ContentTable
  readonly files: ContentFiles
  readonly spares: SpareFiles
  readonly rows: ContentRows
  readonly keeper: Keeper
  readonly bodies: Map<ContentId, Body>
  /** Hashes of generations that were computed before. */
  readonly hashes: BoundedMap<ContentKey, { readonly generation: number; readonly hash: string }>
  readonly timing: { readonly window: number; readonly maxWait: number }
}

/** Opens the body of an item that is not open yet. Throws ContentError, FuseError and what files and SQLite throw. */
export const openBody = (store: Store, item: Item, now: number): Body => {
  const row = item.content === null ? undefined : store.rows.get(item.content)
  if (row !== undefined) return reopen(store, item, row, now)
  if (item.content !== null && hasUnsentContent(store, item.ino)) {
    throw damaged(store, item, item.content, "its record is missing")
  }
  return create(store, item, now)
}

export const hasUnsentContent = ({ tree }: Store, ino: Ino): boolean =>
  tree.intents(ino).some(({ kind }) => kind === "content" || kind === "create")

/**
 * A ghost gets a sparse file with nothing in it. The body of a new file is going to be written: it is on record as being
 * edited from the start, where there is room, so that the first write need not ask.
 */
const create = (store: Store, item: Item, now: number): Body => {
  const { rows, files, spares, keeper } = store
  const { ino, size, mtime, generation } = item
  const permitted = item.remoteId === null && size === 0 && keeper.hasRoomToWrite(now)
  const key = rows.create({
    ino,
    size,
    mtime,
    generation,
    now,
    version: versionOf(item),
    valid: extents.pack([]),
    complete: size === 0,
    editing: permitted
  })
  keeper.adjust(0, 1)
  try {
    spares.take(files.path(key))
    const empty = { size, valid: [], dirty: undefined, generation, diskBytes: 0 }
    return enter(store, { key, item, now, ...empty, lastUsed: now, permitted })
  } catch (cause) {
    rows.drop(key)
    keeper.adjust(0, -1)
    files.remove(key)
    throw cause
  }
}

const reopen = (store: Store, item: Item, row: ContentRow, now: number): Body => {
  const { rows, files } = store
  const { key } = row
  const edited = isEdited(row) || hasUnsentContent(store, item.ino)
  if (row.editing) throw damaged(store, item, key, "changes of an earlier run could not be recovered")
  const facts = files.facts(key)
  const valid = extents.unpack(row.valid, row.size)
  const intact = valid !== undefined && extents.end(valid) <= (facts?.size ?? 0) && (edited || row.size === item.size)
  if (!intact && edited) throw damaged(store, item, key, "the file is missing or shorter than recorded")
  if (!intact) rows.emptied(key, extents.pack([]))
  // Damaged ranges of changes: everything that is here may be one.
  const dirty = edited ? (extents.unpack(row.dirty, row.size) ?? valid ?? []) : undefined
  const generation = Math.max(row.generation, item.generation)
  return enter(store, {
    key,
    item,
    now,
    dirty,
    generation,
    size: edited ? row.size : item.size,
    valid: intact ? valid : [],
    diskBytes: row.diskBytes,
    lastUsed: intact ? row.lastUsed : 0,
    permitted: false
  })
}

const damaged = ({ files }: Store, item: Item, key: ContentKey, what: string): ContentError =>
  new ContentError({
    reason: "Io",
    detail:
      `unsent changes of ${item.name} cannot be read from ${files.path(key)}: ${what}; ` +
      `nothing was deleted, here or at the server`
  })

const enter = (
  { table, files, bodies }: Store,
  opening: {
    readonly key: ContentKey
    readonly item: Item
    readonly now: number
    readonly size: number
    readonly valid: Extents
    readonly dirty: Extents | undefined
    readonly generation: number
    readonly diskBytes: number
    readonly lastUsed: number
    readonly permitted: boolean
  }
): Body => {
  const { key, item, now, size, valid, dirty, generation, diskBytes, lastUsed, permitted } = opening
  const content = ContentId(key)
  const ranges = { valid, dirty: dirty ?? [] }
  table.open(content, {
    path: files.path(key),
    create: true,
    size,
    mtime: item.mtime,
    ...ranges,
    generation,
    permitted
  })
  const body: Body = {
    content,
    key,
    dirty,
    diskBytes,
    lastUsed,
    touched: permitted,
    asked: false,
    trusted: extents.firstGap(valid, 0, size) === undefined,
    permitted,
    ino: item.ino,
    references: 0,
    lock: Semaphore.makeUnsafe(1),
    freezing: Semaphore.makeUnsafe(1),
    committed: generation,
    unsaved: 0,
    filling: 0,
    savedAt: now,
    saving: false
  }
  bodies.set(content, body)
  return body
}

/** The item whose body this is, also when it changed hands; undefined when it is nobody's any more. */
export const ownerOf = ({ tree, rows }: Store, body: Body): Item | undefined => {
  const known = tree.get(body.ino)
  if (known?.content === body.key) return known
  const row = rows.get(body.key)
  if (row === undefined || row.ino === body.ino) return undefined
  const item = tree.get(row.ino)
  if (item?.content !== body.key) return undefined
  body.ino = row.ino
  return item
}

/** Up to this size, in bytes, a complete body takes what its length takes in blocks, holes or not. */
const estimatedSize = 64 * 1024
const block = 4096

/** What the file takes on the disk, for the keeper too; `size` is that of a complete body. */
export const measure = ({ files, keeper }: Store, body: Body, size = Number.POSITIVE_INFINITY): number => {
  const estimate = size <= estimatedSize ? Math.ceil(size / block) * block : undefined
  const diskBytes = estimate ?? files.facts(body.key)?.diskBytes ?? 0
  keeper.adjust(diskBytes - body.diskBytes)
  body.diskBytes = diskBytes
  return diskBytes
}

/** Something was written, filled or truncated that the row does not say. */
export const isUnsettled = (body: Body, state: ContentStatus): boolean =>
  state.generation !== body.committed || body.unsaved > 0

/** Reading is recorded once in so many milliseconds: that is enough to know what was not used for long. */
const useResolution = 60_000

/** What became of a body that was closed. The file of a discarded one is still to be removed. */
export type Closed =
  | { readonly _tag: "Kept" }
  | { readonly _tag: "Discarded" }
  | { readonly _tag: "SetAside"; readonly path: string }

/**
 * Closes a body nobody uses. One that is nobody's any more, or of a removed item, is discarded, unless it holds changes
 * that its item does not have. Throws when it cannot be closed; then it stays in use.
 */
export const closeBody = (store: Store, body: Body, now: number): Closed => {
  const { table, bodies, rows, files, tree } = store
  const state = table.status(body.content)
  const unrecorded = state !== undefined && state.generation !== body.committed
  const item = ownerOf(store, body)
  table.close(body.content)
  bodies.delete(body.content)
  if (item !== undefined && item.parent !== null) {
    // Whoever writes to the file without us, after a forced unmount, is looked after by the next start.
    const editing = unrecorded || (state?.outsideWriters ?? 0) > 0
    const known = !body.touched && !editing && now - body.lastUsed < useResolution
    if (!known) rows.used(body.key, { diskBytes: measure(store, body), now, editing })
    return { _tag: "Kept" }
  }
  const replaced = item === undefined ? tree.get(body.ino) : undefined
  const lost = replaced !== undefined && replaced.parent !== null && (unrecorded || body.dirty !== undefined)
  const path = lost ? files.setAside(body.key, replaced.name) : undefined
  forget(store, body)
  return path === undefined ? { _tag: "Discarded" } : { _tag: "SetAside", path }
}

/** Removes the row; a file without one is swept at the next start. */
const forget = ({ rows, keeper, hashes }: Store, { key, diskBytes }: Body): void => {
  rows.drop(key)
  hashes.delete(key)
  keeper.adjust(-diskBytes, -1)
}

/** Rows of the drive's items and the statements that read and write them, without any rules. */
import type { Database } from "../platform/Sqlite.ts"
import { makeChangeTimes } from "./ChangeTimes.ts"
import { foldName } from "./DriveName.ts"

/** A row of `items`: sizes in bytes, times in milliseconds since the epoch (see migrations.ts). */
export interface ItemRow {
  /** The number after the "!" of a personal item id. */
  readonly id: number
  /** Null only for the root. */
  readonly parent: number | null
  readonly name: string
  readonly kind: "file" | "folder"
  readonly size: number
  readonly children: number
  readonly content: number | null
  readonly hash: string | null
  readonly etag: number
  readonly ctag: number
  /** Which version of the file this is, from 1; the earlier ones are rows of `versions`. */
  readonly version: number
  readonly created: number
  readonly modified: number
  readonly fs_created: number
  readonly fs_modified: number
  readonly deleted: 0 | 1
  readonly change: number
  /** What is neither a plain file nor a plain folder; `kind` then says what it looks like. */
  readonly facet: ItemFacet | null
  /** Where a shortcut leads: a drive's id, a space and an item's id. */
  readonly target: string | null
  /** What people say of it; personal drives only. */
  readonly description: string | null
}

/** A link to an item of another drive, a OneNote notebook, the Personal Vault. */
export type ItemFacet = "shortcut" | "package" | "vault"

/** What an update may touch; the rest of a row is fixed or kept by the table itself. */
export type ItemState = Pick<
  ItemRow,
  | "parent"
  | "name"
  | "size"
  | "content"
  | "hash"
  | "etag"
  | "ctag"
  | "version"
  | "modified"
  | "fs_created"
  | "fs_modified"
  | "description"
>

/** What a new row is made of; the table adds tags, times and its place in the delta log. */
export type NewItem = Pick<
  ItemRow,
  "name" | "kind" | "size" | "content" | "hash" | "fs_created" | "fs_modified" | "facet" | "target"
> & {
  readonly parent: number
  readonly now: number
}

/** A folder as the items in it refer to it. */
export interface FolderPlace {
  readonly name: string
  readonly path: string
  /** Path of the web address of a folder of a business drive. */
  readonly webPath: string
}

/** Folders kept at hand for shaping what is in them. */
const cachedFolders = 20_000

export type ItemTable = ReturnType<typeof makeItemTable>

/** `now` tells when a change is made, in milliseconds since the epoch. */
export const makeItemTable = (db: Database, now: () => number) => {
  const byId = db.prepare<ItemRow>("SELECT * FROM items WHERE id = ?")
  const byName = db.prepare<ItemRow>("SELECT * FROM items WHERE parent = ? AND folded = ? AND deleted = 0")
  const children = db.prepare<ItemRow>(
    "SELECT * FROM items WHERE parent = ? AND deleted = 0 AND folded > ? ORDER BY folded LIMIT ?"
  )
  const changes = db.prepare<ItemRow>(
    "SELECT * FROM items WHERE change > ? AND change <= ? AND deleted <= ? ORDER BY change LIMIT ?"
  )
  const insert = db.prepare(
    `INSERT INTO items (parent, name, folded, kind, size, children, content, hash, etag, ctag,
       created, modified, fs_created, fs_modified, deleted, change, facet, target)
     VALUES (?, ?, ?, ?, ?, 0, ?, ?, 1, 1, ?, ?, ?, ?, 0, ?, ?, ?)`
  )
  const save = db.prepare(
    `UPDATE items SET parent = ?, name = ?, folded = ?, size = ?, content = ?, hash = ?, etag = ?, ctag = ?,
       version = ?, modified = ?, fs_created = ?, fs_modified = ?, description = ?, change = ? WHERE id = ?`
  )
  const bump = db.prepare("UPDATE items SET ctag = ctag + 1, size = size + ?, change = ? WHERE id = ?")
  const addChildren = db.prepare("UPDATE items SET children = children + ? WHERE id = ?")
  const bury = db.prepare("UPDATE items SET deleted = 1, content = NULL, change = ? WHERE id = ?")
  const revive = db.prepare(
    `UPDATE items SET deleted = 0, content = ?, parent = ?, name = ?, folded = ?, etag = etag + 1, modified = ?, change = ?
     WHERE id = ?`
  )
  const recordMove = db.prepare("INSERT INTO moves (change, item, parent) VALUES (?, ?, ?)")
  const moves = db.prepare<{ readonly item: number; readonly parent: number }>(
    "SELECT item, parent FROM moves WHERE change > ? AND change <= ?"
  )
  const newest = db.prepare<{ readonly newest: number }>("SELECT max(change) AS newest FROM items")
  const changedSince = db.prepare<{ readonly first: number | null }>(
    `SELECT min(change) AS first FROM items
       WHERE modified >= ?1 OR id IN (SELECT item FROM recycled WHERE at >= ?1)`
  )
  const root = db.prepare<ItemRow>("SELECT * FROM items WHERE parent IS NULL")
  const search = db.prepare<ItemRow>(
    `WITH RECURSIVE scope (id) AS (
       SELECT ?1 UNION ALL SELECT items.id FROM items JOIN scope ON parent = scope.id WHERE deleted = 0
     )
     SELECT * FROM items WHERE id IN scope AND id <> ?1 AND id > ?2 AND instr(folded, ?3) > 0 ORDER BY id LIMIT ?4`
  )

  const times = makeChangeTimes()
  const folders = new Map<number, ItemRow>()
  const places = new Map<number, FolderPlace>()
  const forgetFolders = (): void => {
    folders.clear()
    places.clear()
  }
  const folder = (id: number): ItemRow | undefined => {
    const known = folders.get(id)
    if (known !== undefined) return known
    const row = byId.get(id)
    if (folders.size >= cachedFolders) folders.clear()
    if (row !== undefined) folders.set(id, row)
    return row
  }

  // Reads of the newest number are one index step; only a transaction writes it, so it cannot be stale inside one.
  const lastChange = (): number => newest.get()?.newest ?? 0
  /** Taken for every write, so it is also where what is remembered of folders ends. */
  const nextChange = (): number => {
    forgetFolders()
    const change = lastChange() + 1
    times.record(change, now())
    return change
  }

  return {
    lastChange,
    /** The newest change older than `lag` milliseconds; those of an earlier process all are. */
    lastChangeBefore: (lag: number): number =>
      lag === 0 ? lastChange() : Math.min(times.newestAt(now() - lag), lastChange()),
    /** The newest change made before `time`, or one before that: what an earlier process did is known by its traces only. */
    lastChangeAt: (time: number): number => {
      const first = changedSince.get(time)?.first ?? Number.POSITIVE_INFINITY
      return Math.min(times.newestAt(time - 1), first - 1, lastChange())
    },
    /** Remembers where an item was that is about to be saved under another parent. */
    recordMove: (row: ItemRow): void => void recordMove.run(lastChange() + 1, row.id, row.parent),
    /** Items that left a folder after `since` and not after `upTo`: which, and from where. */
    moves: (since: number, upTo: number): Array<{ readonly item: number; readonly parent: number }> =>
      moves.all(since, upTo),
    /** As `byId`, from memory when nothing changed since; not for use in a transaction, which may be rolled back. */
    folder,
    /** What `make` says of a folder, remembered like `folder` does. */
    place: (id: number, make: () => FolderPlace): FolderPlace => {
      const known = places.get(id)
      if (known !== undefined) return known
      const made = make()
      if (places.size >= cachedFolders) places.clear()
      places.set(id, made)
      return made
    },
    byId: (id: number): ItemRow | undefined => byId.get(id),
    root: (): ItemRow => {
      const row = root.get()
      if (row === undefined) throw new Error("drive.db has no root item")
      return row
    },
    rootId: root.get()?.id ?? 0,
    /** Live items below `scope` whose folded name holds the folded `text`, by id, from above `after`. */
    search: (scope: number, text: string, after: number, limit: number): Array<ItemRow> =>
      search.all(scope, after, foldName(text), limit),
    /** Where the item stands among its siblings. */
    foldedOf: (row: ItemRow): string => foldName(row.name),
    byName: (parent: number, name: string): ItemRow | undefined => byName.get(parent, foldName(name)),
    /** Live children whose folded name is above `after`, in the order of folded names. */
    children: (parent: number, after: string, limit: number): Array<ItemRow> => children.all(parent, after, limit),
    /** Rows changed after `since` and not after `upTo`, in the order of change. */
    changes: (since: number, upTo: number, options: { readonly deleted: boolean; readonly limit: number }) =>
      changes.all(since, upTo, options.deleted ? 1 : 0, options.limit),
    insert: (item: NewItem): number =>
      insert.run(
        item.parent,
        item.name,
        foldName(item.name),
        item.kind,
        item.size,
        item.content,
        item.hash,
        item.now,
        item.now,
        item.fs_created,
        item.fs_modified,
        nextChange(),
        item.facet,
        item.target
      ).lastInsertRowid,
    save: (id: number, state: ItemState): void => {
      save.run(
        state.parent,
        state.name,
        foldName(state.name),
        state.size,
        state.content,
        state.hash,
        state.etag,
        state.ctag,
        state.version,
        state.modified,
        state.fs_created,
        state.fs_modified,
        state.description,
        nextChange(),
        id
      )
    },
    /** Something below this folder changed: new cTag, new place in the delta log. */
    bump: (id: number, sizeDelta: number): void => void bump.run(sizeDelta, nextChange(), id),
    addChildren: (id: number, count: number): void => {
      forgetFolders()
      addChildren.run(count, id)
    },
    /** Turns the row into what delta shows as deleted. */
    bury: (id: number): void => void bury.run(nextChange(), id),
    /** Makes a buried row live again. */
    revive: (row: ItemRow, state: Pick<ItemRow, "content" | "parent" | "name" | "modified">): void => {
      const { content, parent, name, modified } = state
      revive.run(content, parent, name, foldName(name), modified, nextChange(), row.id)
    }
  }
}

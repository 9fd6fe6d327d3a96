/**
 * Deleted items that can come back: rows of what was deleted together, under the item that was asked for, with the
 * contents they had. After DriveSettings.binRetention they are gone for good.
 */
import type { Database } from "../platform/Sqlite.ts"
import type { ItemRow } from "./ItemTable.ts"
import type { ItemVersions } from "./ItemVersions.ts"

interface RecycledRow {
  readonly item: number
  readonly top: number
  readonly content: number | null
}

export type RecycleBin = ReturnType<typeof makeRecycleBin>

/** How many expired entries one change clears away at most. */
const sweepBatch = 64

export const makeRecycleBin = (db: Database, versions: ItemVersions, retention: number) => {
  const insert = db.prepare("INSERT INTO recycled (item, top, content, at) VALUES (?, ?, ?, ?)")
  const below = db.prepare<RecycledRow>("SELECT item, top, content FROM recycled WHERE top = ?")
  const has = db.prepare("SELECT 1 FROM recycled WHERE item = ?1 AND top = ?1")
  const remove = db.prepare("DELETE FROM recycled WHERE item = ?")
  const expired = db.prepare<RecycledRow>("SELECT item, top, content FROM recycled WHERE at <= ? LIMIT ?")

  const forget = ({ item, content }: RecycledRow, now: number): void => {
    remove.run(item)
    versions.dropAll(item, now)
    if (content !== null) versions.release(content, now)
  }

  return {
    /** Takes in a row whose item was just buried together with `top`. */
    add: (row: ItemRow, top: number, now: number): void => {
      if (retention > 0) insert.run(row.id, top, row.content, now)
      else forget({ item: row.id, top, content: row.content }, now)
    },
    /** Whether this item was deleted by itself, not with something it was in. */
    has: (item: number): boolean => has.get(item) !== undefined,
    /** Takes out everything that was deleted with `top`: what items had as content. */
    take: (top: number): ReadonlyMap<number, number | null> => {
      const rows = below.all(top)
      for (const { item } of rows) remove.run(item)
      return new Map(rows.map(({ item, content }) => [item, content]))
    },
    /** Forgets everything that was deleted with `top`. */
    empty: (top: number, now: number): void => below.all(top).forEach((row) => forget(row, now)),
    sweep: (now: number): void => expired.all(now - retention, sweepBatch).forEach((row) => forget(row, now))
  }
}

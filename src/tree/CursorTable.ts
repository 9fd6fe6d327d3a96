/**
 * Where the delta enumeration stands, and what it brought that cannot be applied yet: items whose parent is unknown,
 * and deletions, which wait for the last page of their round because what they hold may still be moved out by it.
 */
import type { DriveItem, ItemId } from "../graph/DriveItem.ts"
import type { DeltaLink } from "../graph/GraphClient.ts"
import type { Database } from "../platform/Sqlite.ts"
import type { Cursor } from "./Tree.ts"

export interface CursorTable {
  read(): Cursor
  enumerated(): boolean
  /** Number of the newest full enumeration; items are marked with it. */
  enumeration(): number
  begin(): number
  advance(link: DeltaLink, appliedAt: number | null, enumerated: boolean): void
  park(item: DriveItem): void
  unpark(id: ItemId): void
  /** Parked items whose parent is known by now. */
  adoptable(limit: number): ReadonlyArray<DriveItem>
  deletions(limit: number): ReadonlyArray<DriveItem>
}

interface CursorColumns {
  readonly link: string | null
  readonly enumerated: number
  readonly applied_at: number | null
  readonly enumeration: number
  readonly enumerating: number
}

const fresh: CursorColumns = { link: null, enumerated: 0, applied_at: null, enumeration: 0, enumerating: 0 }

const parse = (row: { readonly item: string }): DriveItem => JSON.parse(row.item) as DriveItem

export const makeCursorTable = (db: Database): CursorTable => {
  const read = db.prepare<CursorColumns>("SELECT * FROM cursor WHERE id = 1")
  const begin = db.prepare("UPDATE cursor SET enumeration = enumeration + 1, enumerating = 1 WHERE id = 1")
  const advance = db.prepare("UPDATE cursor SET link = ?, applied_at = coalesce(?, applied_at) WHERE id = 1")
  const finish = db.prepare("UPDATE cursor SET enumerated = 1, enumerating = 0 WHERE id = 1")
  const park = db.prepare("INSERT OR REPLACE INTO parked VALUES (?, ?, ?, ?)")
  const unpark = db.prepare("DELETE FROM parked WHERE id = ?")
  const adoptable = db.prepare<{ readonly item: string }>(`SELECT parked.item FROM parked
    JOIN items ON items.remote_id = parked.parent_id AND items.parent IS NOT NULL WHERE parked.deleted = 0 LIMIT ?`)
  const deletions = db.prepare<{ readonly item: string }>("SELECT item FROM parked WHERE deleted = 1 LIMIT ?")
  // Asked for with every entry and every answer of the server; changes with a page.
  let known: CursorColumns | undefined
  db.onRollback(() => (known = undefined))
  const columns = () => (known ??= read.get() ?? fresh)
  return {
    read: () => {
      const { link, enumerated, applied_at, enumeration, enumerating } = columns()
      return {
        link,
        enumerated: enumerated === 1,
        appliedAt: applied_at,
        enumeration: enumerating === 1 ? enumeration : null
      }
    },
    enumerated: () => columns().enumerated === 1,
    enumeration: () => columns().enumeration,
    begin: () => {
      begin.run()
      known = undefined
      return columns().enumeration
    },
    advance: (link, appliedAt, enumerated) => {
      advance.run(link, appliedAt)
      if (enumerated) finish.run()
      known = undefined
    },
    park: (item) => void park.run(item.id, item.parentId, Number(item.deleted), JSON.stringify(item)),
    unpark: (id) => void unpark.run(id),
    adoptable: (limit) => adoptable.all(limit).map(parse),
    deletions: (limit) => deletions.all(limit).map(parse)
  }
}

/**
 * Earlier versions of files, and who still needs a content. A content is shared by the item that shows it, by versions
 * and copies of it, and by items in the recycle bin; it is retired when the last of them lets go.
 */
import type { Database } from "../platform/Sqlite.ts"
import { itemNotFound } from "./ApiError.ts"
import type { ItemRow } from "./ItemTable.ts"

/** What a file was. Numbers count from 1: its contents and, on business drives, its times that clients have set. */
export interface VersionRow {
  readonly item: number
  readonly number: number
  readonly content: number
  readonly size: number
  readonly hash: string
  readonly modified: number
}

export type ItemVersions = ReturnType<typeof makeItemVersions>

/** At most `limit` earlier versions of an item are kept, the newest. */
export const makeItemVersions = (db: Database, limit: number) => {
  const insert = db.prepare(
    "INSERT INTO versions (item, number, content, size, hash, modified) VALUES (?, ?, ?, ?, ?, ?)"
  )
  const list = db.prepare<VersionRow>("SELECT * FROM versions WHERE item = ? ORDER BY number DESC")
  const owner = db.prepare<{ readonly item: number }>("SELECT item FROM versions WHERE content = ? LIMIT 1")
  const remove = db.prepare("DELETE FROM versions WHERE item = ? AND number = ?")
  const retire = db.prepare(
    `UPDATE contents SET retired = ?1 WHERE id = ?2
       AND NOT EXISTS (SELECT 1 FROM items WHERE content = ?2)
       AND NOT EXISTS (SELECT 1 FROM versions WHERE content = ?2)
       AND NOT EXISTS (SELECT 1 FROM recycled WHERE content = ?2)`
  )

  /** Call it after the row that referred to the content has changed. */
  const release = (content: number, now: number): void => void retire.run(now, content)

  const drop = ({ item, number, content }: VersionRow, now: number): void => {
    remove.run(item, number)
    release(content, now)
  }

  return {
    release,
    /** The item that this is an earlier content of. */
    itemOf: (content: number): number | undefined => owner.get(content)?.item,
    /** Earlier versions, newest first. */
    list: (item: number): ReadonlyArray<VersionRow> => list.all(item),
    /** The version of this number; throws 404. `current` is the item itself. */
    require: (current: ItemRow, number: number): VersionRow => {
      const found = [asVersion(current), ...list.all(current.id)].find((version) => version?.number === number)
      if (found === undefined) throw itemNotFound("The version could not be found.")
      return found
    },
    /** Remembers what `row` is about to be no more; call `release` afterwards when it loses its content. */
    keep: (row: ItemRow, now: number): void => {
      const version = limit > 0 ? asVersion(row) : undefined
      if (version === undefined) return
      insert.run(version.item, version.number, version.content, version.size, version.hash, version.modified)
      for (const old of list.all(row.id).slice(limit)) drop(old, now)
    },
    drop,
    /** Forgets all of an item that is gone for good. */
    dropAll: (item: number, now: number): void => list.all(item).forEach((version) => drop(version, now))
  }
}

/** What an item shows now, as its newest version; undefined for folders. */
export const asVersion = ({ id, version, content, size, hash, modified }: ItemRow): VersionRow | undefined =>
  content === null ? undefined : { item: id, number: version, content, size, hash: hash ?? "", modified }

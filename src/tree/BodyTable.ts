/**
 * What the tree decides about file bodies: the columns of `contents` that have to change together with an item. The
 * rest of that table, and the files, are the content store's.
 */
import type { Database } from "../platform/Sqlite.ts"
import type { ContentKey, Ino } from "./Item.ts"
import type { ContentCommit } from "./Tree.ts"

export interface Body {
  /** Server version the bytes belong to; null when they are only local. */
  readonly version: string | null
  readonly generation: number
  readonly complete: boolean
  /** Written to since the last close or fsync. */
  readonly editing: boolean
}

export interface BodyTable {
  get(key: ContentKey): Body | undefined
  edit(key: ContentKey): void
  /** What `edit` announced did not come. */
  unedit(key: ContentKey): void
  /** `now` is the time of this use, milliseconds since the epoch. */
  commit(commit: ContentCommit, now: number): void
  /** Not the item's content any more: goes when nobody reads it. */
  stale(key: ContentKey): void
  staleAll(ino: Ino): void
  version(key: ContentKey, version: string | null): void
  /** The server has all of it, as `version`. */
  clean(key: ContentKey, version: string | null): void
}

/** The version a body of this item belongs to, as stored with the body. */
export const versionOf = (item: { readonly cTag: string | null; readonly eTag: string | null }): string | null =>
  item.cTag ?? item.eTag

export const makeBodyTable = (db: Database): BodyTable => {
  const get = db.prepare<Record<"generation" | "complete" | "editing", number> & { readonly version: string | null }>(
    "SELECT version, generation, complete, editing FROM contents WHERE key = ?"
  )
  const edit = db.prepare("UPDATE contents SET editing = 1 WHERE key = ?")
  const unedit = db.prepare("UPDATE contents SET editing = 0 WHERE key = ?")
  const commit = db.prepare(`UPDATE contents SET size = ?, mtime_sec = ?, mtime_nsec = ?, generation = ?, valid = ?,
    dirty = ?, complete = coalesce(?, complete), editing = ?, stale = 0,
    disk_bytes = coalesce(?, disk_bytes), last_used = max(last_used, ?) WHERE key = ?`)
  const stale = db.prepare("UPDATE contents SET stale = 1 WHERE key = ?")
  const staleAll = db.prepare("UPDATE contents SET stale = 1 WHERE ino = ?")
  const version = db.prepare("UPDATE contents SET version = ? WHERE key = ?")
  const clean = db.prepare("UPDATE contents SET version = ?, dirty = NULL WHERE key = ?")
  return {
    get: (key) => {
      const row = get.get(key)
      if (row === undefined) return undefined
      return { ...row, complete: row.complete === 1, editing: row.editing === 1 }
    },
    edit: (key) => void edit.run(key),
    unedit: (key) => void unedit.run(key),
    commit: ({ content, size, mtime, generation, valid, dirty, complete, diskBytes = null, editing = false }, now) => {
      const whole = complete === undefined ? null : Number(complete)
      const { sec, nsec } = mtime
      commit.run(size, sec, nsec, generation, valid, dirty, whole, Number(editing), diskBytes, now, content)
    },
    stale: (key) => void stale.run(key),
    staleAll: (ino) => void staleAll.run(ino),
    version: (key, value) => void version.run(value, key),
    clean: (key, value) => void clean.run(value, key)
  }
}

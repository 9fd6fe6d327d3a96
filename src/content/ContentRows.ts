/**
 * The table of bodies. `valid` and `dirty` are packed (extents.ts); a `dirty` of zero bytes is a body without local
 * changes. `editing` is set while there may be writes that no commit recorded (the tree sets it before the first one and
 * clears it with the commit). `last_used` is milliseconds since the epoch.
 *
 * Statements are synchronous and throw what SQLite throws; `create` and `drop` also move the item's pointer, which is
 * the one thing outside of its own table that is written here.
 */
import type { Time } from "../graph/DriveItem.ts"
import type { Database, SqlValue } from "../platform/Sqlite.ts"
import { ContentKey, Ino } from "../tree/Item.ts"
import type { ItemTable } from "../tree/ItemTable.ts"

export interface ContentRow {
  readonly key: ContentKey
  readonly ino: Ino
  /** cTag of the server version it was made from; null for local files. */
  readonly version: string | null
  readonly size: number
  readonly mtime: Time
  readonly generation: number
  readonly valid: Uint8Array | null
  readonly dirty: Uint8Array | null
  readonly complete: boolean
  readonly editing: boolean
  readonly verified: boolean
  readonly diskBytes: number
  readonly lastUsed: number
}

export interface NewRow {
  readonly ino: Ino
  readonly version: string | null
  readonly size: number
  readonly mtime: Time
  readonly generation: number
  readonly valid: Uint8Array
  readonly complete: boolean
  readonly editing: boolean
  readonly now: number
}

/** What may go to make room, least recently used first. */
export interface Candidate {
  readonly key: ContentKey
  readonly ino: Ino
  readonly diskBytes: number
  readonly lastUsed: number
}

export interface ContentRows {
  get(key: ContentKey): ContentRow | undefined
  keys(): ReadonlyArray<ContentKey>
  /** Inserts a row and makes it the item's body, in one transaction. */
  create(row: NewRow): ContentKey
  /** Deletes a row; its item, if it still points there, is a ghost again. One transaction. */
  drop(key: ContentKey): void
  /** After hydration: which ranges are on the disk. */
  saveExtents(key: ContentKey, saved: { valid: Uint8Array; complete: boolean; diskBytes: number }): void
  /** Whether there may be writes that no commit recorded. */
  editing(key: ContentKey, editing: boolean): void
  /** The body was used at `now`; `editing` as it is known to be. */
  used(key: ContentKey, use: { diskBytes: number; now: number; editing: boolean }): void
  /** The server has it: no local changes, made from `version`. */
  uploaded(key: ContentKey, generation: number, version: string | null): void
  verified(key: ContentKey): void
  /** No range is here any more. */
  emptied(key: ContentKey, valid: Uint8Array): void
  /** Bodies of the last run that may hold unrecorded writes. */
  unrecorded(): ReadonlyArray<ContentRow>
  /** Bodies that are not their item's any more: all, or only those the tree marked. */
  orphans(which: "all" | "marked"): ReadonlyArray<ContentRow>
  /** Clean bodies without unsent changes, and not the only copy, used after `(lastUsed, key)`, in that order. */
  candidates(after: { lastUsed: number; key: number }, limit: number): ReadonlyArray<Candidate>
  totals(): { readonly bytes: number; readonly files: number }
}

interface Raw {
  readonly key: number
  readonly ino: number
  readonly version: string | null
  readonly size: number
  readonly mtime_sec: number
  readonly mtime_nsec: number
  readonly generation: number
  readonly valid: Uint8Array | null
  readonly dirty: Uint8Array | null
  readonly complete: number
  readonly editing: number
  readonly verified: number
  readonly disk_bytes: number
  readonly last_used: number
}

const columns = `key, ino, version, size, mtime_sec, mtime_nsec, generation, valid, dirty, complete, editing, verified,
  disk_bytes, last_used`

const flag = (value: boolean): SqlValue => (value ? 1 : 0)

export const makeContentRows = (db: Database, items: ItemTable): ContentRows => {
  const select = db.prepare<Raw>(`SELECT ${columns} FROM contents WHERE key = ?`)
  const selectKeys = db.prepare<{ readonly key: number }>("SELECT key FROM contents")
  const insert = db.prepare(
    `INSERT INTO contents (ino, version, size, mtime_sec, mtime_nsec, generation, valid, dirty, complete, editing,
       last_used)
     VALUES (?, ?, ?, ?, ?, ?, ?, zeroblob(0), ?, ?, ?)`
  )
  const owner = db.prepare<{ readonly ino: number }>("SELECT ino FROM contents WHERE key = ?")
  const remove = db.prepare("DELETE FROM contents WHERE key = ?")
  const setExtents = db.prepare("UPDATE contents SET valid = ?, complete = ?, disk_bytes = ? WHERE key = ?")
  const setEditing = db.prepare("UPDATE contents SET editing = ? WHERE key = ?")
  const setUsed = db.prepare("UPDATE contents SET disk_bytes = ?, last_used = ?, editing = ? WHERE key = ?")
  const setUploaded = db.prepare(
    "UPDATE contents SET dirty = zeroblob(0), version = ?, verified = 0 WHERE key = ? AND generation = ?"
  )
  const setVerified = db.prepare("UPDATE contents SET verified = 1 WHERE key = ?")
  const setEmptied = db.prepare("UPDATE contents SET valid = ?, complete = 0, verified = 0 WHERE key = ?")
  const selectEditing = db.prepare<Raw>(`SELECT ${columns} FROM contents WHERE editing = 1 ORDER BY key`)
  const orphaned = "NOT EXISTS (SELECT 1 FROM items WHERE items.ino = c.ino AND items.content = c.key) ORDER BY key"
  const selectOrphans = db.prepare<Raw>(`SELECT ${columns} FROM contents AS c WHERE ${orphaned}`)
  const selectMarked = db.prepare<Raw>(`SELECT ${columns} FROM contents AS c WHERE stale = 1 AND ${orphaned}`)
  // Intents 0 and 2: create and content.
  const selectCandidates = db.prepare<Raw>(
    `SELECT ${columns} FROM contents AS c
     WHERE (last_used, key) > (?, ?) AND editing = 0 AND coalesce(length(dirty), 0) = 0
       AND NOT EXISTS (SELECT 1 FROM intents WHERE intents.ino = c.ino AND intents.kind IN (0, 2))
       AND NOT EXISTS (SELECT 1 FROM items WHERE items.ino = c.ino AND items.content = c.key
         AND items.remote_id IS NULL AND items.parent IS NOT NULL)
     ORDER BY last_used, key LIMIT ?`
  )
  const sum = db.prepare<{ readonly bytes: number; readonly files: number }>(
    "SELECT coalesce(sum(disk_bytes), 0) AS bytes, count(*) AS files FROM contents"
  )

  return {
    get: (key) => {
      const raw = select.get(key)
      return raw === undefined ? undefined : fromRaw(raw)
    },
    keys: () => selectKeys.all().map(({ key }) => ContentKey(key)),
    create: ({ ino, version, size, mtime, generation, valid, complete, editing, now }) =>
      db.transaction(() => {
        const { lastInsertRowid: key } = insert.run(
          ino,
          version,
          size,
          mtime.sec,
          mtime.nsec,
          generation,
          valid,
          flag(complete),
          flag(editing),
          now
        )
        items.content(ino, ContentKey(key))
        return ContentKey(key)
      }),
    drop: (key) =>
      db.transaction(() => {
        const ino = owner.get(key)?.ino
        const item = ino === undefined ? undefined : items.get(Ino(ino))
        if (item?.content === key) items.content(item.ino, null)
        remove.run(key)
      }),
    saveExtents: (key, { valid, complete, diskBytes }) => void setExtents.run(valid, flag(complete), diskBytes, key),
    editing: (key, editing) => void setEditing.run(flag(editing), key),
    used: (key, { diskBytes, now, editing }) => void setUsed.run(diskBytes, now, flag(editing), key),
    uploaded: (key, generation, version) => void setUploaded.run(version, key, generation),
    verified: (key) => void setVerified.run(key),
    emptied: (key, valid) => void setEmptied.run(valid, key),
    unrecorded: () => selectEditing.all().map(fromRaw),
    orphans: (which) => (which === "all" ? selectOrphans : selectMarked).all().map(fromRaw),
    candidates: (after, limit) =>
      selectCandidates.all(after.lastUsed, after.key, limit).map(({ key, ino, disk_bytes, last_used }) => ({
        key: ContentKey(key),
        ino: Ino(ino),
        diskBytes: disk_bytes,
        lastUsed: last_used
      })),
    totals: () => sum.get() ?? { bytes: 0, files: 0 }
  }
}

const fromRaw = (raw: Raw): ContentRow => ({
  key: ContentKey(raw.key),
  ino: Ino(raw.ino),
  version: raw.version,
  size: raw.size,
  mtime: { sec: raw.mtime_sec, nsec: raw.mtime_nsec },
  generation: raw.generation,
  valid: raw.valid,
  dirty: raw.dirty,
  complete: raw.complete !== 0,
  editing: raw.editing !== 0,
  verified: raw.verified !== 0,
  diskBytes: raw.disk_bytes,
  lastUsed: raw.last_used
})

/** Holds changes that the server does not have. */
export const isEdited = (row: ContentRow): boolean => row.editing || (row.dirty?.length ?? 0) > 0

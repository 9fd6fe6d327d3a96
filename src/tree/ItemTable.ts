/**
 * Prepared statements over the item rows: synchronous, no rules, no transactions of their own.
 * Every write of an item row goes through here, so that the ones in memory are what the database says.
 */
import type { ItemId, Time } from "../graph/DriveItem.ts"
import type { Database } from "../platform/Sqlite.ts"
import { fold } from "./fold.ts"
import { ContentKey, Ino, type Item, type Kind, rootIno } from "./Item.ts"
import { Recent } from "./Recent.ts"

/** An item with what only the tree itself needs to know. */
export interface Row extends Item {
  /** Detached, and nobody holds a handle: goes as soon as it has no intent. */
  readonly forgotten: boolean
  /** Last full enumeration that named it. */
  readonly seen: number
}

export interface Identity {
  readonly remoteId: ItemId | null
  readonly eTag: string | null
  readonly cTag: string | null
  readonly hash: string | null
}

export const noIdentity: Identity = { remoteId: null, eTag: null, cTag: null, hash: null }

export type NewRow = Omit<Row, "ino">

/** A row that is only here: empty, clean of any server identity, all times the same. */
export const newRow = (parent: Ino | null, name: string, kind: Kind, mode: number, time: Time): NewRow => ({
  parent,
  name,
  kind,
  mode,
  size: 0,
  mtime: time,
  ctime: time,
  btime: time,
  ...noIdentity,
  content: null,
  generation: 0,
  localOnly: false,
  complete: false,
  forgotten: false,
  seen: 0
})

interface Columns {
  readonly ino: number
  readonly parent: number | null
  readonly name: string
  readonly kind: number
  readonly size: number
  readonly mtime_sec: number
  readonly mtime_nsec: number
  readonly ctime_sec: number
  readonly ctime_nsec: number
  readonly btime_sec: number
  readonly btime_nsec: number
  readonly mode: number
  readonly remote_id: string | null
  readonly etag: string | null
  readonly ctag: string | null
  readonly hash: string | null
  readonly content: number | null
  readonly generation: number
  readonly local_only: number
  readonly complete: number
  readonly forgotten: number
  readonly seen: number
}

const kinds: ReadonlyArray<Kind> = ["file", "directory", "other"]
const kindCode = (kind: Kind): number => kinds.indexOf(kind)

const toRow = (row: Columns): Row => ({
  ino: Ino(row.ino),
  // The root is its own parent, but stored as child of 0 so that it is not among its own children.
  parent: row.parent === null ? null : row.parent === 0 ? rootIno : Ino(row.parent),
  name: row.name,
  kind: kinds[row.kind] ?? "other",
  size: row.size,
  mtime: { sec: row.mtime_sec, nsec: row.mtime_nsec },
  ctime: { sec: row.ctime_sec, nsec: row.ctime_nsec },
  btime: { sec: row.btime_sec, nsec: row.btime_nsec },
  mode: row.mode,
  remoteId: row.remote_id as ItemId | null,
  eTag: row.etag,
  cTag: row.ctag,
  hash: row.hash,
  content: row.content === null ? null : ContentKey(row.content),
  generation: row.generation,
  localOnly: row.local_only === 1,
  complete: row.complete === 1,
  forgotten: row.forgotten === 1,
  seen: row.seen
})

const columns = `ino, parent, name, kind, size, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec, btime_sec, btime_nsec, mode,
  remote_id, etag, ctag, hash, content, generation, local_only, complete, forgotten, seen`

export interface ItemTable {
  get(ino: Ino): Row | undefined
  /** By folded name. */
  child(parent: Ino, name: string): Row | undefined
  children(parent: Ino, after: number, limit: number): ReadonlyArray<Row>
  childInos(parent: Ino): ReadonlyArray<Ino>
  hasChildren(parent: Ino): boolean
  /** True when `ino` is `folder` or somewhere below it. */
  isWithin(ino: Ino, folder: Ino): boolean
  subdirectories(parent: Ino): number
  byRemoteId(id: ItemId): Row | undefined
  /** Rows with `after < ino <= until` that are at the server and no page of enumeration `seen` named. */
  unseen(after: number, until: number, seen: number): ReadonlyArray<Row>
  lastIno(): number
  /** Up to `limit` detached rows without intents. */
  leftovers(limit: number): ReadonlyArray<Row>
  insert(row: NewRow): Ino
  delete(ino: Ino): void
  /** `parent` null detaches. */
  place(ino: Ino, parent: Ino | null, name: string, ctime: Time): void
  identify(ino: Ino, identity: Identity): void
  attributes(
    ino: Ino,
    row: {
      readonly size: number
      readonly mtime: Time
      readonly ctime: Time
      readonly btime: Time
      readonly mode: number
    }
  ): void
  body(ino: Ino, content: ContentKey | null, generation: number): void
  /** The body has another generation, or is another one. */
  written(
    ino: Ino,
    body: {
      readonly content: ContentKey
      readonly generation: number
      readonly size: number
      readonly mtime: Time
      readonly ctime: Time
    }
  ): void
  /** Another body for the same generation. */
  content(ino: Ino, content: ContentKey | null): void
  localOnly(ino: Ino, value: boolean): void
  complete(ino: Ino, value: boolean): void
  forgotten(ino: Ino, value: boolean): void
  /** All detached rows: at a start nobody holds a handle. */
  forgetDetached(): void
  seen(ino: Ino, enumeration: number): void
}

export const makeItemTable = (db: Database): ItemTable => {
  const recent = new Recent<number, Row | undefined>(db)
  const select = (where: string) => db.prepare<Columns>(`SELECT ${columns} FROM items ${where}`)
  const get = select("WHERE ino = ?")
  const child = db.prepare<{ readonly ino: number }>("SELECT ino FROM items WHERE parent = ? AND folded = ?")
  const children = select("WHERE parent = ? AND ino > ? ORDER BY ino LIMIT ?")
  const childInos = db.prepare<{ readonly ino: number }>("SELECT ino FROM items WHERE parent = ? ORDER BY ino")
  const parentOf = db.prepare<{ readonly parent: number | null }>("SELECT parent FROM items WHERE ino = ?")
  const anyChild = db.prepare("SELECT 1 FROM items WHERE parent = ? LIMIT 1")
  const folders = db.prepare<{ readonly n: number }>("SELECT count(*) AS n FROM items WHERE parent = ? AND kind = 1")
  const byRemoteId = db.prepare<{ readonly ino: number }>("SELECT ino FROM items WHERE remote_id = ?")
  const unseen = select("WHERE ino > ? AND ino <= ? AND remote_id IS NOT NULL AND seen < ?")
  const lastIno = db.prepare<{ readonly n: number | null }>("SELECT max(ino) AS n FROM items")
  const leftovers = select(
    "WHERE parent IS NULL AND NOT EXISTS (SELECT 1 FROM intents WHERE intents.ino = items.ino) LIMIT ?"
  )
  const insert = db.prepare(`INSERT INTO items
    (parent, name, folded, kind, size, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec, btime_sec, btime_nsec, mode,
     remote_id, etag, ctag, hash, content, generation, local_only, complete, forgotten, seen)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const remove = db.prepare("DELETE FROM items WHERE ino = ?")
  const place = db.prepare(
    "UPDATE items SET parent = ?, name = ?, folded = ?, ctime_sec = ?, ctime_nsec = ? WHERE ino = ?"
  )
  const identify = db.prepare("UPDATE items SET remote_id = ?, etag = ?, ctag = ?, hash = ? WHERE ino = ?")
  const attributes =
    db.prepare(`UPDATE items SET size = ?, mtime_sec = ?, mtime_nsec = ?, ctime_sec = ?, ctime_nsec = ?,
    btime_sec = ?, btime_nsec = ?, mode = ? WHERE ino = ?`)
  const body = db.prepare("UPDATE items SET content = ?, generation = ? WHERE ino = ?")
  const written = db.prepare(`UPDATE items SET content = ?, generation = ?, size = ?, mtime_sec = ?, mtime_nsec = ?,
    ctime_sec = ?, ctime_nsec = ? WHERE ino = ?`)
  const content = db.prepare("UPDATE items SET content = ? WHERE ino = ?")
  const localOnly = db.prepare("UPDATE items SET local_only = ? WHERE ino = ?")
  const complete = db.prepare("UPDATE items SET complete = ? WHERE ino = ?")
  const forgotten = db.prepare("UPDATE items SET forgotten = ? WHERE ino = ?")
  const forgetDetached = db.prepare("UPDATE items SET forgotten = 1 WHERE parent IS NULL")
  const seen = db.prepare("UPDATE items SET seen = ? WHERE ino = ?")

  const read = (ino: number): Row | undefined => {
    const found = get.get(ino)
    return found === undefined ? undefined : toRow(found)
  }
  const row = (ino: number): Row | undefined => recent.get(ino, read)
  const rowOf = (found: { readonly ino: number } | undefined) => (found === undefined ? undefined : row(found.ino))

  return {
    get: row,
    child: (parent, name) => rowOf(child.get(parent, fold(name))),
    children: (parent, after, limit) => children.all(parent, after, limit).map(toRow),
    childInos: (parent) => childInos.all(parent).map((row) => Ino(row.ino)),
    isWithin: (ino, folder) => {
      let at: number | null = ino
      while (at !== null && at > 0) {
        if (at === folder) return true
        at = parentOf.get(at)?.parent ?? null
      }
      return false
    },
    hasChildren: (parent) => anyChild.get(parent) !== undefined,
    subdirectories: (parent) => folders.get(parent)?.n ?? 0,
    byRemoteId: (id) => rowOf(byRemoteId.get(id)),
    unseen: (after, until, enumeration) => unseen.all(after, until, enumeration).map(toRow),
    lastIno: () => lastIno.get()?.n ?? 0,
    leftovers: (limit) => leftovers.all(limit).map(toRow),
    insert: (row) => {
      const { mtime, ctime, btime } = row
      const result = insert.run(
        row.parent,
        row.name,
        fold(row.name),
        kindCode(row.kind),
        row.size,
        mtime.sec,
        mtime.nsec,
        ctime.sec,
        ctime.nsec,
        btime.sec,
        btime.nsec,
        row.mode,
        row.remoteId,
        row.eTag,
        row.cTag,
        row.hash,
        row.content,
        row.generation,
        Number(row.localOnly),
        Number(row.complete),
        Number(row.forgotten),
        row.seen
      )
      const ino = Ino(result.lastInsertRowid)
      recent.set(ino, { ...row, ino })
      return ino
    },
    delete: (ino) => {
      remove.run(ino)
      recent.delete(ino)
    },
    place: (ino, parent, name, ctime) => {
      place.run(parent, name, fold(name), ctime.sec, ctime.nsec, ino)
      recent.change(ino, { parent, name, ctime })
    },
    identify: (ino, { remoteId, eTag, cTag, hash }) => {
      identify.run(remoteId, eTag, cTag, hash, ino)
      recent.change(ino, { remoteId, eTag, cTag, hash })
    },
    attributes: (ino, { size, mtime, ctime, btime, mode }) => {
      attributes.run(size, mtime.sec, mtime.nsec, ctime.sec, ctime.nsec, btime.sec, btime.nsec, mode, ino)
      recent.change(ino, { size, mtime, ctime, btime, mode })
    },
    body: (ino, key, generation) => {
      body.run(key, generation, ino)
      recent.change(ino, { content: key, generation })
    },
    written: (ino, { content, generation, size, mtime, ctime }) => {
      written.run(content, generation, size, mtime.sec, mtime.nsec, ctime.sec, ctime.nsec, ino)
      recent.change(ino, { content, generation, size, mtime, ctime })
    },
    content: (ino, key) => {
      content.run(key, ino)
      recent.change(ino, { content: key })
    },
    localOnly: (ino, value) => {
      localOnly.run(Number(value), ino)
      recent.change(ino, { localOnly: value })
    },
    complete: (ino, value) => {
      complete.run(Number(value), ino)
      recent.change(ino, { complete: value })
    },
    forgotten: (ino, value) => {
      forgotten.run(Number(value), ino)
      recent.change(ino, { forgotten: value })
    },
    forgetDetached: () => {
      forgetDetached.run()
      recent.clear()
    },
    seen: (ino, enumeration) => {
      seen.run(enumeration, ino)
      recent.change(ino, { seen: enumeration })
    }
  }
}

/** Extended attributes of items, kept on this machine. */
import type { Database } from "../platform/Sqlite.ts"
import type { Ino } from "./Item.ts"

export interface XattrTable {
  get(ino: Ino, name: string): Uint8Array | undefined
  list(ino: Ino): ReadonlyArray<string>
  set(ino: Ino, name: string, value: Uint8Array): void
  /** False when there was none. */
  remove(ino: Ino, name: string): boolean
  removeAll(ino: Ino): void
}

export const makeXattrTable = (db: Database): XattrTable => {
  const get = db.prepare<{ readonly value: Uint8Array }>("SELECT value FROM xattrs WHERE ino = ? AND name = ?")
  const list = db.prepare<{ readonly name: string }>("SELECT name FROM xattrs WHERE ino = ? ORDER BY name")
  const set = db.prepare("INSERT OR REPLACE INTO xattrs VALUES (?, ?, ?)")
  const remove = db.prepare("DELETE FROM xattrs WHERE ino = ? AND name = ?")
  const removeAll = db.prepare("DELETE FROM xattrs WHERE ino = ?")
  return {
    get: (ino, name) => get.get(ino, name)?.value,
    list: (ino) => list.all(ino).map((row) => row.name),
    set: (ino, name, value) => void set.run(ino, name, value),
    remove: (ino, name) => remove.run(ino, name).changes > 0,
    removeAll: (ino) => void removeAll.run(ino)
  }
}

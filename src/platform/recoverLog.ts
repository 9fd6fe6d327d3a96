/** The redo log of a database at its start: what the last run left is brought in, and a new one is begun. */
import { rmSync } from "node:fs"
import type { DatabaseSync } from "node:sqlite"
import { wholeTransaction, within } from "./Commits.ts"
import { replay } from "./GroupCommit.ts"
import { readLog, RedoLog } from "./RedoLog.ts"
import { SqliteError } from "./SqliteError.ts"

/** Beside the database, as its WAL. */
export const redoPath = (path: string): string => `${path}-redo`

interface Position {
  readonly salt: number
  readonly last: number
}

/** Undefined for a database that never had a redo log. */
const positionOf = (sqlite: DatabaseSync): Position | undefined => {
  const known = sqlite.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'redo'").get()
  if (known === undefined) return undefined
  const row = sqlite.prepare("SELECT salt, last FROM redo WHERE id = 1").get()
  return { salt: Number(row?.["salt"]), last: Number(row?.["last"]) }
}

/**
 * Runs what the database does not have yet, in one transaction. Records that do not follow on what it has were lost
 * with the ones before them, when the power went. Before migrations: statements are for the schema they were run on.
 */
export const recoverLog = (sqlite: DatabaseSync, path: string): void => {
  const position = positionOf(sqlite)
  if (position === undefined) return
  const records = readLog(redoPath(path), position.salt).filter(({ number }) => number > position.last)
  const last = records.at(-1)?.number
  if (last === undefined || records[0]?.number !== position.last + 1) return
  try {
    within(sqlite, wholeTransaction, () => {
      replay(sqlite, records)
      sqlite.prepare("UPDATE redo SET last = ? WHERE id = 1").run(last)
    })
  } catch (cause) {
    throw unrecovered(path, cause)
  }
}

/** A full disk passes, and everything is still there; a log that does not fit its database never will. */
const unrecovered = (path: string, cause: unknown): unknown => {
  const code = cause instanceof Error && "errcode" in cause ? Number(cause.errcode) & 0xff : 0
  const [constraint, general, mismatch, range] = [19, 1, 20, 25]
  if (![constraint, general, mismatch, range].includes(code)) return cause
  const message = `${path} does not fit its redo log (${String(cause)})`
  return new SqliteError({ reason: "Corrupt", path, message, cause })
}

/** Undefined where neither the database nor its disk has room for one: then each change is a commit of its own. */
export const makeRedoLog = (sqlite: DatabaseSync, path: string): RedoLog | undefined => {
  try {
    sqlite.exec(`CREATE TABLE IF NOT EXISTS redo
      (id INTEGER PRIMARY KEY CHECK (id = 1), salt INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
      INSERT OR IGNORE INTO redo VALUES (1, abs(random() % 4294967296), 0)`)
    const { salt, last } = positionOf(sqlite) ?? { salt: 0, last: 0 }
    return new RedoLog(redoPath(path), salt, last)
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return undefined
    throw cause
  }
}

/** The database has all of it, and nobody writes any more. */
export const removeLog = (log: RedoLog, path: string): void => {
  log.close()
  rmSync(redoPath(path), { force: true })
}

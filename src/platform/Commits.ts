/** How the changes of a database become permanent: one by one here, in groups in GroupCommit.ts. */
import type { DatabaseSync } from "node:sqlite"
import type { Logged } from "./RedoLog.ts"
import type { SqlValue } from "./Sqlite.ts"

/** Through which every statement and transaction of a database goes. */
export interface Commits {
  /** Runs `f` in a transaction, or in a savepoint of the one that is under way. */
  transaction<A>(f: () => A): A
  /** Runs a statement that may change something; `execute` tells how many rows it did. */
  run<A extends { readonly changes: number }>(logged: Logged, parameters: ReadonlyArray<SqlValue>, execute: () => A): A
  /** Runs statements that cannot be repeated from a log. */
  exec(sql: string): void
  /** Throws while the database does not show what it promised. */
  check(): void
  /** Brings everything that was promised into the database. Throws what SQLite throws, and then keeps the promise. */
  commit(): void
}

/** How a unit of changes begins, ends and is taken back. */
export interface Unit {
  readonly begin: string
  readonly end: string
  readonly undo: string
}

/** Takes the write lock at its beginning. */
export const wholeTransaction: Unit = { begin: "BEGIN IMMEDIATE", end: "COMMIT", undo: "ROLLBACK" }
/** Inside of a transaction. Savepoints of one name nest: the innermost is meant. */
export const savepoint: Unit = {
  begin: "SAVEPOINT nested",
  end: "RELEASE nested",
  undo: "ROLLBACK TO nested; RELEASE nested"
}

/** Runs `f` as one unit; takes its changes back and rethrows when it throws. */
export const within = <A>(sqlite: DatabaseSync, unit: Unit, f: () => A): A => {
  sqlite.exec(unit.begin)
  try {
    const value = f()
    sqlite.exec(unit.end)
    return value
  } catch (cause) {
    // SQLite itself rolls back on some faults (disk full, I/O error); a second ROLLBACK would hide the first error.
    if (sqlite.isTransaction) sqlite.exec(unit.undo)
    throw cause
  }
}

/** Each transaction is a commit, each statement outside of one as well. `onRollback`: changes were taken back. */
export const makeSingleCommit = (sqlite: DatabaseSync, onRollback: () => void): Commits => {
  let depth = 0
  return {
    transaction: (f) => {
      const unit = depth > 0 ? savepoint : wholeTransaction
      depth++
      try {
        return within(sqlite, unit, f)
      } catch (cause) {
        onRollback()
        throw cause
      } finally {
        depth--
      }
    },
    run: (_, __, execute) => execute(),
    exec: (sql) => sqlite.exec(sql),
    check: () => undefined,
    commit: () => undefined
  }
}

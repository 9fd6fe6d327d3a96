/** How the changes of a database become permanent: one by one here, in groups in GroupCommit.ts. */
import type { DatabaseSync } from "node:sqlite"
import type { Logged } from "./RedoLog.ts"
import type { SqlValue } from "./Sqlite.ts"

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
  /** Tells whoever remembers rows that changes were taken back. */
  forget(): void
}

/** Each transaction is a commit, each statement outside of one as well. */
export const makeSingleCommit = (sqlite: DatabaseSync, forget: () => void): Commits => {
  let depth = 0
  return {
    transaction: (f) => {
      const savepoint = `nested_${depth}`
      const nested = depth > 0
      sqlite.exec(nested ? `SAVEPOINT ${savepoint}` : "BEGIN IMMEDIATE")
      depth++
      try {
        const value = f()
        sqlite.exec(nested ? `RELEASE ${savepoint}` : "COMMIT")
        return value
      } catch (cause) {
        // SQLite itself rolls back on some faults (disk full, I/O error); a second ROLLBACK would hide the first error.
        if (sqlite.isTransaction) sqlite.exec(nested ? `ROLLBACK TO ${savepoint}; RELEASE ${savepoint}` : "ROLLBACK")
        forget()
        throw cause
      } finally {
        depth--
      }
    },
    run: (_, __, execute) => execute(),
    exec: (sql) => sqlite.exec(sql),
    check: () => undefined,
    commit: () => undefined,
    forget
  }
}

/**
 * Transactions that return when they are in the redo log, and reach the database together: a commit writes every page
 * that was touched, most of them the same ones as the commit before, and costs ten times what a record in the log does.
 *
 * Model: one SQLite transaction is open for a *batch* of changes; this connection reads its own changes, so nobody
 * sees a difference. `commit` ends the batch; what does not fit into the log ends it at once. A change that fails
 * half-way is taken back by making the batch again from the log: for that case alone, a savepoint for every change
 * would have SQLite copy each page that the change touches. The same happens when SQLite gives a transaction up (a
 * full disk, an I/O error); as long as it fails, every use of the database fails, because it would not show what was
 * promised.
 */
import type { DatabaseSync } from "node:sqlite"
import { type Commits, savepoint, within } from "./Commits.ts"
import type { RedoLog } from "./RedoLog.ts"
import type { RedoRecord } from "./redoRecords.ts"

/** Runs the statements of records again. Throws what SQLite throws. */
export const replay = (sqlite: DatabaseSync, records: ReadonlyArray<RedoRecord>): void => {
  const prepared = new Map<string, ReturnType<DatabaseSync["prepare"]>>()
  for (const { sql, parameters } of records.flatMap(({ statements }) => statements)) {
    const statement = prepared.get(sql) ?? sqlite.prepare(sql)
    prepared.set(sql, statement)
    statement.run(...parameters)
  }
}

/** Throws what SQLite throws; a change that throws is taken back, and none before it. */
export const makeGroupCommit = (
  sqlite: DatabaseSync,
  log: RedoLog,
  hooks: {
    /** A batch began: it is to be committed. */
    readonly onBegin: () => void
    /** Changes were taken back. */
    readonly onRollback: () => void
  }
): Commits => {
  const begin = sqlite.prepare("BEGIN IMMEDIATE")
  const end = sqlite.prepare("COMMIT")
  const setLast = sqlite.prepare("UPDATE redo SET last = ? WHERE id = 1")
  let batch = false
  let lost = false
  let depth = 0
  let unlogged = false

  const open = (): void => {
    check()
    if (batch) return
    begin.run()
    batch = true
    hooks.onBegin()
  }

  const check = (): void => {
    if (lost) restore()
  }

  /** Makes the batch again, as the log has it. */
  const restore = (): void => {
    lost = true
    log.discard()
    if (sqlite.isTransaction) sqlite.exec("ROLLBACK")
    hooks.onRollback()
    begin.run()
    replay(sqlite, log.records())
    batch = true
    lost = false
  }

  const commit = (): void => {
    check()
    if (!batch || depth > 0) return
    try {
      setLast.run(log.last)
      end.run()
    } catch (cause) {
      restore()
      throw cause
    }
    batch = false
    log.restart()
  }

  /** Log or database: when it returns, the change survives this process. */
  const settle = (): void => {
    if (!unlogged && !log.isChange) return
    const logged = !unlogged && append()
    unlogged = false
    if (!logged) commit()
  }

  /** A log that cannot be written is as good as one that is full. */
  const append = (): boolean => {
    try {
      return log.append()
    } catch {
      return false
    }
  }

  const outermost = <A>(f: () => A): A => {
    open()
    depth++
    let value: A
    try {
      value = f()
    } catch (cause) {
      depth--
      takeBack()
      throw cause
    }
    depth--
    settle()
    return value
  }

  /** Almost every refusal comes before the first change; otherwise the batch is made again without the last one. */
  const takeBack = (): void => {
    const changed = unlogged || log.isChange || !sqlite.isTransaction
    unlogged = false
    if (changed) restore()
    else hooks.onRollback()
  }

  const nested = <A>(f: () => A): A => {
    const mark = log.mark
    depth++
    try {
      return within(sqlite, savepoint, f)
    } catch (cause) {
      log.back(mark)
      hooks.onRollback()
      throw cause
    } finally {
      depth--
    }
  }

  return {
    transaction: (f) => (depth > 0 ? nested(f) : outermost(f)),
    run: (logged, parameters, execute) => {
      const change = () => {
        const result = execute()
        if (result.changes > 0) log.add(logged, parameters)
        return result
      }
      return depth > 0 ? change() : outermost(change)
    },
    exec: (sql) => {
      if (depth > 0) unlogged = true
      else commit()
      sqlite.exec(sql)
    },
    check,
    commit
  }
}

/**
 * SQLite for one writer: a database opened in a scope, in WAL mode, with its schema brought up to date.
 *
 * Statements and transactions are synchronous and meant for hot paths (a key read is about 4 µs). They throw what
 * node:sqlite throws; run them inside `Database.try`, which turns SQLite's faults into `SqliteError` and leaves other
 * throws as defects. Commits use synchronous=NORMAL: they survive the death of the process, and those after the last
 * checkpoint may be lost, in order and never half, with the power. With `group` they are in the redo log beside the
 * database when they return, and reach the database in batches (GroupCommit.ts).
 */
import { DatabaseSync } from "node:sqlite"
import { Cause, Effect, Queue, type Scope } from "effect"
import { type Commits, makeSingleCommit } from "./Commits.ts"
import { makeGroupCommit } from "./GroupCommit.ts"
import { makeRedoLog, recoverLog, removeLog } from "./recoverLog.ts"
import { fromCause, SqliteError } from "./SqliteError.ts"

export { SqliteError, SqliteErrorReason } from "./SqliteError.ts"

/** What a column or parameter holds; integers are read as numbers. */
export type SqlValue = null | number | bigint | string | Uint8Array

/** One step of the schema: SQL text, or a function for what SQL alone cannot do. Its index + 1 is the user_version it leads to. */
export type Migration = string | ((db: Database) => void)

export interface OpenOptions {
  /** A file, or ":memory:". */
  readonly path: string
  /** Opens an existing file for reading only; its schema has to be the newest known. */
  readonly readOnly?: boolean
  /** All steps ever released, in order; never edited, only appended to. */
  readonly migrations: ReadonlyArray<Migration>
  /** PRAGMA application_id, a positive 32-bit number of the application's choice; anything else is a foreign file. */
  readonly applicationId: number
  /** How long a lock of another connection is waited for, in milliseconds; this blocks the thread. Default 2,000. */
  readonly busyTimeout?: number
  /** Runs PRAGMA quick_check at open (reads the whole file), so that damage is found now and not later. Default false. */
  readonly check?: boolean
  /**
   * Commits are grouped, at most so many milliseconds apart. Statements may then depend on nothing but the database and
   * their parameters, and other connections see changes that much later. Default: each transaction is committed.
   */
  readonly group?: number
}

/** A compiled statement; each call takes its parameters in order and throws what SQLite throws. */
export interface Statement<Row> {
  get(...parameters: ReadonlyArray<SqlValue>): Row | undefined
  all(...parameters: ReadonlyArray<SqlValue>): Array<Row>
  iterate(...parameters: ReadonlyArray<SqlValue>): IterableIterator<Row>
  run(...parameters: ReadonlyArray<SqlValue>): { readonly changes: number; readonly lastInsertRowid: number }
}

/** An open database; closed with the scope it was opened in. */
export interface Database {
  readonly path: string
  /** Compiles a statement once; `Row` is the caller's word for the columns it selects. */
  prepare<Row = Record<string, SqlValue>>(sql: string): Statement<Row>
  /** Runs statements without parameters or results. */
  exec(sql: string): void
  /** BEGIN IMMEDIATE, `f`, COMMIT; rolls back and rethrows when `f` throws. Nested calls are savepoints. */
  transaction<A>(f: () => A): A
  /** Calls `f` after changes were taken back, for whoever remembers rows. */
  onRollback(f: () => void): void
  /** Runs synchronous database work as an Effect. Throws that SQLite did not cause are defects. */
  try<A>(f: () => A): Effect.Effect<A, SqliteError>
  /** Brings what only the redo log has into the database, as others and a copy of the file see it. */
  readonly commit: Effect.Effect<void, SqliteError>
  /** Moves the WAL into the database file: `passive` what nobody reads, `truncate` all of it (waits for readers). */
  checkpoint(mode: "passive" | "truncate"): Effect.Effect<void, SqliteError>
}

/** Opens (and creates, unless read-only) a database; closed with the scope. A refused file is left as it was. */
export const open = Effect.fn("Sqlite.open")(function* (
  options: OpenOptions
): Effect.fn.Return<Database, SqliteError, Scope.Scope> {
  const sqlite = yield* Effect.acquireRelease(
    attempt(options.path, () => connect(options)),
    (opened) => Effect.sync(() => opened.close())
  )
  const db = makeDatabase(options.path, sqlite)
  yield* db.try(() => {
    const version = recognise(db, options)
    configure(db, options)
    if (options.group !== undefined) recoverLog(sqlite, options.path)
    migrate(db, version, options)
  })
  if (options.group !== undefined) yield* group(db, sqlite, options.group)
  return db
})

/** Between two attempts to commit where the first one failed, in milliseconds. */
const commitPause = 5_000

/** From here on commits are grouped, as long as the disk has room for a log. */
const group = Effect.fnUntraced(function* (
  db: OpenDatabase,
  sqlite: DatabaseSync,
  interval: number
): Effect.fn.Return<void, SqliteError, Scope.Scope> {
  const begun = yield* Queue.sliding<void>(1)
  const { path } = db
  const single = db.commits
  const log = yield* Effect.acquireRelease(
    db.try(() => makeRedoLog(sqlite, path)),
    (made) =>
      Effect.catch(
        db.try(() => {
          if (made === undefined) return
          db.commits.commit()
          db.commits = single
          removeLog(made, path)
        }),
        (error) => Effect.logWarning(`the last changes stay in the redo log: ${error.message}`)
      )
  )
  if (log === undefined) return
  const onBegin = () => void Queue.offerUnsafe(begun, undefined)
  db.commits = makeGroupCommit(sqlite, log, { onBegin, onRollback: db.forget })
  // Whatever it is: without this fiber the changes of this run would come no further than the log.
  const commit = Effect.catchCauseIf(
    db.commit,
    (cause) => !Cause.hasInterruptsOnly(cause),
    (cause) =>
      Effect.logWarning(`changes of ${path} stay in the redo log for now`, cause).pipe(
        Effect.andThen(Effect.sleep(commitPause)),
        Effect.andThen(Effect.sync(onBegin))
      )
  )
  const next = Queue.take(begun).pipe(Effect.andThen(Effect.sleep(interval)), Effect.andThen(commit))
  yield* Effect.forkScoped(Effect.forever(next))
})

const connect = (options: OpenOptions): DatabaseSync =>
  new DatabaseSync(options.path, {
    readOnly: options.readOnly ?? false,
    timeout: options.busyTimeout ?? 2_000,
    enableForeignKeyConstraints: true
  })

const attempt = <A>(path: string, f: () => A): Effect.Effect<A, SqliteError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(f())
    } catch (cause) {
      const error = fromCause(path, cause)
      return error === undefined ? Effect.die(cause) : Effect.fail(error)
    }
  })

const pragma = (db: Database, name: string): number => {
  const row = db.prepare<Record<string, number>>(`PRAGMA ${name}`).get()
  return row?.[name] ?? 0
}

/** Checks whose file this is before anything is written to it, and returns its user_version. */
const recognise = (db: Database, options: OpenOptions): number => {
  const { path, applicationId, migrations } = options
  const found = pragma(db, "application_id")
  const empty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined
  if (found !== applicationId && !(found === 0 && empty)) {
    const message = `${path} belongs to another application (application_id ${found}, expected ${applicationId})`
    throw new SqliteError({ reason: "Foreign", path, message, found, known: applicationId })
  }
  const version = pragma(db, "user_version")
  const known = migrations.length
  if (version > known) {
    const message = `${path} was written by a newer version (schema ${version}, this program knows ${known})`
    throw new SqliteError({ reason: "Newer", path, message, found: version, known })
  }
  if (options.check === true) quickCheck(db)
  return version
}

const quickCheck = (db: Database): void => {
  const finding = db.prepare<{ readonly quick_check: string }>("PRAGMA quick_check(1)").get()?.quick_check
  if (finding === "ok") return
  const message = `${db.path} is damaged: ${finding ?? "no result from quick_check"}`
  throw new SqliteError({ reason: "Corrupt", path: db.path, message })
}

/**
 * A commit that finds the log longer than this moves it into the database and syncs both, which takes as long as some
 * hundred commits; a longer log makes reads look in more places.
 */
const checkpointPages = 4_000

/** Page cache of a database whose commits are grouped, in KiB. */
const batchCache = 8 * 1024

const configure = (db: Database, options: OpenOptions): void => {
  if (options.readOnly === true) return
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${checkpointPages}`)
  // A batch and its savepoints stay in memory until they are committed.
  if (options.group !== undefined) db.exec(`PRAGMA temp_store = MEMORY; PRAGMA cache_size = -${batchCache}`)
}

const migrate = (db: Database, version: number, options: OpenOptions): void => {
  const { path, migrations } = options
  if (options.readOnly === true && version < migrations.length) {
    const message = `${path} has schema ${version} and needs ${migrations.length}: open it for writing once`
    throw new SqliteError({ reason: "Failed", path, message })
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue
    db.transaction(() => {
      if (typeof migration === "string") db.exec(migration)
      else migration(db)
      db.exec(`PRAGMA application_id = ${options.applicationId}; PRAGMA user_version = ${index + 1}`)
    })
  }
}

interface OpenDatabase extends Database {
  /** Every statement and transaction goes through those it has at the time. */
  commits: Commits
  /** Tells whoever remembers rows that changes were taken back. */
  readonly forget: () => void
}

const makeDatabase = (path: string, sqlite: DatabaseSync): OpenDatabase => {
  const forgetful: Array<() => void> = []
  const forget = () => {
    for (const forgetRows of forgetful) forgetRows()
  }
  const db: OpenDatabase = {
    path,
    forget,
    commits: makeSingleCommit(sqlite, forget),
    prepare: <Row>(sql: string) => makeStatement<Row>(sqlite, sql, () => db.commits),
    exec: (sql) => db.commits.exec(sql),
    transaction: (f) => db.commits.transaction(f),
    onRollback: (f) => void forgetful.push(f),
    try: (f) => attempt(path, f),
    commit: Effect.suspend(() => attempt(path, () => db.commits.commit())),
    checkpoint: (mode) =>
      attempt(path, () => {
        db.commits.commit()
        sqlite.exec(`PRAGMA wal_checkpoint(${mode})`)
      })
  }
  return db
}

/** The casts are this module's promise to its callers: rows have the columns that the statement selects. */
const makeStatement = <Row>(sqlite: DatabaseSync, sql: string, commits: () => Commits): Statement<Row> => {
  const statement = sqlite.prepare(sql)
  const logged = { sql, cycle: 0, number: 0 }
  return {
    get: (...parameters) => {
      commits().check()
      return statement.get(...parameters) as Row | undefined
    },
    all: (...parameters) => {
      commits().check()
      return statement.all(...parameters) as Array<Row>
    },
    iterate: (...parameters) => {
      commits().check()
      return statement.iterate(...parameters) as IterableIterator<Row>
    },
    run: (...parameters) =>
      commits().run(logged, parameters, () => {
        const { changes, lastInsertRowid } = statement.run(...parameters)
        return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) }
      })
  }
}

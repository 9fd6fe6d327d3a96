/**
 * Exclusive use of a directory by one process: an open write transaction on `lock.db` in it. The kernel drops the lock
 * with the process, so there are no stale locks; the row inside only says who to name.
 */
import { join } from "node:path"
import { Effect, Schema, type Scope } from "effect"
import { makePrivateDirectory } from "./Directories.ts"
import { open, type SqliteError } from "./Sqlite.ts"

/** Another process holds it. */
export class DirectoryLocked extends Schema.TaggedError<DirectoryLocked>()("DirectoryLocked", {
  directory: Schema.String,
  /** What the holder said about itself; empty when it has not got to it yet. */
  holder: Schema.String
}) {
  override get message(): string {
    return `${this.directory} is in use${this.holder === "" ? "" : ` by ${this.holder}`}`
  }
}

/** It cannot be made or written to. */
export class DirectoryUnusable extends Schema.TaggedError<DirectoryUnusable>()("DirectoryUnusable", {
  directory: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.directory} cannot be used (${this.problem})`
  }
}

/** "OMlk" */
const applicationId = 0x4f4d6c6b

/** Holds the directory, made when it is missing, until the scope closes. `holder` names us to others. */
export const lock = Effect.fn("DirectoryLock.lock")(function* (
  directory: string,
  holder: string
): Effect.fn.Return<void, DirectoryLocked | DirectoryUnusable, Scope.Scope> {
  const unusable = (problem: string) => new DirectoryUnusable({ directory, problem })
  yield* Effect.try({
    try: () => makePrivateDirectory(directory),
    catch: (cause) => unusable(cause instanceof Error ? cause.message : String(cause))
  })
  yield* Effect.catchTag(hold(directory, holder), "SqliteError", (error) => Effect.fail(unusable(error.message)))
})

const hold = Effect.fnUntraced(function* (
  directory: string,
  holder: string
): Effect.fn.Return<void, DirectoryLocked | SqliteError, Scope.Scope> {
  const db = yield* open({
    path: join(directory, "lock.db"),
    applicationId,
    migrations: ["CREATE TABLE holder (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL)"],
    busyTimeout: 0
  })
  const take = db.try(() => {
    db.exec("BEGIN IMMEDIATE")
    db.prepare("INSERT OR REPLACE INTO holder VALUES (1, ?)").run(holder)
    db.exec("COMMIT; BEGIN IMMEDIATE")
  })
  yield* Effect.acquireRelease(take, () => Effect.orDie(db.try(() => db.exec("ROLLBACK")))).pipe(
    Effect.catchTag("SqliteError", (error) =>
      error.reason === "Busy"
        ? Effect.flatMap(
            db.try(() => db.prepare<{ readonly name: string }>("SELECT name FROM holder").get()),
            (row) => Effect.fail(new DirectoryLocked({ directory, holder: row?.name ?? "" }))
          )
        : Effect.fail(error)
    )
  )
})

/**
 * The one database of a mount: tree, journal, cursor and the table of file bodies, so that what belongs together is
 * committed together.
 *
 * Assumptions: one process owns it; the file bodies beside it are not its business. A damaged database is moved aside
 * as `<path>.corrupt-<time>` (with its WAL) and replaced by a fresh one: the tree comes back from the server, and the
 * content store sets bodies aside when it sees `isNew`. A database of another program or of a newer version of
 * this one is refused and left as it is.
 */
import { chmodSync, existsSync, renameSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { Clock, Context, DateTime, Effect, Exit, Layer, Option, Schema, Scope } from "effect"
import { Events } from "../events/Events.ts"
import { makePrivateDirectory } from "../platform/Directories.ts"
import * as Sqlite from "../platform/Sqlite.ts"
import type { SqliteError } from "../platform/SqliteError.ts"
import { type ItemTable, makeItemTable } from "./ItemTable.ts"
import { applicationId, migrations } from "./schema.ts"

/** Why a mount has no database. `Refused`: not ours or newer, untouched. `Unusable`: the disk does not let us. */
export class MountDatabaseError extends Schema.TaggedError<MountDatabaseError>()("MountDatabaseError", {
  reason: Schema.Literals(["Refused", "Unusable"]),
  path: Schema.String,
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return this.detail
  }
}

export class MountDatabase extends Context.Service<
  MountDatabase,
  {
    readonly db: Sqlite.Database
    /** The rows of its items, for all who write to them. */
    readonly items: ItemTable
    /** Where the damaged predecessor was moved; none when this is the database of the last run or of a first one. */
    readonly rebuilt: Option.Option<string>
    /** There was no database, or none of use: contents beside it are of a lost one and may hold unsent changes. */
    readonly isNew: boolean
  }
>()("onemount/tree/MountDatabase") {
  /** `path`: the database file; its folder is created when missing. */
  static readonly layer = (options: {
    readonly path: string
  }): Layer.Layer<MountDatabase, MountDatabaseError, Events> => Layer.effect(MountDatabase, make(options.path))
}

const make = Effect.fn("MountDatabase.make")(function* (path: string) {
  yield* onDisk(path, () => makePrivateDirectory(dirname(path)))
  const isNew = !existsSync(path)
  const opened = yield* Effect.result(openPrivately(path))
  if (opened._tag === "Success") return yield* service(opened.success, { rebuilt: Option.none(), isNew })
  const error = opened.failure
  if (error._tag === "MountDatabaseError") return yield* error
  if (error.reason !== "Corrupt" && error.reason !== "NotADatabase") return yield* refusal(error)

  const aside = yield* moveAside(path)
  const db = yield* Effect.mapError(openPrivately(path), (again) =>
    again._tag === "SqliteError" ? refusal(again) : again
  )
  const detail = `${error.message}; moved to ${aside} and started anew`
  yield* Effect.logWarning(detail)
  const events = yield* Events
  yield* events.publish({ _tag: "CacheRebuilt", detail })
  return yield* service(db, { rebuilt: Option.some(aside), isNew: true })
})

const service = (
  db: Sqlite.Database,
  origin: Pick<MountDatabase["Service"], "rebuilt" | "isNew">
): Effect.Effect<MountDatabase["Service"], MountDatabaseError> =>
  db
    .try(() => makeItemTable(db))
    .pipe(
      Effect.map((items) => MountDatabase.of({ db, items, ...origin })),
      Effect.mapError(refusal)
    )

/**
 * The database holds upload URLs, which are secrets: only its owner may read it (SQLite gives the WAL the same mode).
 * A left-over WAL means that the last run did not end in order; only then is the whole file worth checking. A handle
 * that turned out unusable is closed at once: closed later, it would take its successor's WAL with it.
 */
const openPrivately = Effect.fnUntraced(function* (path: string) {
  const crashed = existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0
  const scope = yield* Scope.fork(yield* Effect.scope)
  const db = yield* Sqlite.open({ path, migrations, applicationId, check: crashed, group: commitInterval }).pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  yield* onDisk(path, () => {
    for (const file of [path, ...companions(path)]) if (existsSync(file)) chmodSync(file, 0o600)
  })
  return db
})

/** Time between commits, in milliseconds: what a change touches, the ones before and after it touch as well. */
const commitInterval = 100

const companions = (path: string): ReadonlyArray<string> => [`${path}-wal`, `${path}-shm`, `${path}-redo`]

const moveAside = Effect.fnUntraced(function* (path: string) {
  const now = DateTime.makeUnsafe(yield* Clock.currentTimeMillis)
  const aside = `${path}.corrupt-${DateTime.formatIso(now).replace(/[:.]/g, "-")}`
  yield* onDisk(path, () => {
    renameSync(path, aside)
    for (const file of companions(path)) if (existsSync(file)) renameSync(file, aside + file.slice(path.length))
  })
  return aside
})

const onDisk = <A>(path: string, f: () => A): Effect.Effect<A, MountDatabaseError> =>
  Effect.try({
    try: f,
    catch: (cause) =>
      new MountDatabaseError({ reason: "Unusable", path, detail: `cannot prepare ${path}: ${String(cause)}`, cause })
  })

const refusal = (error: SqliteError): MountDatabaseError => {
  const foreign = error.reason === "Newer" || error.reason === "Foreign"
  const advice = error.reason === "Newer" ? "; use that version, or another --cache-dir" : "; use another --cache-dir"
  return new MountDatabaseError({
    reason: foreign ? "Refused" : "Unusable",
    path: error.path,
    detail: foreign ? error.message + advice : `cannot open ${error.message}`,
    cause: error
  })
}

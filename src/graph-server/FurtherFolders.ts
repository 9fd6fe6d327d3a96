/**
 * The folders of further drives, DIR/drives/N, where DIR is that of the first one.
 *
 * A new one is made as DIR/drives/.new and gets its number by a rename once it is complete, so that a crash leaves either
 * the whole drive or something that the next start removes. What a drive is called is remembered in the database of the
 * first, so that one that cannot be opened any more is known to be there.
 */
import { Effect, type FileSystem, Option, Schema } from "effect"
import type { Database } from "../platform/Sqlite.ts"
import { DriveFolderError } from "./DriveFolderError.ts"

/** What is known of a drive without opening it. */
export const KnownDrive = Schema.Struct({
  driveId: Schema.String,
  kind: Schema.Literals(["personal", "business"]),
  label: Schema.Struct({
    name: Schema.String,
    owner: Schema.optionalKey(Schema.String),
    site: Schema.optionalKey(Schema.String)
  })
})
export type KnownDrive = typeof KnownDrive.Type

/** A drive whose folder cannot be opened, and why. */
export interface ClosedDrive {
  readonly key: string
  readonly error: DriveFolderError
  /** As it was when it was last open; undefined when it never was. */
  readonly known: KnownDrive | undefined
}

/** The folders of one process, by the numbers of their drives. */
export interface FurtherFolders {
  /** Numbers of the drives there are, in order. What a crash left half made is removed first. */
  readonly keys: Effect.Effect<ReadonlyArray<string>, DriveFolderError>
  pathOf(key: string): string
  /** Runs `make` on a folder that gets the number when it has succeeded, and is removed when it has not. */
  create(
    key: string,
    make: (dir: string) => Effect.Effect<unknown, DriveFolderError>
  ): Effect.Effect<void, DriveFolderError>
  /** Fails with `NotADrive` where a drive was never completed or has lost its database. */
  check(key: string): Effect.Effect<void, DriveFolderError>
  known(key: string): KnownDrive | undefined
  remember(key: string, drive: KnownDrive): void
}

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(KnownDrive))
const encode = Schema.encodeSync(Schema.fromJsonString(KnownDrive))

const settingOf = (key: string): string => `drives/${key}`

/** `db` is that of the first drive. */
export const makeFurtherFolders = (fs: FileSystem.FileSystem, dir: string, db: Database): FurtherFolders => {
  const parent = `${dir}/drives`
  const unfinished = `${parent}/.new`
  const read = db.prepare<{ readonly value: string }>("SELECT value FROM settings WHERE key = ?")
  const write = db.prepare("INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")
  const pathOf = (key: string): string => `${parent}/${key}`

  return {
    keys: Effect.gen(function* () {
      if (!(yield* fs.exists(parent))) return []
      yield* fs.remove(unfinished, { recursive: true, force: true })
      const names = yield* fs.readDirectory(parent)
      return names.filter((name) => /^\d{1,3}$/.test(name)).sort((a, b) => Number(a) - Number(b))
    }).pipe(DriveFolderError.fromPlatform(parent)),
    pathOf,
    create: Effect.fnUntraced(function* (key, make) {
      const discard = fs.remove(unfinished, { recursive: true, force: true })
      yield* DriveFolderError.fromPlatform(unfinished)(discard)
      yield* make(unfinished).pipe(
        Effect.andThen(DriveFolderError.fromPlatform(pathOf(key))(fs.rename(unfinished, pathOf(key)))),
        Effect.onError(() => Effect.ignore(discard))
      )
    }),
    check: Effect.fnUntraced(function* (key) {
      const path = `${pathOf(key)}/drive.db`
      const isThere = Effect.gen(function* () {
        return (yield* fs.exists(path)) && (yield* fs.stat(path)).size > 0n
      })
      if (yield* DriveFolderError.fromPlatform(pathOf(key))(isThere)) return
      const message = `${pathOf(key)} is not an embedded drive: its drive.db is missing or empty. Restore the folder from a copy, or remove it.`
      return yield* new DriveFolderError({ reason: "NotADrive", dir: pathOf(key), message })
    }),
    known: (key) => Option.getOrUndefined(decode(read.get(settingOf(key))?.value)),
    remember: (key, drive) => void write.run(settingOf(key), encode(drive))
  }
}

/**
 * A drive's folder, opened: DIR/drive.db (metadata), DIR/content (one immutable file per content), DIR/token (the bearer
 * token of this drive's owner, mode 0600), DIR/tls (the certificate authority, once TLS was asked for), DIR/drives (folders
 * of further drives, which have no token of their own). One process at a time: the database stays locked while it is open.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import { Context, Effect, FileSystem, Layer, type Scope } from "effect"
import { makePrivateDirectory } from "../platform/Directories.ts"
import * as Sqlite from "../platform/Sqlite.ts"
import { DriveFolderError } from "./DriveFolderError.ts"
import { type DriveLabel, type NewDrive, settle } from "./DriveLabel.ts"
import type { DriveKind, IdStyle } from "./ItemTags.ts"
import { migrations } from "./migrations.ts"

/** "OMdr", in the header of every drive.db. */
const applicationId = 0x4f4d6472

export { DriveFolderError } from "./DriveFolderError.ts"
export type { DriveLabel, NewDrive } from "./DriveLabel.ts"

export class DriveStore extends Context.Service<
  DriveStore,
  {
    readonly dir: string
    readonly db: Sqlite.Database
    readonly contentDir: string
    /** Personal: 16 lower-case hex digits. Business: "b!" and 64 characters of base64url. */
    readonly driveId: string
    readonly kind: DriveKind
    readonly ids: IdStyle
    readonly label: DriveLabel
    /** Where its URLs without a token start: different for each drive that a process serves. */
    readonly transferRoot: string
    /** Signs pre-authenticated URLs. */
    readonly secret: Uint8Array
    /** The owner's bearer token, also in DIR/token. */
    readonly token: string
  }
>()("onemount/graph-server/DriveStore") {
  /** `wanted` is for a new drive; an old one of another kind is refused. */
  static readonly layer = (dir: string, wanted: NewDrive = {}) =>
    Layer.effect(DriveStore, openFolder(dir, wanted, transferPrefix))
  /** Nothing outlives the scope; content lives in a temporary folder. */
  static readonly layerMemory = (wanted: NewDrive = {}) => Layer.effect(DriveStore, openMemory(wanted, transferPrefix))
  /** One of the further drives of a process, in DIR/drives/`key` where DIR is that of the first; in memory it is new. */
  static readonly layerFurther = (first: DriveStore["Service"], key: string, wanted: NewDrive = {}) => {
    const root = `${transferPrefix}drives/${key}/`
    const inMemory = first.db.path === ":memory:"
    return Layer.effect(
      DriveStore,
      inMemory ? openMemory(wanted, root) : openFolder(`${first.dir}/drives/${key}`, wanted, root, first.token)
    )
  }
  /** Makes the folder of a further drive, and closes it again. */
  static readonly makeFurther = (first: DriveStore["Service"], dir: string, wanted: NewDrive) =>
    Effect.asVoid(Effect.scoped(openFolder(dir, wanted, transferPrefix, first.token)))
}

/** Below this, URLs carry their own permission. */
export const transferPrefix = "/transfer/"

const openMemory = Effect.fnUntraced(function* (wanted: NewDrive, transferRoot: string) {
  const fs = yield* FileSystem.FileSystem
  const dir = yield* Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "onemount-drive-" }))
  const db = yield* openDatabase(dir, ":memory:")
  return yield* finish(dir, db, { token: randomBytes(24).toString("base64url"), transferRoot }, wanted)
})

const openFolder = Effect.fnUntraced(function* (
  dir: string,
  wanted: NewDrive,
  transferRoot: string,
  sharedToken?: string
) {
  const fs = yield* FileSystem.FileSystem
  const unusable = DriveFolderError.fromPlatform(dir)
  yield* unusable(checkFolder(fs, dir))
  yield* makeFolder(dir)
  // Made before SQLite would make it, readable by the owner only; its companion files take over the mode.
  yield* unusable(fs.writeFile(`${dir}/drive.db`, new Uint8Array(0), { flag: "a", mode: 0o600 }))
  const db = yield* openDatabase(dir, `${dir}/drive.db`)
  const token = sharedToken ?? (yield* unusable(loadToken(fs, `${dir}/token`)))
  return yield* finish(dir, db, { token, transferRoot }, wanted)
})

const makeFolder = (dir: string): Effect.Effect<void, DriveFolderError> =>
  Effect.try({
    try: () => makePrivateDirectory(dir),
    catch: (cause) => {
      const message = `${dir} cannot be made for an embedded drive: ${cause instanceof Error ? cause.message : String(cause)}`
      return new DriveFolderError({ reason: "Unusable", dir, message })
    }
  })

/** A folder that is absent, empty, or holds a drive.db is welcome. */
const checkFolder = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, dir: string) {
  if (!(yield* fs.exists(dir))) return
  const info = yield* fs.stat(dir)
  const entries = info.type === "Directory" ? yield* fs.readDirectory(dir) : []
  if (info.type === "Directory" && entries.length === 0) return
  if (entries.includes("drive.db")) return yield* checkDatabase(fs, dir)
  const what = info.type === "Directory" ? "holds other files and no drive.db" : "is not a folder"
  const message = `${dir} is not an embedded drive: it ${what}. Choose an empty folder or one made by onemount.`
  return yield* new DriveFolderError({ reason: "NotADrive", dir, message })
})

/** An empty database would be filled as that of a new drive, and all content swept as belonging to nobody. */
const checkDatabase = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, dir: string) {
  const content = `${dir}/content`
  if ((yield* fs.stat(`${dir}/drive.db`)).size > 0n || !(yield* fs.exists(content))) return
  if ((yield* fs.readDirectory(content)).length === 0) return
  const message = `${dir} is damaged: its drive.db is empty. Restore it from a copy, or move the folder away and start anew.`
  return yield* new DriveFolderError({ reason: "Damaged", dir, message })
})

const openDatabase = (dir: string, path: string): Effect.Effect<Sqlite.Database, DriveFolderError, Scope.Scope> =>
  Effect.gen(function* () {
    const db = yield* Sqlite.open({ path, migrations, applicationId, busyTimeout: 100, check: true })
    yield* db.try(() => db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT"))
    return db
  }).pipe(Effect.mapError((error) => folderError(dir, error)))

const folderError = (dir: string, error: Sqlite.SqliteError): DriveFolderError => {
  const fail = (reason: DriveFolderError["reason"], message: string) => new DriveFolderError({ reason, dir, message })
  switch (error.reason) {
    case "Newer":
      return fail(
        "Newer",
        `${dir} was made by a newer version of onemount: ${error.message}. Update onemount to use it.`
      )
    case "Foreign":
      return fail("NotADrive", `${dir} is not an embedded drive: ${error.message}`)
    case "NotADatabase":
    case "Corrupt":
      return fail(
        "Damaged",
        `${dir} is damaged: ${error.message}. Restore it from a copy, or move it away and start anew.`
      )
    case "Busy":
      return fail("InUse", `${dir} is in use by another process. Stop that one first, or choose another folder.`)
    default:
      return fail("Unusable", `${dir} cannot be used for an embedded drive: ${error.message}`)
  }
}

const loadToken = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, path: string) {
  if (yield* fs.exists(path)) {
    const token = (yield* fs.readFileString(path)).trim()
    if (token !== "") return token
  }
  const token = randomBytes(24).toString("base64url")
  yield* fs.writeFileString(path, `${token}\n`, { mode: 0o600 })
  return token
})

const finish = Effect.fnUntraced(function* (
  dir: string,
  db: Sqlite.Database,
  rest: { readonly token: string; readonly transferRoot: string },
  wanted: NewDrive
) {
  const fs = yield* FileSystem.FileSystem
  const contentDir = `${dir}/content`
  yield* DriveFolderError.fromPlatform(dir)(fs.makeDirectory(contentDir, { recursive: true, mode: 0o700 }))
  const settled = yield* Effect.orDie(db.try(() => settle(db, wanted)))
  const { kind, ids } = settled
  if ((wanted.kind ?? kind) !== kind || (wanted.ids ?? ids) !== ids) {
    const asked = `${wanted.kind ?? kind} one with ${wanted.ids ?? ids} ids`
    const message = `${dir} is a ${kind} drive with ${ids} ids and cannot become a ${asked}. Choose another folder.`
    return yield* new DriveFolderError({ reason: "Unusable", dir, message })
  }
  const setting = makeSetting(db)
  const [driveId, secret] = yield* Effect.orDie(db.try(() => [setting("drive_id"), setting("secret")] as const))
  return DriveStore.of({ dir, db, contentDir, driveId, ...settled, secret: Buffer.from(secret, "hex"), ...rest })
})

const makeSetting = (db: Sqlite.Database): ((key: string) => string) => {
  const read = db.prepare<{ readonly value: string }>("SELECT value FROM settings WHERE key = ?")
  return (key) => read.get(key)?.value ?? ""
}

/** SHA-256 of text in UTF-8, 32 bytes. */
export const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest()

/** Compares secrets without telling by the time it takes where they differ. */
export const secretEquals = (a: string, b: string): boolean => timingSafeEqual(sha256(a), sha256(b))

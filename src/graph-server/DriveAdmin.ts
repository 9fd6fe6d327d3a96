/**
 * The drive from outside: changes by path on the same model, as another client or the service itself makes them. What is
 * changed here has new tags and shows up in delta. Paths are absolute and separated by "/"; "/" is the root.
 */
import { Clock, Context, Effect, Layer, Stream } from "effect"
import { type ApiError, attempt, invalidRequest } from "./ApiError.ts"
import type { ConflictBehavior, ItemTimes } from "./Change.ts"
import { ContentFiles } from "./ContentFiles.ts"
import { DeltaLog } from "./DeltaLog.ts"
import { DriveModel } from "./DriveModel.ts"
import { DriveStore } from "./DriveStore.ts"
import type { ConnectionCut, ResyncKind } from "./Exchange.ts"
import type { ItemRow } from "./ItemTable.ts"

/** An item as tests and people look at it. */
export interface DriveEntry {
  readonly path: string
  readonly kind: "file" | "folder"
  readonly id: string
  /** Bytes; of a folder, of everything below it. */
  readonly size: number
  /** quickXorHash; null for folders. */
  readonly hash: string | null
  readonly eTag: string
  /** Empty where there is none: folders of business drives. */
  readonly cTag: string
  /** fileSystemInfo.lastModifiedDateTime, milliseconds since the epoch. */
  readonly modified: number
}

export class DriveAdmin extends Context.Service<
  DriveAdmin,
  {
    /** The id that API paths use: /drives/{driveId}. */
    readonly driveId: string
    /** Whether nothing was ever put on it. */
    readonly isNew: Effect.Effect<boolean, ApiError>
    /** Fails with 409 when the name is taken. */
    createFolder(path: string, times?: ItemTimes): Effect.Effect<DriveEntry, ApiError>
    /** A OneNote notebook, or the Personal Vault. */
    createMarker(path: string, facet: "package" | "vault"): Effect.Effect<DriveEntry, ApiError>
    /** Creates a file, 409 when the name is taken. */
    putFile(path: string, content: Uint8Array | string, times?: ItemTimes): Effect.Effect<DriveEntry, ApiError>
    /** New content for a file that exists. */
    replace(path: string, content: Uint8Array | string, times?: ItemTimes): Effect.Effect<DriveEntry, ApiError>
    rename(path: string, name: string): Effect.Effect<DriveEntry, ApiError>
    /** Moves into the folder `parent`, keeping the name. */
    move(path: string, parent: string): Effect.Effect<DriveEntry, ApiError>
    delete(path: string): Effect.Effect<void, ApiError>
    stat(path: string): Effect.Effect<DriveEntry, ApiError>
    read(path: string): Effect.Effect<Uint8Array, ApiError | ConnectionCut>
    /** Everything below the path, parents first, siblings by name. */
    tree(path?: string): Effect.Effect<ReadonlyArray<DriveEntry>, ApiError>
    /** Bytes. */
    setQuota(total: number): Effect.Effect<void, ApiError>
    /** From now on all delta tokens given out so far answer 410. */
    expireDeltaTokens(kind?: ResyncKind): Effect.Effect<void, ApiError>
  }
>()("onemount/graph-server/DriveAdmin") {
  static readonly layer = Layer.effect(
    DriveAdmin,
    Effect.gen(function* () {
      return makeAdmin(yield* DriveStore, yield* DriveModel, yield* ContentFiles, yield* DeltaLog)
    })
  )
}

const namesOf = (path: string): ReadonlyArray<string> => path.split("/").filter((name) => name !== "")

const makeAdmin = (
  { db }: DriveStore["Service"],
  model: DriveModel["Service"],
  contents: ContentFiles["Service"],
  delta: DeltaLog["Service"]
): DriveAdmin["Service"] => {
  const setQuota = db.prepare("UPDATE settings SET value = ? WHERE key = 'quota'")
  const find = (path: string): ItemRow => model.resolve(model.table.root(), namesOf(path))

  /** The folder that holds, or will hold, the last name of the path. */
  const place = (path: string) => {
    const names = namesOf(path)
    const name = names.at(-1)
    if (name === undefined) throw invalidRequest("The root of the drive cannot be changed.")
    return { parent: model.resolve(model.table.root(), names.slice(0, -1)).id, name }
  }

  const entry = (row: ItemRow, path: string): DriveEntry => ({
    path,
    kind: row.kind,
    id: model.tags.id(row.id),
    size: row.size,
    hash: row.hash,
    eTag: model.tags.eTag(row),
    cTag: model.tags.cTag(row) ?? "",
    modified: row.fs_modified
  })

  const entryOf = (row: ItemRow): DriveEntry => entry(row, `/${model.pathOf(row).join("/")}`)

  const write = Effect.fnUntraced(function* (
    path: string,
    content: Uint8Array | string,
    times: ItemTimes,
    conflict: ConflictBehavior
  ) {
    const now = yield* Clock.currentTimeMillis
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
    const size = { limit: bytes.length, expected: bytes.length }
    return yield* contents.store(Stream.succeed(bytes), size, (stored) =>
      attempt(() => entryOf(model.putContent(place(path), stored, { now, conflict, times }).item))
    )
  })

  const update = (path: string, patch: () => Parameters<typeof model.update>[1]) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      attempt(() => entryOf(model.update(find(path).id, patch(), { now, conflict: "fail" })))
    )

  const descend = (folder: ItemRow, path: string, into: Array<DriveEntry>): void => {
    for (const child of model.table.children(folder.id, "", folder.children)) {
      const childPath = `${path}/${child.name}`
      into.push(entry(child, childPath))
      if (child.kind === "folder") descend(child, childPath, into)
    }
  }

  return DriveAdmin.of({
    driveId: model.driveId,
    isNew: attempt(() => model.table.lastChange() === model.table.root().change && model.table.root().children === 0),
    createFolder: (path, times = {}) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        attempt(() => {
          const { parent, name } = place(path)
          return entryOf(model.createFolder(parent, name, { now, conflict: "fail", times }).item)
        })
      ),
    createMarker: (path, facet) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        attempt(() => {
          const { parent, name } = place(path)
          return entryOf(model.createMarker(parent, name, { facet, kind: "folder" }, { now, conflict: "fail" }))
        })
      ),
    putFile: (path, content, times = {}) => write(path, content, times, "fail"),
    replace: (path, content, times = {}) =>
      Effect.andThen(
        attempt(() => find(path)),
        write(path, content, times, "replace")
      ),
    rename: (path, name) => update(path, () => ({ name })),
    move: (path, parent) => update(path, () => ({ parent: find(parent).id })),
    delete: (path) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.andThen(
          attempt(() => model.remove(find(path).id, { now })),
          contents.sweep(now)
        )
      ),
    stat: (path) => attempt(() => entryOf(find(path))),
    read: Effect.fnUntraced(function* (path) {
      const row = yield* attempt(() => find(path))
      if (row.content === null) return yield* invalidRequest("A folder has no content.")
      const chunks = yield* Stream.runCollect(contents.read(row.content, { offset: 0, length: row.size }))
      return Buffer.concat(chunks)
    }),
    tree: (path = "/") =>
      attempt(() => {
        const entries: Array<DriveEntry> = []
        const folder = find(path)
        const names = model.pathOf(folder)
        descend(folder, names.length === 0 ? "" : `/${names.join("/")}`, entries)
        return entries
      }),
    setQuota: (total) => Effect.asVoid(attempt(() => setQuota.run(String(total)))),
    expireDeltaTokens: (kind = "resyncApplyDifferences") => attempt(() => delta.expireTokens(kind))
  })
}

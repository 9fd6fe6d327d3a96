/**
 * A content store over the real tree, database and content table in a temporary directory, without a mount: kernel
 * reads and writes are the table's own `read` and `write`.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ContentId } from "@onemount/fuse-native"
import { Effect, Layer, Queue } from "effect"
import { ContentStore, type ContentStoreOptions, type Fetch } from "../../src/content/ContentStore.ts"
import { Events } from "../../src/events/Events.ts"
import { type DriveItem, ItemId } from "../../src/graph/DriveItem.ts"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import { type Ino, type Item, rootIno } from "../../src/tree/Item.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import { Tree } from "../../src/tree/Tree.ts"

export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-content-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

export interface Options extends Partial<Omit<ContentStoreOptions, "directory">> {
  /** Folder of the database; default the store's. */
  readonly database?: string
}

/** One run of the daemon's lower half on `directory`. */
export const storeLayer = (directory: string, { database = directory, ...options }: Options = {}) =>
  ContentStore.layer({ directory, limit: 1024 ** 3, window: 0, maxWait: 0, ...options }).pipe(
    Layer.provideMerge(Tree.layer),
    Layer.provideMerge(MountDatabase.layer({ path: join(database, "mount.db") })),
    Layer.provideMerge(Events.layer)
  )

export type Services = ContentStore | Tree | MountDatabase | Events

/** Runs `work` in a fresh start on `directory`, ended in order. */
export const run = <A, E>(directory: string, work: Effect.Effect<A, E, Services>, options: Options = {}) =>
  Effect.provide(work, Layer.fresh(storeLayer(directory, options)))

/** Runs `work` in one start on a directory of its own. */
export const inStore = <A, E>(work: (directory: string) => Effect.Effect<A, E, Services>, options?: Options) =>
  Effect.flatMap(temporaryDirectory, (directory) => run(directory, work(directory), options))

const time = { sec: 1_700_000_000, nsec: 0 }
const rootId = ItemId("root")

const remoteRoot: DriveItem = {
  id: rootId,
  name: "root",
  kind: "folder",
  isRoot: true,
  deleted: false,
  parentId: null,
  size: 0,
  eTag: "root-1",
  cTag: null,
  hash: null,
  created: time,
  modified: time,
  webUrl: null
}

export const remoteFile = (name: string, bytes: Uint8Array, version = 1): DriveItem => ({
  ...remoteRoot,
  id: ItemId(`id-${name}`),
  name,
  kind: "file",
  isRoot: false,
  parentId: rootId,
  size: bytes.length,
  eTag: `${name}-e${version}`,
  cTag: `${name}-c${version}`,
  hash: quickXorHash(bytes)
})

export const applyRemote = Effect.fnUntraced(function* (...items: ReadonlyArray<DriveItem>) {
  const tree = yield* Tree
  yield* tree.applyPage({ items: [remoteRoot, ...items], link: "link", caughtUp: true, enumeration: null })
})

/** A file the server has and this machine does not. */
export const ghost = Effect.fnUntraced(function* (name: string, bytes: Uint8Array) {
  yield* applyRemote(remoteFile(name, bytes))
  return yield* itemAt(`/${name}`)
})

export const itemAt = Effect.fnUntraced(function* (path: string) {
  const tree = yield* Tree
  const item = tree.resolve(path)
  return item ?? (yield* Effect.die(new Error(`no ${path}`)))
})

export const itemOf = Effect.fnUntraced(function* (ino: Ino) {
  const tree = yield* Tree
  const item: Item | undefined = tree.get(ino)
  return item ?? (yield* Effect.die(new Error(`no item ${ino}`)))
})

/** A new local file, empty. */
export const localFile = Effect.fnUntraced(function* (name: string) {
  const tree = yield* Tree
  return yield* tree.create(rootIno, { name, kind: "file", mode: 0o644, now: time, localOnly: false })
})

/** Bytes that differ at every place and by seed. */
export const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8) * 17 + seed * 101) & 0xff)

export const read = (content: ContentId, offset: number, length: number) =>
  Effect.flatMap(ContentStore, ({ table }) => Effect.tryPromise(() => table.read(content, offset, length)))

export const write = (content: ContentId, offset: number, bytes: Uint8Array) =>
  Effect.flatMap(ContentStore, ({ table }) => Effect.tryPromise(() => table.write(content, offset, bytes)))

/** Open, use, release. */
export const using = <A, E, R>(ino: Ino, use: (content: ContentId) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(ContentStore, (store) =>
    Effect.acquireUseRelease(
      store.open(ino),
      ({ content }) => use(content),
      ({ content }) => store.release(content)
    )
  )

/** The next fetch, within a limit. */
export const nextFetch: Effect.Effect<Fetch, unknown, ContentStore> = Effect.flatMap(ContentStore, ({ fetches }) =>
  Effect.timeout(Queue.take(fetches), "5 seconds")
)

/** Downloads everything that is missing from `bytes`. */
export const hydrate = (ino: Ino, bytes: Uint8Array) =>
  using(ino, (content) =>
    Effect.flatMap(ContentStore, (store) => Effect.andThen(store.fill(content, 0, bytes), store.verify(content)))
  )

/** Files below `directory`, relative; holes and folders do not count. */
export const filesIn = (directory: string): ReadonlyArray<string> =>
  existsSync(directory)
    ? readdirSync(directory, { recursive: true, encoding: "utf8" })
        .filter((name) => statSync(join(directory, name)).isFile())
        .toSorted()
    : []

/**
 * A device in a test: tree, content store, transfers and sync over a temporary directory, against an embedded drive
 * in the same process. Its hands do to the tree what the filesystem does for applications.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, basename, join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Clock, Effect, Layer, Option } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { Events } from "../../src/events/Events.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import type { GraphClient } from "../../src/graph/GraphClient.ts"
import { Sync, type SyncConfig } from "../../src/sync/Sync.ts"
import { Transfers } from "../../src/transfer/Transfers.ts"
import { type Item, rootIno } from "../../src/tree/Item.ts"
import { timeOf } from "../../src/tree/journalAlgebra.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import { Tree } from "../../src/tree/Tree.ts"
import { eventually, passing } from "../transfer/clock.ts"
import { layerClient } from "../transfer/memory.ts"

export { eventually, passing }

/** The embedded drive alone: what outlives the devices of a test. */
export const drive = (options?: GraphServer.DriveOptions) => GraphServer.layerMemory(options)

/** A directory that is gone with the scope. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-sync-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A device whose state is in `directory`; a second one over the same directory is the first after a restart. */
export const device = (
  directory: string,
  client: Layer.Layer<GraphClient, never, GraphServer.Services> = layerClient,
  config: Partial<SyncConfig> = {}
) =>
  Sync.layer(config).pipe(
    Layer.provideMerge(Transfers.layer()),
    Layer.provideMerge(ContentStore.layer({ directory: join(directory, "content"), limit: 2 ** 31, reserve: 0 })),
    Layer.provideMerge(Tree.layer),
    Layer.provideMerge(MountDatabase.layer({ path: join(directory, "tree.db") })),
    Layer.provideMerge(Layer.mergeAll(client, Events.layer)),
    Layer.provideMerge(NodeServices.layer)
  )

/** Runs `effect` on a fresh device and drive. */
export const onDevice = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(temporaryDirectory, (directory) => Effect.provide(effect, device(directory))).pipe(
    Effect.provide(drive())
  )

const now = Effect.map(Clock.currentTimeMillis, timeOf)

export const itemAt = (path: string): Effect.Effect<Item, never, Tree> =>
  Effect.flatMap(Tree, (tree) => {
    const item = tree.resolve(path)
    return item === undefined ? Effect.die(new Error(`${path} is not in the tree`)) : Effect.succeed(item)
  })

export const exists = (path: string) => Effect.map(Tree, (tree) => tree.resolve(path) !== undefined)

/** mknod or mkdir. */
export const create = Effect.fnUntraced(function* (path: string, kind: "file" | "directory") {
  const parent = yield* itemAt(dirname(path))
  const options = {
    name: basename(path),
    kind,
    mode: kind === "file" ? 0o644 : 0o755,
    now: yield* now,
    localOnly: false
  }
  return yield* (yield* Tree).create(parent.ino, options)
})

export const mkdir = (path: string) => create(path, "directory")

/** open(O_CREAT | O_TRUNC), write, close. */
export const write = Effect.fnUntraced(function* (path: string, text: string | Uint8Array) {
  const tree = yield* Tree
  const content = yield* ContentStore
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text
  const item = tree.resolve(path) ?? (yield* create(path, "file"))
  const opened = yield* content.open(item.ino)
  yield* content.truncate(item.ino, 0)
  yield* Effect.promise(() => content.table.write(opened.content, 0, bytes))
  yield* content.commit(opened.content)
  yield* content.release(opened.content)
})

/** open, write at an offset, close: the rest of the file stays. */
export const patch = Effect.fnUntraced(function* (path: string, offset: number, text: string) {
  const content = yield* ContentStore
  const { ino } = yield* itemAt(path)
  const opened = yield* content.open(ino)
  yield* Effect.promise(() => content.table.write(opened.content, offset, new TextEncoder().encode(text)))
  yield* content.commit(opened.content)
  yield* content.release(opened.content)
})

/** open, read all, close. */
export const read = Effect.fnUntraced(function* (path: string) {
  const content = yield* ContentStore
  const item = yield* itemAt(path)
  const opened = yield* content.open(item.ino)
  const size = content.live(item)?.size ?? item.size
  const bytes = yield* Effect.promise(() => content.table.read(opened.content, 0, size))
  yield* content.release(opened.content)
  return Buffer.from(bytes)
})

export const readText = (path: string) => Effect.map(read(path), (bytes) => bytes.toString("utf8"))

export const remove = Effect.fnUntraced(function* (path: string) {
  const { ino } = yield* itemAt(path)
  const tree = yield* Tree
  yield* tree.remove(ino, yield* now)
  yield* tree.forget(ino)
})

export const rename = Effect.fnUntraced(function* (from: string, to: string) {
  const tree = yield* Tree
  const { ino } = yield* itemAt(from)
  const { ino: parent } = yield* itemAt(dirname(to))
  const replaced = yield* tree.rename(ino, { parent, name: basename(to), localOnly: false, now: yield* now })
  if (Option.isSome(replaced)) yield* tree.forget(replaced.value.ino)
})

/** Everything is at the server and everything from there is here; dies with the reasons otherwise. */
export const settle = Effect.gen(function* () {
  const left = yield* passing((yield* Sync).flush(rootIno, 300_000))
  if (left.length > 0) return yield* Effect.die(new Error(`not synced: ${JSON.stringify(left)}`))
})

/** Polls until the device has seen everything. */
export const poll = Effect.gen(function* () {
  yield* passing((yield* Sync).poll)
})

/** Path and hash of all files, path of all folders, at the server. */
export const atServer = Effect.gen(function* () {
  const entries = yield* (yield* GraphServer.DriveAdmin).tree()
  return entries.map(({ hash, path }) => (hash === null ? `${path}/` : path)).toSorted()
})

/** The same, here. */
export const here = Effect.gen(function* () {
  const tree = yield* Tree
  const paths: Array<string> = []
  const visit = (folder: Item): void => {
    for (const item of tree.children(folder.ino, 0, 10_000)) {
      const path = tree.path(item.ino) ?? ""
      paths.push(item.kind === "directory" ? `${path}/` : path)
      if (item.kind === "directory") visit(item)
    }
  }
  visit(yield* itemAt("/"))
  return paths.toSorted()
})

export const textAtServer = (path: string) =>
  Effect.flatMap(GraphServer.DriveAdmin, (admin) =>
    Effect.map(admin.read(path), (bytes) => Buffer.from(bytes).toString("utf8"))
  )

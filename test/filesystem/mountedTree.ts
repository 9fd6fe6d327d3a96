/** The filesystem over a real tree and real bodies; the cloud is what the test says a listing brings. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Layer } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { Events } from "../../src/events/Events.ts"
import { Filesystem } from "../../src/filesystem/Filesystem.ts"
import type { FilesystemConfig } from "../../src/filesystem/FilesystemConfig.ts"
import { type DriveItem, ItemId } from "../../src/graph/DriveItem.ts"
import type { GraphError } from "../../src/graph/GraphError.ts"
import { Sync } from "../../src/sync/Sync.ts"
import type { Ino } from "../../src/tree/Item.ts"
import { rootIno } from "../../src/tree/Item.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import { Tree } from "../../src/tree/Tree.ts"
import type { TreeError } from "../../src/tree/TreeError.ts"

type Listing = Effect.Effect<ReadonlyArray<DriveItem>, GraphError>

/** What the server would answer, by directory; a directory that is not here lists as empty. */
export class Cloud extends Context.Service<
  Cloud,
  {
    readonly listings: Map<Ino, Listing>
    /** Directories that were asked for, in order. */
    readonly asked: Array<Ino>
    quota: { readonly total: number; readonly used: number; readonly remaining: number } | null
  }
>()("onemount/test/filesystem/Cloud") {}

export const config: FilesystemConfig = {
  uid: 1000,
  gid: 1000,
  fileMode: 0o640,
  dirMode: 0o750,
  localPatterns: ["*.local"],
  listTimeout: 30_000
}

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-filesystem-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const sync = Layer.unwrap(
  Effect.gen(function* () {
    const tree = yield* Tree
    const cloud = yield* Cloud
    const loadChildren = Effect.fnUntraced(function* (directory: Ino): Effect.fn.Return<void, GraphError | TreeError> {
      cloud.asked.push(directory)
      yield* tree.applyChildren(directory, yield* cloud.listings.get(directory) ?? Effect.succeed([]))
    })
    return Layer.mock(Sync, { loadChildren, quota: Effect.sync(() => cloud.quota) })
  })
)

export const mountedTree = Layer.unwrap(
  Effect.map(temporaryFolder, (folder) =>
    Filesystem.layer(config).pipe(
      Layer.provideMerge(sync),
      Layer.provideMerge(ContentStore.layer({ directory: folder, limit: 10 ** 9 })),
      Layer.provideMerge(Tree.layer),
      Layer.provideMerge(MountDatabase.layer({ path: join(folder, "tree.db") })),
      Layer.provideMerge(Events.layer),
      Layer.provideMerge(Layer.sync(Cloud, () => ({ listings: new Map<Ino, Listing>(), asked: [], quota: null })))
    )
  )
)

const time = { sec: 1_700_000_000, nsec: 0 }
export const rootItem = ItemId("root")

/** An item as a listing brings it. */
export const remote = (name: string, change: Partial<DriveItem> = {}): DriveItem => ({
  id: ItemId(`id-${name}`),
  name,
  kind: "file",
  isRoot: false,
  deleted: false,
  parentId: rootItem,
  size: 1000,
  eTag: `"e-${name}"`,
  cTag: `"c-${name}"`,
  hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  created: time,
  modified: time,
  webUrl: null,
  ...change
})

/** Says what the root of the drive holds. */
export const atServer = Effect.fnUntraced(function* (...items: ReadonlyArray<DriveItem>) {
  const tree = yield* Tree
  const { listings } = yield* Cloud
  yield* tree.applyItem(remote("root", { id: rootItem, name: "root", kind: "folder", isRoot: true, parentId: null }))
  listings.set(rootIno, Effect.succeed(items))
})

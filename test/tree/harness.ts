/** A tree over a database in a temporary folder, and short words for what tests say about it. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer, type Scope } from "effect"
import { Events } from "../../src/events/Events.ts"
import { type DriveItem, ItemId, type Time } from "../../src/graph/DriveItem.ts"
import { HostName } from "../../src/tree/conflictName.ts"
import { ContentKey, type Ino, type Item, rootIno } from "../../src/tree/Item.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import { type RenameTarget, Tree } from "../../src/tree/Tree.ts"

export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-tree-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Tree, MountDatabase and Events over the database at `path`. */
export const layerAt = (path: string) =>
  Tree.layer.pipe(
    Layer.provideMerge(MountDatabase.layer({ path })),
    Layer.provideMerge(Events.layer),
    Layer.provide(Layer.succeed(HostName, "HOST"))
  )

/** Runs over the tree of a fresh database that is gone afterwards. */
export const inTree = <A, E>(
  body: (tree: Tree["Service"]) => Effect.Effect<A, E, Tree | MountDatabase | Events | Scope.Scope>
) =>
  Effect.scoped(
    Effect.flatMap(temporaryFolder, (folder) =>
      Effect.provide(Effect.flatMap(Tree, body), layerAt(join(folder, "onemount.db")))
    )
  )

export const at = (sec: number): Time => ({ sec, nsec: 0 })
export const now = at(1_800_000_000)
export const rootId = ItemId("root")

/** A driveItem of the server; `version` goes into eTag and, with `content`, into cTag and hash. */
export const remote = (
  id: string,
  name: string,
  options: {
    readonly parent?: string
    readonly kind?: DriveItem["kind"]
    readonly version?: number
    readonly content?: number
    readonly size?: number
    readonly modified?: Time
    readonly deleted?: boolean
  } = {}
): DriveItem => {
  const { parent = "root", kind = "file", version = 1, content = 1, size = 10, modified = at(1_700_000_000) } = options
  const file = kind === "file"
  return {
    id: ItemId(id),
    name: options.deleted === true ? "" : name,
    kind,
    isRoot: false,
    deleted: options.deleted ?? false,
    parentId: ItemId(parent),
    size: file ? size : 0,
    eTag: `${id}-e${version}`,
    cTag: file ? `${id}-c${content}` : null,
    hash: file ? `hash-${id}-${content}` : null,
    created: at(1_600_000_000),
    modified,
    webUrl: null
  }
}

export const folder = (id: string, name: string, parent = "root", version = 1): DriveItem =>
  remote(id, name, { parent, kind: "folder", version })

export const root: DriveItem = { ...remote("root", "root", { kind: "folder" }), isRoot: true, parentId: null }

/** An incremental page that catches up. */
export const page = (...items: ReadonlyArray<DriveItem>) => ({ items, link: "link", caughtUp: true, enumeration: null })

export const applyPage = (...items: ReadonlyArray<DriveItem>) =>
  Effect.flatMap(Tree, (tree) => tree.applyPage(page(...items)))

/** First enumeration with these items. */
export const enumerate = (...items: ReadonlyArray<DriveItem>) =>
  Effect.gen(function* () {
    const tree = yield* Tree
    const enumeration = yield* tree.beginEnumeration
    yield* tree.applyPage({ items: [root, ...items], link: "link", caughtUp: true, enumeration })
  })

export const find = (path: string): Effect.Effect<Item, never, Tree> =>
  Effect.map(Tree, (tree) => {
    const item = tree.resolve(path)
    if (item === undefined) throw new Error(`there is no ${path}`)
    return item
  })

export const makeFile = (name: string, parent: Ino = rootIno, localOnly = false) =>
  Effect.flatMap(Tree, (tree) => tree.create(parent, { name, kind: "file", mode: 0o644, now, localOnly }))

export const makeFolder = (name: string, parent: Ino = rootIno, localOnly = false) =>
  Effect.flatMap(Tree, (tree) => tree.create(parent, { name, kind: "directory", mode: 0o755, now, localOnly }))

/** The content store's part of an edit: a body for the item, complete or not. */
export const makeBody = (ino: Ino, complete = true, version: string | null = null) =>
  Effect.map(MountDatabase, ({ db }) => {
    const { lastInsertRowid } = db
      .prepare("INSERT INTO contents (ino, version, size, mtime_sec, mtime_nsec, complete) VALUES (?, ?, 0, 0, 0, ?)")
      .run(ino, version, Number(complete))
    return ContentKey(lastInsertRowid)
  })

/** Opens, writes and closes: a body of `size` bytes at `generation`. */
export const edit = (ino: Ino, generation: number, options: { size?: number; complete?: boolean; at?: number } = {}) =>
  Effect.gen(function* () {
    const tree = yield* Tree
    const content = tree.get(ino)?.content ?? (yield* makeBody(ino, options.complete ?? true))
    const bytes = new Uint8Array()
    const { size = 5, at: time = now.sec * 1000 } = options
    const commit = { content, size, mtime: now, generation, valid: bytes, dirty: bytes }
    yield* tree.beginEdit(ino, content)
    return yield* tree.commitContent(ino, commit, { now: time, window: 1_000, maxWait: 5_000 })
  })

export const move = (ino: Ino, name: string, options: Partial<RenameTarget> = {}) =>
  Effect.flatMap(Tree, (tree) => tree.rename(ino, { parent: rootIno, name, localOnly: false, now, ...options }))

/** The journal in words, in order of seq: `move a`, `delete b`. */
export const journal = Effect.map(Tree, (tree) =>
  tree.intentsBelow(rootIno).map((intent) => `${intent.kind} ${tree.get(intent.ino)?.name ?? "?"}`)
)

/** All paths of the namespace, sorted. */
export const paths = Effect.map(Tree, (tree) => {
  const found: Array<string> = []
  const visit = (ino: Ino): void => {
    for (const child of tree.children(ino, 0, 1_000_000)) {
      found.push(tree.path(child.ino) ?? "?")
      if (child.kind === "directory") visit(child.ino)
    }
  }
  visit(rootIno)
  return found.sort()
})

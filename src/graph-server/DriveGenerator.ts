/** Fills a new drive with a generated tree: rows only, contents are derived when they are read. */
import { Context, Effect, Layer } from "effect"
import { type ApiError, attempt, invalidRequest } from "./ApiError.ts"
import { derivedHash } from "./DerivedContent.ts"
import { foldName } from "./DriveName.ts"
import { DriveStore } from "./DriveStore.ts"
import { generateTree } from "./GeneratedTree.ts"
import { makeItemTable } from "./ItemTable.ts"

/** What a generated drive holds. */
export interface Generated {
  readonly items: number
  /** Bytes of all files. */
  readonly size: number
}

/** What to generate. */
export interface GenerateOptions {
  /** 1 to 10,000,000. */
  readonly items: number
  /** Default 1. */
  readonly seed?: number | undefined
}

const maxItems = 10_000_000

export class DriveGenerator extends Context.Service<
  DriveGenerator,
  {
    /**
     * Fails with 400 on a drive that holds anything. Blocks the thread while it works, about ten seconds per million
     * items; a process that dies meanwhile leaves an empty drive.
     */
    generate(options: GenerateOptions): Effect.Effect<Generated, ApiError>
  }
>()("onemount/graph-server/DriveGenerator") {
  static readonly layer = Layer.effect(
    DriveGenerator,
    Effect.map(DriveStore, (store) => DriveGenerator.of({ generate: (options) => attempt(() => fill(store, options)) }))
  )
}

/** Indexes that are cheaper to build at the end than to keep up with every row. */
const indexes = {
  items_name: "UNIQUE INDEX items_name ON items (parent, folded) WHERE deleted = 0",
  items_change: "UNIQUE INDEX items_change ON items (change)",
  items_content: "INDEX items_content ON items (content) WHERE content IS NOT NULL"
}

const fill = ({ db }: DriveStore["Service"], { items, seed = 1 }: GenerateOptions): Generated => {
  if (!Number.isInteger(items) || items < 1 || items > maxItems) {
    throw invalidRequest(`A generated drive has 1 to ${maxItems} items, not ${items}.`)
  }
  const table = makeItemTable(db, () => 0)
  const root = table.root()
  if (table.lastChange() > root.change) throw invalidRequest("Only an empty drive can be filled with a generated tree.")
  const tree = generateTree(items, seed)
  const first = root.id + 1
  return db.transaction(() => {
    for (const name of Object.keys(indexes)) db.exec(`DROP INDEX ${name}`)
    const content = db.prepare("INSERT INTO contents (id, size, hash, derived) VALUES (?, ?, ?, ?)")
    const insert = db.prepare(
      `INSERT INTO items (id, parent, name, folded, kind, size, children, content, hash, etag, ctag,
         created, modified, fs_created, fs_modified, deleted, change)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, 1, ?10, ?11, ?10, ?11, 0, ?12)`
    )
    for (let index = 0; index < items; index++) {
      const item = tree.item(index)
      const id = first + index
      const hash = item.kind === "file" ? derivedHash(item.key, item.size) : null
      if (hash !== null) content.run(id, item.size, hash, item.key)
      const parent = item.parent < 0 ? root.id : first + item.parent
      const { name, kind, size, children, created, modified } = item
      const reference = hash === null ? null : id
      const change = root.change + 1 + index
      insert.run(id, parent, name, foldName(name), kind, size, children, reference, hash, created, modified, change)
    }
    db.prepare("UPDATE items SET size = ?, children = ? WHERE id = ?").run(tree.size, tree.rootChildren, root.id)
    db.prepare("UPDATE settings SET value = max(CAST(value AS INTEGER), ?) WHERE key = 'quota'").run(2 * tree.size)
    for (const definition of Object.values(indexes)) db.exec(`CREATE ${definition}`)
    return { items, size: tree.size }
  })
}

/**
 * The tree against a model that is too simple to be wrong: what people do, and what a server says in pages. Claims:
 * names are unique by folded form, nothing contains itself, the journal is exactly the difference to the server, undone
 * changes leave no work, and any way of cutting the server's changes into pages ends at the server's tree.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { DriveItem } from "../../src/graph/DriveItem.ts"
import { fold } from "../../src/tree/fold.ts"
import { type Ino, type Item, rootIno } from "../../src/tree/Item.ts"
import { Tree } from "../../src/tree/Tree.ts"
import { edit, enumerate, folder, journal, now, remote, root, inTree } from "./harness.ts"

const Steps = Schema.Array(
  Schema.Struct({
    op: Schema.Literals(["createFile", "createFolder", "rename", "exchange", "remove", "edit", "touch"]),
    a: Schema.Int,
    b: Schema.Int,
    name: Schema.Literals(["a", "A", "b", "c", "ß"])
  })
)
type Step = (typeof Steps.Type)[number]

const pick = <A>(from: ReadonlyArray<A>, index: number): A | undefined => from[Math.abs(index % (from.length || 1))]

const initial: ReadonlyArray<DriveItem> = [
  folder("d", "d"),
  folder("e", "e", "d"),
  folder("x", "x"),
  remote("f", "a"),
  remote("g", "b", { parent: "d" }),
  remote("h", "c", { parent: "e" })
]
const home = new Map(initial.map((item) => [item.id as string, { parent: item.parentId as string, name: item.name }]))

/** An item in words that do not depend on the tree: server ids, names, and whether its content changed. */
interface Node {
  parent: Ino
  name: string
  readonly directory: boolean
  remote: string | null
  edits: number
  pending: boolean
}

class Model {
  readonly nodes = new Map<Ino, Node>()
  readonly deleted = new Set<string>()

  childrenOf(parent: Ino): ReadonlyArray<readonly [Ino, Node]> {
    return [...this.nodes].filter(([, node]) => node.parent === parent)
  }
  holder(parent: Ino, name: string): Ino | undefined {
    return this.childrenOf(parent).find(([, node]) => fold(node.name) === fold(name))?.[0]
  }
  contains(outer: Ino, inner: Ino): boolean {
    for (let at: Ino | undefined = inner; at !== undefined; at = this.nodes.get(at)?.parent)
      if (at === outer) return true
    return false
  }
  drop(ino: Ino): void {
    const id = this.nodes.get(ino)?.remote ?? null
    if (id !== null) this.deleted.add(id)
    this.nodes.delete(ino)
  }
  /** Expected journal: kind and, for each item, its server id or its inode. */
  work(): ReadonlyArray<string> {
    const found = [...this.deleted].map((id) => `delete ${id}`)
    for (const [ino, node] of this.nodes) {
      const base = node.remote === null ? undefined : home.get(node.remote)
      const parent = node.parent === rootIno ? "root" : (this.nodes.get(node.parent)?.remote ?? null)
      if (base === undefined) found.push(`create ${ino}`)
      else if (base.name !== node.name || base.parent !== parent) found.push(`move ${node.remote}`)
      if (node.pending) found.push(`content ${node.remote ?? ino}`)
    }
    return found.toSorted()
  }
}

const start = Effect.gen(function* () {
  const tree = yield* Tree
  yield* enumerate(...initial)
  const model = new Model()
  const visit = (parent: Ino): void => {
    for (const item of tree.children(parent, 0, 100)) {
      const { name, kind, remoteId } = item
      model.nodes.set(item.ino, {
        parent,
        name,
        directory: kind === "directory",
        remote: remoteId,
        edits: 0,
        pending: false
      })
      visit(item.ino)
    }
  }
  visit(rootIno)
  return model
})

/** Does the step to both; what the model refuses the tree has to refuse. */
const perform = Effect.fnUntraced(function* (model: Model, step: Step) {
  const tree = yield* Tree
  const inos = [...model.nodes.keys()]
  const folders = [rootIno, ...inos.filter((ino) => model.nodes.get(ino)?.directory === true)]
  const ino = pick(inos, step.a)
  const parent = pick(folders, step.b) ?? rootIno
  if (step.op === "createFile" || step.op === "createFolder") return yield* create(model, step, parent)
  const node = ino === undefined ? undefined : model.nodes.get(ino)
  if (ino === undefined || node === undefined) return
  switch (step.op) {
    case "rename":
      return yield* rename(model, ino, node, parent, step.name)
    case "exchange":
      return yield* exchange(model, ino, pick(inos, step.b) ?? ino)
    case "remove": {
      const fine = model.childrenOf(ino).length === 0
      yield* expectOk(tree.remove(ino, now), fine)
      if (fine) model.drop(ino)
      return
    }
    case "edit": {
      if (node.directory) return
      node.edits++
      node.pending = true
      return yield* edit(ino, node.edits)
    }
    case "touch":
      return yield* tree.setAttributes(ino, { mode: 0o600, now })
  }
})

const expectOk = <A, E, R>(effect: Effect.Effect<A, E, R>, fine: boolean) =>
  Effect.map(Effect.exit(effect), (exit) => {
    assert.strictEqual(exit._tag, fine ? "Success" : "Failure")
    return exit
  })

const create = Effect.fnUntraced(function* (model: Model, { op, name }: Step, parent: Ino) {
  const tree = yield* Tree
  const directory = op === "createFolder"
  const kind = directory ? "directory" : "file"
  const fine = model.holder(parent, name) === undefined
  const made = tree.create(parent, { name, kind, mode: 0o600, now, localOnly: false })
  const exit = yield* expectOk(made, fine)
  if (exit._tag === "Success") {
    model.nodes.set(exit.value.ino, { parent, name, directory, remote: null, edits: 0, pending: false })
  }
})

const rename = Effect.fnUntraced(function* (model: Model, ino: Ino, node: Node, parent: Ino, name: string) {
  const tree = yield* Tree
  const target = model.holder(parent, name)
  const other = target === undefined || target === ino ? undefined : model.nodes.get(target)
  const loops = model.contains(ino, parent)
  const replaceable =
    other === undefined || (other.directory === node.directory && model.childrenOf(target ?? rootIno).length === 0)
  const fine = !loops && replaceable
  yield* expectOk(tree.rename(ino, { parent, name, localOnly: false, now }), fine)
  if (!fine) return
  if (other !== undefined && target !== undefined) {
    const inherits = other.remote !== null && (node.remote === null || (!node.directory && node.pending))
    if (inherits) {
      if (node.remote !== null) model.deleted.add(node.remote)
      node.remote = other.remote
      other.remote = null
      node.pending = !node.directory
    }
    model.drop(target)
  }
  node.parent = parent
  node.name = name
})

const exchange = Effect.fnUntraced(function* (model: Model, a: Ino, b: Ino) {
  const tree = yield* Tree
  const [first, second] = [model.nodes.get(a), model.nodes.get(b)]
  if (first === undefined || second === undefined) return
  const fine = a === b || (!model.contains(a, b) && !model.contains(b, a))
  yield* expectOk(tree.exchange(a, b, now), fine)
  if (!fine) return
  const place = { parent: first.parent, name: first.name }
  Object.assign(first, { parent: second.parent, name: second.name })
  Object.assign(second, place)
})

const check = Effect.fnUntraced(function* (model: Model) {
  const tree = yield* Tree
  const seen: Array<string> = []
  const visit = (parent: Ino): void => {
    const children = tree.children(parent, 0, 1_000)
    assert.strictEqual(new Set(children.map((item) => fold(item.name))).size, children.length)
    for (const item of children) {
      seen.push(`${item.ino} ${parent} ${item.name}`)
      assert.strictEqual(tree.child(parent, item.name)?.ino, item.ino)
      visit(item.ino)
    }
  }
  visit(rootIno)
  const expected = [...model.nodes].map(([ino, node]) => `${ino} ${node.parent} ${node.name}`)
  assert.deepStrictEqual(seen.toSorted(), expected.toSorted())
  const intents = tree.intentsBelow(rootIno)
  const words = intents.map(({ kind, ino }) => `${kind} ${tree.get(ino)?.remoteId ?? ino}`)
  assert.deepStrictEqual(words.toSorted(), model.work())
  assert.strictEqual(tree.summary().intents, intents.length)
  assert.strictEqual(tree.pendingDeletes(), model.deleted.size)
  assert.strictEqual(tree.counts().items, model.nodes.size)
})

describe("the tree and its model", () => {
  it.effect.prop(
    "agree after every step",
    [Steps],
    ([steps]) =>
      inTree(() =>
        Effect.gen(function* () {
          const model = yield* start
          for (const step of steps) {
            yield* perform(model, step)
            yield* check(model)
          }
        })
      ),
    { timeout: 60_000, arbitrary: { runs: 150, size: 25 } }
  )

  it.effect.prop(
    "agree that undone moves are no work",
    [Steps],
    ([steps]) =>
      inTree((tree) =>
        Effect.gen(function* () {
          const model = yield* start
          const inPlace = new Map([...model.nodes].map(([ino, node]) => [ino, { ...node }]))
          for (const step of steps) {
            const target = pick([rootIno, ...model.nodes.keys()], step.b) ?? rootIno
            const free = model.holder(target, step.name) === undefined
            if (step.op === "exchange" || (step.op === "rename" && free)) yield* perform(model, step)
          }
          yield* check(model)
          // Out of each other's way first, then home, outer folders before what they hold.
          for (const [ino] of inPlace) {
            if (model.nodes.has(ino))
              yield* tree.rename(ino, { parent: rootIno, name: `${ino}`, localOnly: false, now })
          }
          for (const [ino, { parent, name }] of inPlace) {
            if (model.nodes.has(ino)) yield* tree.rename(ino, { parent, name, localOnly: false, now })
          }
          const left = yield* journal
          assert.deepStrictEqual(
            left.filter((words) => model.deleted.size === 0 || !words.startsWith("delete")),
            []
          )
        })
      ),
    { timeout: 60_000, arbitrary: { runs: 100, size: 20 } }
  )
})

const ServerSteps = Schema.Array(
  Schema.Struct({
    op: Schema.Literals(["createFile", "createFolder", "move", "write", "delete"]),
    a: Schema.Int,
    b: Schema.Int,
    name: Schema.Literals(["a", "A", "b", "c"])
  })
)
const Cuts = Schema.Struct({
  rounds: Schema.Array(Schema.Int),
  pageSize: Schema.Literals([1, 2, 3, 50]),
  order: Schema.Int,
  twice: Schema.Boolean,
  deepDeletes: Schema.Boolean
})

class Server {
  readonly items = new Map<string, DriveItem>(initial.map((item) => [item.id, item]))
  /** Ids in the order of their last change; deleted ones as they were. */
  readonly log: Array<string> = []
  private count = 0

  private readonly deepDeletes: boolean

  constructor(deepDeletes: boolean) {
    this.deepDeletes = deepDeletes
  }

  private children(parent: string): ReadonlyArray<DriveItem> {
    return [...this.items.values()].filter((item) => item.parentId === parent)
  }
  private free(parent: string, name: string, self: string): boolean {
    return this.children(parent).every((item) => item.id === self || fold(item.name) !== fold(name))
  }
  private isWithin(id: string, outer: string): boolean {
    for (let at: string | null = id; at !== null; at = this.items.get(at)?.parentId ?? null)
      if (at === outer) return true
    return false
  }
  private put(item: DriveItem): void {
    this.count++
    this.items.set(item.id, { ...item, eTag: `e${this.count}` })
    this.log.push(item.id)
  }
  private remove(id: string, top: boolean): void {
    for (const child of this.children(id)) this.remove(child.id, false)
    this.items.delete(id)
    if (top || this.deepDeletes) this.log.push(id)
  }
  apply({ op, a, b, name }: (typeof ServerSteps.Type)[number]): void {
    const all = [...this.items.values()]
    const parent = pick(["root", ...all.filter((item) => item.kind === "folder").map((item) => item.id)], b) ?? "root"
    const item = pick(all, a)
    if (op === "createFile" || op === "createFolder") {
      const id = `i${this.count + 1}`
      const kind = op === "createFile" ? "file" : "folder"
      if (this.free(parent, name, id)) this.put(remote(id, name, { parent, kind }))
    } else if (item === undefined) return
    else if (op === "delete") this.remove(item.id, true)
    else if (op === "write" && item.kind === "file") {
      this.put({ ...item, cTag: `c${this.count}`, hash: `h${this.count}`, size: this.count })
    } else if (op === "move" && !this.isWithin(parent, item.id) && this.free(parent, name, item.id)) {
      this.put({
        ...remote(item.id, name, { parent, kind: item.kind }),
        cTag: item.cTag,
        hash: item.hash,
        size: item.size
      })
    }
  }
  /** What delta says about the changes since a position of the log. */
  since(position: number): ReadonlyArray<DriveItem> {
    return [...new Set(this.log.slice(position))].map((id) => this.items.get(id) ?? remote(id, "", { deleted: true }))
  }
}

const shuffled = <A>(items: ReadonlyArray<A>, seed: number): ReadonlyArray<A> =>
  items
    .map((item, index) => ({ item, key: ((index + 1) * 7919 * (Math.abs(seed) + 1)) % 104_729 }))
    .toSorted((x, y) => x.key - y.key)
    .map(({ item }) => item)

const applyRound = Effect.fnUntraced(function* (items: ReadonlyArray<DriveItem>, cuts: typeof Cuts.Type) {
  const tree = yield* Tree
  const mixed = shuffled(items, cuts.order)
  for (let at = 0; at === 0 || at < mixed.length; at += cuts.pageSize) {
    const caughtUp = at + cuts.pageSize >= mixed.length
    yield* tree.applyPage({ items: mixed.slice(at, at + cuts.pageSize), link: `${at}`, caughtUp, enumeration: null })
  }
})

describe("delta", () => {
  it.effect.prop(
    "ends at the server's tree however it is cut, ordered and repeated",
    [ServerSteps, Cuts],
    ([steps, cuts]) =>
      inTree((tree) =>
        Effect.gen(function* () {
          yield* enumerate(...initial)
          const server = new Server(cuts.deepDeletes)
          const ends = new Set(cuts.rounds.map((end) => Math.abs(end % (steps.length || 1))))
          let position = 0
          for (const [index, step] of steps.entries()) {
            server.apply(step)
            if (!ends.has(index) && index < steps.length - 1) continue
            const items = server.since(position)
            yield* applyRound(items, cuts)
            if (cuts.twice) yield* applyRound(items, cuts)
            position = server.log.length
          }
          const found: Array<string> = []
          const visit = (folderItem: Item): void => {
            for (const item of tree.children(folderItem.ino, 0, 1_000)) {
              found.push([item.remoteId, folderItem.remoteId, item.name, item.eTag, item.cTag, item.size].join(" "))
              visit(item)
            }
          }
          const top = tree.get(rootIno)
          if (top !== undefined) visit(top)
          const expected = [...server.items.values()].map((item) =>
            [item.id, item.parentId, item.name, item.eTag, item.cTag, item.size].join(" ")
          )
          assert.deepStrictEqual(found.toSorted(), expected.toSorted())
          assert.deepStrictEqual(yield* journal, [])
          assert.strictEqual(top?.remoteId, root.id)
        })
      ),
    { timeout: 60_000, arbitrary: { runs: 150, size: 30 } }
  )
})

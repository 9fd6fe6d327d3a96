import type { NodeId } from "@onemount/fuse-native"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { NodeTable } from "../../src/fuse/NodeTable.ts"
import { fold } from "../../src/tree/fold.ts"
import { Ino, rootIno } from "../../src/tree/Item.ts"
import { FakeKernel } from "./FakeKernel.ts"

const node = (value: number) => value as NodeId
const make = (negatives = 100) => {
  const kernel = new FakeKernel()
  const nodes = new NodeTable({ fold, negatives, kernel: () => kernel })
  /** As the binding: it counts, and tells of nodes that are not held any more. */
  const forget = (held: NodeId, count: number) => {
    if (kernel.forget(held, count)) nodes.forget(held)
  }
  return { kernel, nodes, forget, lookedUp: (held: NodeId) => kernel.lookedUp(held) }
}

describe("NodeTable", () => {
  it("names inodes by their own number until something else is needed", () => {
    const { nodes, lookedUp } = make()
    assert.strictEqual(nodes.current(rootIno), node(1))
    assert.strictEqual(nodes.current(Ino(7)), node(7))
    assert.strictEqual(nodes.ino(node(7)), Ino(7))
    assert.isFalse(nodes.knows(node(7)))
    lookedUp(node(7))
    assert.isTrue(nodes.knows(node(7)))
    assert.isFalse(nodes.isStale(node(7)))
  })

  it("gives replaced content a new node while the old one is held, and the number back afterwards", () => {
    const { nodes, lookedUp, forget } = make()
    assert.isFalse(nodes.replace(Ino(7)), "the kernel has nothing to replace")
    assert.strictEqual(nodes.current(Ino(7)), node(7))
    lookedUp(node(7))
    assert.isTrue(nodes.replace(Ino(7)))
    const second = nodes.current(Ino(7))
    assert.notStrictEqual(second, node(7))
    assert.strictEqual(nodes.ino(second), Ino(7))
    assert.isTrue(nodes.isStale(node(7)))
    assert.isFalse(nodes.isStale(second))
    lookedUp(second)
    forget(second, 1)
    assert.strictEqual(nodes.current(Ino(7)), second, "the old node is still held under the inode's number")
    forget(node(7), 1)
    assert.strictEqual(nodes.current(Ino(7)), node(7))
    assert.strictEqual(nodes.extras, 0)
  })

  it("gives other spellings nodes of their own, the same for the same spelling", () => {
    const { nodes, lookedUp, forget } = make()
    lookedUp(node(7))
    assert.isFalse(nodes.hasAliases)
    const upper = nodes.alias(Ino(7), "README")
    assert.strictEqual(nodes.alias(Ino(7), "README"), upper)
    assert.notStrictEqual(nodes.alias(Ino(7), "Readme"), upper)
    assert.isTrue(nodes.isAlias(upper))
    assert.includeMembers([...nodes.nodes(Ino(7))], [node(7), upper])
    lookedUp(upper)
    nodes.replace(Ino(7))
    assert.isTrue(nodes.isStale(upper))
    assert.notStrictEqual(nodes.alias(Ino(7), "README"), upper)
    forget(upper, 1)
    forget(node(7), 1)
    assert.strictEqual(nodes.current(Ino(7)), node(7))
  })

  it("keeps a node that was handed out again before it was heard that it was forgotten", () => {
    const { nodes, kernel, lookedUp } = make()
    const upper = nodes.alias(Ino(7), "README")
    lookedUp(upper)
    kernel.forget(upper, 1)
    lookedUp(upper)
    nodes.forget(upper)
    assert.strictEqual(nodes.alias(Ino(7), "README"), upper)
    kernel.forget(upper, 1)
    nodes.forget(upper)
    assert.isFalse(nodes.hasAliases)
    assert.strictEqual(nodes.extras, 0)
  })

  it("remembers absent names by folded name and hands out every other spelling once", () => {
    const { nodes } = make()
    nodes.absent(node(1), "Foo")
    nodes.absent(node(1), "foo")
    nodes.absent(node(2), "FOO")
    assert.deepStrictEqual(nodes.present(node(1), "foo"), [{ parent: node(1), name: "Foo" }])
    assert.deepStrictEqual(nodes.present(node(1), "FOO"), [])
    assert.deepStrictEqual(nodes.present(node(2), "foo"), [{ parent: node(2), name: "FOO" }])
  })

  it("gives up the oldest absent names by invalidating them", () => {
    const { nodes } = make(2)
    nodes.absent(node(1), "a")
    nodes.absent(node(1), "b")
    assert.deepStrictEqual(nodes.takeEvicted(), [])
    nodes.absent(node(1), "A")
    nodes.absent(node(1), "c")
    assert.deepStrictEqual(nodes.takeEvicted(), [{ parent: node(1), name: "b" }])
    assert.deepStrictEqual(nodes.takeEvicted(), [])
  })

  it.effect.prop("agrees with a model over random lookups, forgets and replacements", [Steps], ([steps]) =>
    Effect.sync(() => compare(steps))
  )
})

const Steps = Schema.Array(
  Schema.Struct({
    kind: Schema.Literals(["lookup", "alias", "forget", "replace"]),
    ino: Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 4 })),
    pick: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
  })
)

/** The model: what the kernel holds, node by node, and which version of which inode each node was handed out for. */
const compare = (steps: typeof Steps.Type): void => {
  const { nodes, kernel, lookedUp, forget } = make()
  const held = new Map<NodeId, { ino: Ino; version: number; count: number }>()
  const versions = new Map<Ino, number>()
  const used = new Map<NodeId, Ino>()
  for (const { kind, pick, ...step } of steps) {
    const ino = Ino(step.ino)
    const version = versions.get(ino) ?? 0
    if (kind === "lookup" || kind === "alias") {
      const found = kind === "lookup" ? nodes.current(ino) : nodes.alias(ino, `spelling ${pick}`)
      const known = held.get(found)
      assert.strictEqual(known?.version ?? version, version, "a node shows one version for as long as it is held")
      assert.strictEqual(used.get(found) ?? ino, ino, "a node id never changes its inode")
      used.set(found, ino)
      lookedUp(found)
      held.set(found, { ino, version, count: (known?.count ?? 0) + 1 })
    } else if (kind === "replace") {
      const live = [...held.values()].some((entry) => entry.ino === ino && entry.version === version)
      assert.strictEqual(nodes.replace(ino), live)
      if (live) versions.set(ino, version + 1)
    } else {
      const [found, entry] = [...held][pick % Math.max(1, held.size)] ?? []
      if (found === undefined || entry === undefined) continue
      const count = 1 + (pick % entry.count)
      forget(found, count)
      if (count === entry.count) held.delete(found)
      else held.set(found, { ...entry, count: entry.count - count })
    }
    assert.strictEqual(kernel.size, held.size)
    for (const [found, entry] of held) {
      assert.isTrue(nodes.knows(found))
      assert.strictEqual(nodes.ino(found), entry.ino)
      assert.strictEqual(nodes.isStale(found), entry.version !== (versions.get(entry.ino) ?? 0))
    }
  }
  for (const [found, { count }] of held) forget(found, count)
  for (const { ino } of steps) assert.strictEqual(nodes.current(Ino(ino)), node(ino))
}

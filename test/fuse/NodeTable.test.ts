import type { NodeId } from "@onemount/fuse-native"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { NodeTable } from "../../src/fuse/NodeTable.ts"
import { fold } from "../../src/tree/fold.ts"
import { Ino, rootIno } from "../../src/tree/Item.ts"

const node = (value: number) => value as NodeId
const make = (negatives = 100) => new NodeTable({ fold, negatives })

describe("NodeTable", () => {
  it("names inodes by their own number until something else is needed", () => {
    const nodes = make()
    assert.strictEqual(nodes.current(rootIno), node(1))
    assert.strictEqual(nodes.current(Ino(7)), node(7))
    assert.strictEqual(nodes.ino(node(7)), Ino(7))
    assert.isFalse(nodes.knows(node(7)))
    nodes.lookedUp(node(7))
    assert.isTrue(nodes.knows(node(7)))
    assert.isFalse(nodes.isStale(node(7)))
  })

  it("gives replaced content a new node while the old one is held, and the number back afterwards", () => {
    const nodes = make()
    assert.isFalse(nodes.replace(Ino(7)), "the kernel has nothing to replace")
    assert.strictEqual(nodes.current(Ino(7)), node(7))
    nodes.lookedUp(node(7))
    assert.isTrue(nodes.replace(Ino(7)))
    const second = nodes.current(Ino(7))
    assert.notStrictEqual(second, node(7))
    assert.strictEqual(nodes.ino(second), Ino(7))
    assert.isTrue(nodes.isStale(node(7)))
    assert.isFalse(nodes.isStale(second))
    nodes.lookedUp(second)
    nodes.forget(second, 1)
    assert.strictEqual(nodes.current(Ino(7)), second, "the old node is still held under the inode's number")
    nodes.forget(node(7), 1)
    assert.strictEqual(nodes.current(Ino(7)), node(7))
    assert.strictEqual(nodes.size, 0)
  })

  it("gives other spellings nodes of their own, the same for the same spelling", () => {
    const nodes = make()
    nodes.lookedUp(node(7))
    assert.isFalse(nodes.hasAliases)
    const upper = nodes.alias(Ino(7), "README")
    assert.strictEqual(nodes.alias(Ino(7), "README"), upper)
    assert.notStrictEqual(nodes.alias(Ino(7), "Readme"), upper)
    assert.isTrue(nodes.isAlias(upper))
    assert.deepStrictEqual(nodes.nodes(Ino(7)), [node(7)], "not handed out yet")
    nodes.lookedUp(upper)
    assert.deepStrictEqual(nodes.nodes(Ino(7)), [node(7), upper])
    nodes.replace(Ino(7))
    assert.isTrue(nodes.isStale(upper))
    assert.notStrictEqual(nodes.alias(Ino(7), "README"), upper)
  })

  it("remembers absent names by folded name and hands out every other spelling once", () => {
    const nodes = make()
    nodes.absent(node(1), "Foo")
    nodes.absent(node(1), "foo")
    nodes.absent(node(2), "FOO")
    assert.deepStrictEqual(nodes.present(node(1), "foo"), [{ parent: node(1), name: "Foo" }])
    assert.deepStrictEqual(nodes.present(node(1), "FOO"), [])
    assert.deepStrictEqual(nodes.present(node(2), "foo"), [{ parent: node(2), name: "FOO" }])
  })

  it("gives up the oldest absent names by invalidating them", () => {
    const nodes = make(2)
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
  const nodes = make()
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
      nodes.lookedUp(found)
      held.set(found, { ino, version, count: (known?.count ?? 0) + 1 })
    } else if (kind === "replace") {
      const live = [...held.values()].some((entry) => entry.ino === ino && entry.version === version)
      assert.strictEqual(nodes.replace(ino), live)
      if (live) versions.set(ino, version + 1)
    } else {
      const [found, entry] = [...held][pick % Math.max(1, held.size)] ?? []
      if (found === undefined || entry === undefined) continue
      const count = 1 + (pick % entry.count)
      nodes.forget(found, count)
      if (count === entry.count) held.delete(found)
      else held.set(found, { ...entry, count: entry.count - count })
    }
    assert.strictEqual(nodes.size, held.size)
    for (const [found, entry] of held) {
      assert.isTrue(nodes.knows(found))
      assert.strictEqual(nodes.ino(found), entry.ino)
      assert.strictEqual(nodes.isStale(found), entry.version !== (versions.get(entry.ino) ?? 0))
    }
  }
}

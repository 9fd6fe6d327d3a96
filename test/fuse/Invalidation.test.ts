import { assert, describe, it } from "@effect/vitest"
import { notificationsFor } from "../../src/fuse/Invalidation.ts"
import { NodeTable } from "../../src/fuse/NodeTable.ts"
import { fold } from "../../src/tree/fold.ts"
import { Ino, rootIno } from "../../src/tree/Item.ts"
import { FakeKernel } from "./FakeKernel.ts"
import { node } from "./FakeSession.ts"

const table = (negatives = 100) => {
  const kernel = new FakeKernel()
  return { kernel, nodes: new NodeTable({ fold, negatives, kernel: () => kernel }) }
}
const root = node(1)

describe("Invalidation", () => {
  it("drops a name under every node of its directory, and what was absent in another case", () => {
    const { nodes, kernel } = table()
    kernel.lookedUp(node(5))
    const alias = nodes.alias(Ino(5), "DIR")
    kernel.lookedUp(alias)
    nodes.absent(node(5), "Report")
    assert.deepStrictEqual(notificationsFor(nodes, [{ _tag: "Entry", parent: Ino(5), name: "report" }]), [
      { kind: "entry", parent: node(5), name: "report" },
      { kind: "entry", parent: alias, name: "report" },
      { kind: "entry", parent: node(5), name: "Report" },
      { kind: "inode", node: node(5) },
      { kind: "inode", node: alias }
    ])
  })

  it("speaks of what the kernel does not hold, too: the binding may have it", () => {
    const { nodes } = table()
    const changes = [
      { _tag: "Entry", parent: Ino(5), name: "a" },
      { _tag: "Attributes", ino: Ino(6) },
      { _tag: "Content", ino: Ino(6), parent: Ino(5), name: "b" },
      { _tag: "Removed", parent: Ino(5), name: "c", ino: Ino(7) }
    ] as const
    assert.deepStrictEqual(notificationsFor(nodes, changes), [
      { kind: "entry", parent: node(5), name: "a" },
      { kind: "inode", node: node(5) },
      { kind: "inode", node: node(6), attributesOnly: true },
      { kind: "entry", parent: node(5), name: "c" },
      { kind: "inode", node: node(5) }
    ])
  })

  it("reports deletions of what the kernel holds as deletions", () => {
    const { nodes, kernel } = table()
    kernel.lookedUp(node(7))
    const change = { _tag: "Removed", parent: rootIno, name: "c", ino: Ino(7) } as const
    assert.deepStrictEqual(notificationsFor(nodes, [change]), [
      { kind: "delete", parent: root, child: node(7), name: "c" },
      { kind: "inode", node: root }
    ])
    kernel.forget(node(7), 1)
    assert.deepStrictEqual(notificationsFor(nodes, [change])[0], { kind: "entry", parent: root, name: "c" })
  })

  it("moves replaced content to a new node before it is looked up again", () => {
    const { nodes, kernel } = table()
    kernel.lookedUp(node(7))
    const change = { _tag: "Content", ino: Ino(7), parent: rootIno, name: "c" } as const
    assert.deepStrictEqual(notificationsFor(nodes, [change]), [{ kind: "entry", parent: root, name: "c" }])
    assert.notStrictEqual(nodes.current(Ino(7)), node(7))
    assert.isTrue(nodes.isStale(node(7)))
  })

  it("drops absences that could not be remembered", () => {
    const { nodes } = table(1)
    nodes.absent(root, "a")
    nodes.absent(root, "b")
    assert.deepStrictEqual(notificationsFor(nodes, []), [{ kind: "entry", parent: root, name: "a" }])
  })
})

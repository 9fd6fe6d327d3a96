/** Lookup counts as the binding keeps them, without a mount. */
import type { NodeId } from "@onemount/fuse-native"
import type { KernelNodes } from "../../src/fuse/NodeTable.ts"

export class FakeKernel implements KernelNodes {
  readonly #counts = new Map<NodeId, number>()

  /** Nodes that are held. */
  get size(): number {
    return this.#counts.size
  }

  lookedUp(node: NodeId): void {
    this.#counts.set(node, this.lookups(node) + 1)
  }

  /** True when none are left. */
  forget(node: NodeId, count: number): boolean {
    const left = this.lookups(node) - count
    if (left > 0) this.#counts.set(node, left)
    else this.#counts.delete(node)
    return left <= 0
  }

  lookups(node: NodeId): number {
    return this.#counts.get(node) ?? 0
  }

  retire(node: NodeId): boolean {
    return !this.#counts.has(node)
  }
}

/** Open file handles of one mount. */
import type { ContentId, HandleId, NodeId } from "@onemount/fuse-native"
import type { Ino } from "../tree/Item.ts"

export interface Handle {
  readonly node: NodeId
  readonly ino: Ino
  readonly content: ContentId
  readonly writable: boolean
}

export class Handles {
  readonly #handles = new Map<HandleId, Handle>()
  readonly #byNode = new Map<NodeId, Set<HandleId>>()
  #next = 1

  get size(): number {
    return this.#handles.size
  }

  open(handle: Handle): HandleId {
    const id = this.#next++ as HandleId
    this.#handles.set(id, handle)
    const ofNode = this.#byNode.get(handle.node) ?? new Set()
    this.#byNode.set(handle.node, ofNode.add(id))
    return id
  }

  /** The body that the handles of a node read; one node has one content. */
  body(node: NodeId): ContentId | undefined {
    for (const id of this.#byNode.get(node) ?? []) return this.#handles.get(id)?.content
    return undefined
  }

  /** Somebody has the node open for writing. */
  isWritten(node: NodeId): boolean {
    for (const id of this.#byNode.get(node) ?? []) if (this.#handles.get(id)?.writable === true) return true
    return false
  }

  close(id: HandleId): Handle | undefined {
    const handle = this.#handles.get(id)
    if (handle === undefined) return undefined
    this.#handles.delete(id)
    const ofNode = this.#byNode.get(handle.node)
    ofNode?.delete(id)
    if (ofNode?.size === 0) this.#byNode.delete(handle.node)
    return handle
  }

  /** Closes all of them, for the end of a mount that nobody released. */
  closeAll(): ReadonlyArray<Handle> {
    const open = [...this.#handles.values()]
    this.#handles.clear()
    this.#byNode.clear()
    return open
  }
}

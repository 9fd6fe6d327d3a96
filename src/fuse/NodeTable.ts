/**
 * Which kernel node id stands for which inode. How often the kernel holds a node is counted by the binding, which also
 * hands nodes out by itself; ids are therefore freed by asking it (`retire`), never by what was heard last.
 *
 * Model: node id and inode number are the same for almost everything, so a million cached inodes cost nothing here. An
 * inode gets further node ids in two cases:
 *
 * - Its content was replaced by the server: open handles keep the old node and its pages, everybody else gets a new
 *   node with the same st_ino (cached size and pages of a live kernel inode cannot be replaced reliably).
 * - It was looked up in another case than it is spelled: to the kernel that is another file, otherwise a rename that
 *   only changes the case would be no rename and never reach us.
 *
 * Further ids are counted up from 2^52 and never used again; an inode goes back to its own number when the kernel
 * knows none of its nodes.
 *
 * Names the kernel was told to be absent are remembered by folded name, so that creating a file in any case can
 * invalidate them all. The table is bounded: what leaves it is to be invalidated, too.
 *
 * Assumption: inode numbers are never reused (the tree's rowids are not).
 */
import type { NodeId, Session } from "@onemount/fuse-native"
import { BoundedMap } from "../platform/BoundedMap.ts"
import { Ino } from "../tree/Item.ts"

/** A dentry of the kernel. */
export interface Dentry {
  readonly parent: NodeId
  readonly name: string
}

/** What the binding knows of the kernel's nodes. */
export type KernelNodes = Pick<Session, "lookups" | "retire">

const firstExtra = 2 ** 52
const nodeId = (value: number): NodeId => value as NodeId

interface Extra {
  readonly ino: Ino
  /** The spelling it was looked up by; undefined for a replaced content's node. */
  readonly alias: string | undefined
}

export class NodeTable {
  readonly #fold: (name: string) => string
  readonly #kernel: () => KernelNodes
  readonly #extras = new Map<NodeId, Extra>()
  /** Inodes whose current node is not their own number. */
  readonly #current = new Map<Ino, NodeId>()
  readonly #aliases = new Map<Ino, Map<string, NodeId>>()
  readonly #negatives: BoundedMap<string, Set<string>>
  #evicted: Array<Dentry> = []
  #next = firstExtra

  constructor(options: {
    /** Asked for when it is used: the table is made before the mount. */
    readonly kernel: () => KernelNodes
    /** How the server compares names. */
    readonly fold: (name: string) => string
    /** Folded names remembered as absent, default 50,000. */
    readonly negatives?: number
  }) {
    this.#kernel = options.kernel
    this.#fold = options.fold
    this.#negatives = new BoundedMap(options.negatives ?? 50_000, (key, names) => {
      this.#evicted.push(...dentries(key, names))
    })
  }

  /** Inodes that have further nodes. */
  get extras(): number {
    return this.#extras.size
  }

  ino(node: NodeId): Ino {
    return this.#extras.get(node)?.ino ?? Ino(node)
  }

  /** The node a lookup by the item's own name answers with. */
  current(ino: Ino): NodeId {
    return this.#current.get(ino) ?? nodeId(ino)
  }

  /** The node for a lookup by another spelling of the item's name. */
  alias(ino: Ino, spelling: string): NodeId {
    const aliases = this.#aliases.get(ino) ?? new Map<string, NodeId>()
    this.#aliases.set(ino, aliases)
    const known = aliases.get(spelling)
    if (known !== undefined) return known
    const node = this.#extra(ino, spelling)
    aliases.set(spelling, node)
    return node
  }

  /** Some inode was looked up in another case: changes by name have to look for its other dentries. */
  get hasAliases(): boolean {
    return this.#aliases.size > 0
  }

  isAlias(node: NodeId): boolean {
    return this.#extras.get(node)?.alias !== undefined
  }

  /** The node belongs to a content that was replaced since, or to a spelling from before that. */
  isStale(node: NodeId): boolean {
    const ino = this.ino(node)
    const spelling = this.#extras.get(node)?.alias
    return spelling === undefined ? this.current(ino) !== node : this.#aliases.get(ino)?.get(spelling) !== node
  }

  /** The kernel holds it. */
  knows(node: NodeId): boolean {
    return this.#kernel().lookups(node) > 0
  }

  /** Every live node of an inode, whether the kernel holds it or not: its current one and its other spellings. */
  nodes(ino: Ino): ReadonlyArray<NodeId> {
    return [this.current(ino), ...(this.#aliases.get(ino)?.values() ?? [])]
  }

  /** The kernel gave back its last lookup of the node; it may have been handed out again since. */
  forget(node: NodeId): void {
    const extra = this.#extras.get(node)
    if (extra === undefined) {
      if (this.#current.has(Ino(node))) this.#restore(Ino(node))
    } else if (this.#current.get(extra.ino) === node) {
      this.#restore(extra.ino)
    } else if (this.#kernel().retire(node)) {
      this.#drop(node, extra)
      this.#restore(extra.ino)
    }
  }

  /** The item has another content: from now on it has another node. Returns whether the kernel held the old one. */
  replace(ino: Ino): boolean {
    const held = this.nodes(ino).filter((node) => !this.#kernel().retire(node))
    for (const alias of this.#aliases.get(ino)?.values() ?? []) {
      if (!held.includes(alias)) this.#extras.delete(alias)
    }
    this.#aliases.delete(ino)
    if (held.length === 0) return false
    const old = this.current(ino)
    if (!held.includes(old)) this.#extras.delete(old)
    this.#current.set(ino, this.#extra(ino, undefined))
    return true
  }

  /** The kernel was told that the name is absent and may keep that. */
  absent(parent: NodeId, name: string): void {
    const key = this.#key(parent, name)
    const names = this.#negatives.get(key) ?? new Set()
    names.add(name)
    this.#negatives.set(key, names)
  }

  /** The name exists in some spelling now: the dentries that say otherwise, the given spelling excepted. */
  present(parent: NodeId, name: string): ReadonlyArray<Dentry> {
    const key = this.#key(parent, name)
    const names = this.#negatives.get(key)
    this.#negatives.delete(key)
    names?.delete(name)
    return names === undefined ? [] : dentries(key, names)
  }

  /** Negative dentries there was no room to remember: invalidate them, then nothing can be missed. */
  takeEvicted(): ReadonlyArray<Dentry> {
    if (this.#evicted.length === 0) return []
    const evicted = this.#evicted
    this.#evicted = []
    return evicted
  }

  #extra(ino: Ino, alias: string | undefined): NodeId {
    const node = nodeId(this.#next++)
    this.#extras.set(node, { ino, alias })
    return node
  }

  #drop(node: NodeId, { ino, alias }: Extra): void {
    this.#extras.delete(node)
    const aliases = this.#aliases.get(ino)
    if (alias === undefined || aliases?.get(alias) !== node) return
    aliases.delete(alias)
    if (aliases.size === 0) this.#aliases.delete(ino)
  }

  /** The inode's own number is free again once neither it nor its substitute is held. */
  #restore(ino: Ino): void {
    const current = this.#current.get(ino)
    if (current === undefined || this.knows(current)) return
    if (!this.#kernel().retire(nodeId(ino)) || !this.#kernel().retire(current)) return
    this.#extras.delete(current)
    this.#current.delete(ino)
  }

  #key(parent: NodeId, name: string): string {
    return `${parent}/${this.#fold(name)}`
  }
}

const dentries = (key: string, names: ReadonlySet<string>): ReadonlyArray<Dentry> => {
  const parent = nodeId(Number(key.slice(0, key.indexOf("/"))))
  return Array.from(names, (name) => ({ parent, name }))
}

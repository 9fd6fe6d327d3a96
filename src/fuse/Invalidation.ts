/**
 * Tells the kernel what changed without its asking. Long timeouts are only true because of this: everything the tree
 * publishes becomes notifications, in order, and a content that was replaced gets its new node before anybody can look
 * it up again (the subscriber runs within the publication).
 *
 * Notifications are sent by the binding's own thread; nothing here waits for the kernel.
 */
import type { NodeId, Notification } from "@onemount/fuse-native"
import type { Ino } from "../tree/Item.ts"
import type { TreeChange } from "../tree/Tree.ts"
import type { NodeTable } from "./NodeTable.ts"

/** The notifications for changes, in their order. Moves replaced contents to new nodes on the way. */
export const notificationsFor = (nodes: NodeTable, changes: ReadonlyArray<TreeChange>): ReadonlyArray<Notification> => [
  ...changes.flatMap((change) => notificationsOf(nodes, change)),
  ...nodes.takeEvicted().map((dentry): Notification => ({ kind: "entry", ...dentry }))
]

/** Inodes whose next open is not to be answered as the last one was. */
export const reopened = (changes: ReadonlyArray<TreeChange>): ReadonlyArray<Ino> =>
  changes.flatMap((change) => (change._tag === "Entry" || change._tag === "Attributes" ? [] : [change.ino]))

const notificationsOf = (nodes: NodeTable, change: TreeChange): ReadonlyArray<Notification> => {
  switch (change._tag) {
    case "Entry":
      return [...entries(nodes, change.parent, change.name), ...pages(nodes, change.parent)]
    case "Removed":
      return [...removals(nodes, change.parent, change.name, change.ino), ...pages(nodes, change.parent)]
    case "Attributes":
      return attributes(nodes, change.ino)
    case "Pages":
      return pages(nodes, change.ino)
    case "Content":
      return nodes.replace(change.ino) && change.parent !== null ? entries(nodes, change.parent, change.name) : []
  }
}

/** The dentry under every node of its directory, and what was said to be absent in other spellings. */
const entries = (nodes: NodeTable, parent: Ino, name: string): ReadonlyArray<Notification> => [
  ...nodes.nodes(parent).map((node): Notification => ({ kind: "entry", parent: node, name })),
  ...nodes.present(nodes.current(parent), name).map((dentry): Notification => ({ kind: "entry", ...dentry }))
]

/** As `entries`, and watchers hear of a deletion. */
const removals = (nodes: NodeTable, parent: Ino, name: string, ino: Ino): ReadonlyArray<Notification> => {
  const child = nodes.current(ino)
  if (!nodes.knows(child)) return entries(nodes, parent, name)
  return nodes.nodes(parent).map((node): Notification => ({ kind: "delete", parent: node, child, name }))
}

/**
 * Attributes and pages. A directory's pages are its listing as the kernel read it, which goes with a dentry that is
 * dropped, but not with a name that the kernel never looked up.
 */
const pages = (nodes: NodeTable, ino: Ino): ReadonlyArray<Notification> =>
  nodes.nodes(ino).map((node: NodeId): Notification => ({ kind: "inode", node }))

const attributes = (nodes: NodeTable, ino: Ino): ReadonlyArray<Notification> =>
  nodes.nodes(ino).map((node: NodeId): Notification => ({ kind: "inode", node, attributesOnly: true }))

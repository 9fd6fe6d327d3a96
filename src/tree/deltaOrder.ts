/** The order in which the items of a delta page are applied. */
import type { DriveItem, ItemId } from "../graph/DriveItem.ts"

/**
 * Last occurrence per id wins (Graph, driveItem: delta, "the same item may appear more than once"); parents come before
 * their children as far as both are in the page. Terminates on cyclic input too.
 */
export const parentsFirst = (items: ReadonlyArray<DriveItem>): ReadonlyArray<DriveItem> => {
  const latest = new Map<ItemId, DriveItem>()
  for (const item of items) {
    latest.delete(item.id)
    latest.set(item.id, item)
  }
  const ordered: Array<DriveItem> = []
  const visited = new Set<ItemId>()
  for (const item of latest.values()) {
    const chain: Array<DriveItem> = []
    let next: DriveItem | undefined = item
    while (next !== undefined && !visited.has(next.id)) {
      visited.add(next.id)
      chain.push(next)
      next = next.parentId === null ? undefined : latest.get(next.parentId)
    }
    ordered.push(...chain.toReversed())
  }
  return ordered
}

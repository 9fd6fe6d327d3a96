/** Items coming to and leaving places in the tree, and what that does to the folders above: sizes, counts, cTags. */
import type { ItemLookup } from "./ItemLookup.ts"
import type { ItemRow, ItemTable, NewItem } from "./ItemTable.ts"

export type ItemPlaces = ReturnType<typeof makeItemPlaces>

export const makeItemPlaces = (table: ItemTable, lookup: ItemLookup) => {
  /** Everything above and including `folder` learns that something below changed, the root first. */
  const bumpUpwards = (folder: ItemRow, sizeDelta: number): void => {
    for (const row of lookup.lineage(folder).toReversed()) table.bump(row.id, sizeDelta)
  }

  return {
    bumpUpwards,
    insert: (parent: ItemRow, item: Omit<NewItem, "parent">): ItemRow => {
      bumpUpwards(parent, item.size)
      const id = table.insert({ ...item, parent: parent.id })
      table.addChildren(parent.id, 1)
      return lookup.require(id)
    },
    /** The folder that held the item loses it; the root stays where it is. */
    detach: (row: ItemRow): void => {
      if (row.parent === null) return
      bumpUpwards(lookup.require(row.parent), -row.size)
      table.addChildren(row.parent, -1)
    },
    attach: (row: ItemRow, parent: ItemRow): void => {
      bumpUpwards(parent, row.size)
      table.addChildren(parent.id, 1)
    }
  }
}

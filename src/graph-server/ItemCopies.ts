/** Copies made by the server: new items with the contents of others. Versions and permissions stay behind. */
import { invalidRequest } from "./ApiError.ts"
import type { ItemRow, ItemTable, NewItem } from "./ItemTable.ts"

interface CopyParts {
  readonly table: ItemTable
  readonly insert: (parent: ItemRow, item: Omit<NewItem, "parent">) => ItemRow
  /** The item and what it is in, up to the root. */
  readonly lineage: (row: ItemRow) => ReadonlyArray<ItemRow>
}

/** Copies an item with everything below it into `parent`. Throws 400 when that is inside the item. */
export const copyTree = (parts: CopyParts, source: ItemRow, parent: ItemRow, name: string, now: number): ItemRow => {
  if (parts.lineage(parent).some(({ id }) => id === source.id)) {
    throw invalidRequest("A folder cannot be copied into itself or below itself.", "invalidPath")
  }
  const copyOne = (row: ItemRow, into: ItemRow, as: string): ItemRow =>
    parts.insert(into, {
      name: as,
      kind: row.kind,
      size: row.kind === "file" ? row.size : 0,
      content: row.content,
      hash: row.hash,
      facet: row.facet,
      target: row.target,
      fs_created: now,
      fs_modified: now,
      now
    })
  const top = copyOne(source, parent, name)
  const open = [{ from: source, to: top }]
  for (const { from, to } of open) {
    if (from.kind !== "folder") continue
    for (const child of parts.table.children(from.id, "", from.children)) {
      open.push({ from: child, to: copyOne(child, to, child.name) })
    }
  }
  return parts.table.byId(top.id) ?? top
}

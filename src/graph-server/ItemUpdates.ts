/** Names, places and times of items that exist. */
import { invalidRequest, nameAlreadyExists } from "./ApiError.ts"
import type { Change, ItemPatch } from "./Change.ts"
import { checkName } from "./DriveName.ts"
import type { ItemRemoval } from "./ItemRemoval.ts"
import type { ItemRow } from "./ItemTable.ts"
import type { ModelParts } from "./ModelParts.ts"

export type ItemUpdates = ReturnType<typeof makeItemUpdates>

type Place = Pick<ItemRow, "parent" | "name">

export const makeItemUpdates = (parts: ModelParts, { bury }: ItemRemoval) => {
  const { db, kind, table, lookup, places, versions, precise } = parts

  /** Where a patch puts the item, once names, cycles and collisions have been looked at. */
  const place = (row: ItemRow, patch: ItemPatch, change: Change): Place => {
    const name = patch.name ?? row.name
    const parentId = patch.parent ?? row.parent
    if (name === row.name && parentId === row.parent) return row
    if (row.parent === null || parentId === null) {
      throw invalidRequest("The root of a drive cannot be renamed or moved.")
    }
    const parent = lookup.requireFolder(parentId)
    if (lookup.lineage(parent).some((ancestor) => ancestor.id === row.id)) {
      throw invalidRequest("An item cannot be moved into itself or below itself.", "invalidPath")
    }
    checkName(name, lookup.pathLength(parent), kind)
    const holder = table.byName(parent.id, name)
    if (holder === undefined || holder.id === row.id) return { parent: parentId, name }
    if (change.conflict === "rename") {
      return { parent: parentId, name: lookup.nameFor(parent, name, row.kind === "folder") }
    }
    if (change.conflict !== "replace" || holder.content === null || row.content === null) throw nameAlreadyExists()
    bury(holder, change.now)
    return { parent: parentId, name }
  }

  const update = (id: number, patch: ItemPatch, change: Change): ItemRow =>
    db.transaction(() => {
      const row = lookup.require(id)
      lookup.checkConditions(row, change.conditions)
      const { created, modified } = change.times ?? {}
      const next: ItemRow = {
        ...row,
        ...place(row, patch, change),
        fs_created: created === undefined ? row.fs_created : precise(created),
        fs_modified: modified === undefined ? row.fs_modified : precise(modified),
        description: patch.description === undefined ? row.description : patch.description
      }
      const moved = next.parent !== row.parent
      const touched = next.fs_created !== row.fs_created || next.fs_modified !== row.fs_modified
      if (!moved && !touched && next.name === row.name && next.description === row.description) return row
      if (moved && next.parent !== null) {
        places.detach(row)
        places.attach(row, lookup.require(next.parent))
      } else if (row.parent !== null) places.bumpUpwards(lookup.require(row.parent), 0)
      if (moved) table.recordMove(row)
      // A library keeps what a file was before its times were set, as it does with contents.
      const isVersion = touched && kind === "business" && row.content !== null
      if (isVersion) versions.keep(row, change.now)
      const version = isVersion ? row.version + 1 : row.version
      table.save(id, { ...next, etag: row.etag + 1, version, modified: change.now })
      return lookup.require(id)
    })

  return {
    update,
    /** What work in the background does: the item is the same and its eTag is not. */
    touch: (id: number): ItemRow =>
      db.transaction(() => {
        const row = lookup.require(id)
        table.save(id, { ...row, etag: row.etag + 1 })
        return lookup.require(id)
      })
  }
}

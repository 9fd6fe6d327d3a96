/** Items leaving the drive, and coming back from its recycle bin. */
import { accessDenied, itemNotFound, nameAlreadyExists } from "./ApiError.ts"
import type { Change, ItemPatch } from "./Change.ts"
import { checkName } from "./DriveName.ts"
import type { ItemRow } from "./ItemTable.ts"
import type { ModelParts } from "./ModelParts.ts"

export type ItemRemoval = ReturnType<typeof makeItemRemoval>

export const makeItemRemoval = ({ db, kind, table, lookup, places, bin }: ModelParts) => {
  const bury = (row: ItemRow, now: number): void => {
    places.detach(row)
    const doomed = [row]
    for (const item of doomed) {
      if (item.kind === "folder") doomed.push(...table.children(item.id, "", item.children))
      table.bury(item.id)
      bin.add(item, row.id, now)
    }
    bin.sweep(now)
  }

  const remove = (id: number, { now, conditions }: Pick<Change, "now" | "conditions">): void =>
    db.transaction(() => {
      const row = lookup.require(id)
      lookup.checkConditions(row, conditions)
      if (row.parent === null) throw accessDenied("The root of a drive cannot be deleted.")
      bury(row, now)
    })

  const revive = (row: ItemRow, parent: ItemRow, name: string, now: number): void => {
    const contents = bin.take(row.id)
    const rows = [...contents.keys()].map((item) => table.byId(item)).filter((item) => item !== undefined)
    const below = new Map<number | null, Array<ItemRow>>()
    for (const item of rows) below.set(item.parent, [...(below.get(item.parent) ?? []), item])
    const revived = [{ ...row, parent: parent.id, name }]
    for (const item of revived) {
      const modified = item.id === row.id ? now : item.modified
      table.revive(item, { ...item, content: contents.get(item.id) ?? null, modified })
      for (const child of below.get(item.id) ?? []) if (child.id !== row.id) revived.push({ ...child, parent: item.id })
    }
  }

  return {
    bury,
    remove,
    purge: (id: number, now: number): void =>
      db.transaction(() => {
        if (!bin.has(id)) remove(id, { now })
        bin.empty(id, now)
      }),
    restore: (id: number, patch: ItemPatch, { now, conflict }: Change): ItemRow =>
      db.transaction(() => {
        const row = table.byId(id)
        if (row === undefined || !bin.has(id)) throw itemNotFound("The item is not in the recycle bin.")
        const parent = lookup.requireFolder(patch.parent ?? row.parent ?? id)
        const wanted = patch.name ?? row.name
        checkName(wanted, lookup.pathLength(parent), kind)
        const taken = table.byName(parent.id, wanted) !== undefined
        if (taken && conflict !== "rename") throw nameAlreadyExists()
        places.attach(row, parent)
        revive(row, parent, taken ? lookup.nameFor(parent, wanted, row.kind === "folder") : wanted, now)
        return lookup.require(id)
      })
  }
}

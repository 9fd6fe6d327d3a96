/** Finding items and saying what is wrong with them. Everything throws `ApiError`. */
import { invalidRequest, itemNotFound, resourceModified } from "./ApiError.ts"
import type { Conditions } from "./Change.ts"
import { freeName } from "./DriveName.ts"
import type { ItemRow, ItemTable } from "./ItemTable.ts"
import type { ItemTags } from "./ItemTags.ts"

export type ItemLookup = ReturnType<typeof makeItemLookup>

export const makeItemLookup = (table: ItemTable, tags: ItemTags) => {
  /** The live item, or 404. */
  const require = (id: number): ItemRow => {
    const row = table.byId(id)
    if (row === undefined || row.deleted === 1) throw itemNotFound()
    return row
  }

  /** The item and what it is in, up to the root. */
  const lineage = (row: ItemRow): Array<ItemRow> => {
    const rows = [row]
    for (let at = row; at.parent !== null; rows.push(at)) at = require(at.parent)
    return rows
  }

  /** Names from the root's child down to the item; empty for the root. */
  const pathOf = (row: ItemRow): ReadonlyArray<string> =>
    lineage(row)
      .slice(0, -1)
      .map((ancestor) => ancestor.name)
      .toReversed()

  return {
    require,
    lineage,
    pathOf,
    pathLength: (row: ItemRow): number => pathOf(row).reduce((length, name) => length + 1 + name.length, 0),
    /** A folder that things can be put into, or 400. */
    requireFolder: (id: number): ItemRow => {
      const row = require(id)
      checkEnterable(row)
      if (row.kind !== "folder") throw invalidRequest("The parent is not a folder.", "invalidPath")
      return row
    },
    /** Walks names down from an item; 404 when one is missing. */
    resolve: (from: ItemRow, names: ReadonlyArray<string>): ItemRow => {
      let row = from
      for (const name of names) {
        const child = table.byName(row.id, name)
        if (child === undefined) throw itemNotFound()
        row = child
      }
      return row
    },
    checkConditions: (row: ItemRow | undefined, { ifMatch, ifNoneMatch }: Conditions = {}): void => {
      if (ifMatch !== undefined && (row === undefined || !tags.matches(ifMatch, row))) {
        throw resourceModified(undefined, "entityTagDoesNotMatch")
      }
      if (ifNoneMatch !== undefined && row !== undefined && tags.matches(ifNoneMatch, row)) {
        throw resourceModified("The item exists already.", "entityTagDoesNotMatch")
      }
    },
    nameFor: (parent: ItemRow, name: string, isFolder: boolean): string =>
      freeName(name, isFolder, (candidate) => table.byName(parent.id, candidate) !== undefined)
  }
}

/** What looks like a folder and is none: its inside is elsewhere, or nobody's business. */
export const checkEnterable = ({ facet }: ItemRow): void => {
  if (facet === "vault") throw invalidRequest("ObjectHandle is Invalid")
  if (facet === "shortcut") {
    throw invalidRequest("The item is a shortcut: go to the item that its remoteItem names.", "invalidPath")
  }
}

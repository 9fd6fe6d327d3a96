/** New folders, and the items that are neither file nor folder: shortcuts, packages, the Personal Vault. */
import { nameAlreadyExists } from "./ApiError.ts"
import type { Change, Made } from "./Change.ts"
import { checkName } from "./DriveName.ts"
import type { ItemFacet, ItemRow } from "./ItemTable.ts"
import type { ModelParts } from "./ModelParts.ts"

/** An item that stands for something else; `target` says for what, when it is a shortcut. */
export interface Marker {
  readonly facet: ItemFacet
  readonly kind: "file" | "folder"
  readonly target?: string
}

export type ItemCreation = ReturnType<typeof makeItemCreation>

export const makeItemCreation = ({ db, table, lookup, places, precise, kind }: ModelParts) => {
  const add = (parent: ItemRow, name: string, { now, times }: Change, marker?: Marker): ItemRow =>
    places.insert(parent, {
      name,
      kind: marker?.kind ?? "folder",
      size: 0,
      content: null,
      hash: null,
      facet: marker?.facet ?? null,
      target: marker?.target ?? null,
      fs_created: precise(times?.created ?? now),
      fs_modified: precise(times?.modified ?? now),
      now
    })

  const createFolder = (parentId: number, name: string, change: Change): Made<ItemRow> =>
    db.transaction(() => {
      const parent = lookup.requireFolder(parentId)
      checkName(name, lookup.pathLength(parent), kind)
      const existing = table.byName(parent.id, name)
      if (existing === undefined) return { item: add(parent, name, change), created: true }
      // Replacing a folder would lose what is in it: a personal drive returns it instead, a business one refuses.
      const isSame = existing.kind === "folder" && existing.facet === null
      if (change.conflict === "replace" && isSame && kind === "personal") return { item: existing, created: false }
      if (change.conflict !== "rename") throw nameAlreadyExists()
      return { item: add(parent, lookup.nameFor(parent, name, true), change), created: true }
    })

  return {
    createFolder,
    /** The folder at the end of `names`, with all that were missing on the way. */
    ensureFolders: (from: number, names: ReadonlyArray<string>, change: Change): ItemRow =>
      db.transaction(() => {
        let row = lookup.requireFolder(from)
        for (const name of names) {
          const child = table.byName(row.id, name)
          row = child === undefined ? createFolder(row.id, name, change).item : lookup.requireFolder(child.id)
        }
        return row
      }),
    createMarker: (parentId: number, name: string, marker: Marker, change: Change): ItemRow =>
      db.transaction(() => {
        const parent = lookup.requireFolder(parentId)
        checkName(name, lookup.pathLength(parent), kind)
        const taken = table.byName(parent.id, name) !== undefined
        if (taken && change.conflict !== "rename") throw nameAlreadyExists()
        const free = taken ? lookup.nameFor(parent, name, marker.kind === "folder") : name
        return add(parent, free, change, marker)
      })
  }
}

/** Reads that span more than one row. Synchronous. */
import type { ItemId } from "../graph/DriveItem.ts"
import { fold } from "./fold.ts"
import { type Ino, rootIno } from "./Item.ts"
import type { Row } from "./ItemTable.ts"
import type { Intent } from "./Journal.ts"
import type { TreeState } from "./settle.ts"

export const makeQueries = (state: TreeState) => {
  const { items, journal, cursor } = state
  return {
    path: (ino: Ino): string | undefined => {
      const names: Array<string> = []
      let row = items.get(ino)
      while (row !== undefined && row.ino !== rootIno) {
        names.push(row.name)
        row = row.parent === null ? undefined : items.get(row.parent)
      }
      return row === undefined ? undefined : `/${names.toReversed().join("/")}`
    },
    resolve: (path: string): Row | undefined => {
      let row = items.get(rootIno)
      for (const name of path.split("/")) {
        if (name !== "" && row !== undefined) row = items.child(row.ino, name)
      }
      return row
    },
    isComplete: (directory: Ino): boolean => cursor.enumerated() || items.get(directory)?.complete === true,
    intentsBelow: (ino: Ino): ReadonlyArray<Intent> => intentsBelow(state, ino),
    remoteHolder: (parent: ItemId, name: string): Row | undefined => {
      const folder = items.byRemoteId(parent)
      for (const ino of journal.basedAt(parent, name)) {
        const row = items.get(ino)
        const isThere = row?.parent === folder?.ino && row !== undefined && fold(row.name) === fold(name)
        if (row !== undefined && !isThere) return row
      }
      return undefined
    }
  }
}

/** From the journal up, because it is small and the subtree may not be; a deleted item counts where it was. */
const intentsBelow = ({ items, journal }: TreeState, top: Ino): ReadonlyArray<Intent> => {
  if (top === rootIno) return journal.all()
  const known = new Map<Ino, boolean>([[top, true]])
  const folderOf = (ino: Ino): Ino | undefined => {
    const row = items.get(ino)
    if (row === undefined || row.parent !== null) return row?.parent ?? undefined
    const parent = journal.base(ino)?.parent ?? null
    return parent === null ? undefined : items.byRemoteId(parent)?.ino
  }
  const isBelow = (ino: Ino): boolean => {
    const decided = known.get(ino)
    if (decided !== undefined) return decided
    const folder = ino === rootIno ? undefined : folderOf(ino)
    const below = folder !== undefined && isBelow(folder)
    known.set(ino, below)
    return below
  }
  return journal.all().filter((intent) => isBelow(intent.ino))
}

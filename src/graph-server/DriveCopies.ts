/** Copies between drives: contents are read from one and written to the other. */
import { Effect } from "effect"
import { type ApiError, attempt, invalidRequest } from "./ApiError.ts"
import type { Change, Made } from "./Change.ts"
import type { DriveParts } from "./DriveParts.ts"
import type { ItemRow } from "./ItemTable.ts"

interface Way {
  readonly from: DriveParts
  readonly to: DriveParts
}

/** Into the folder `parent` of the other drive. A copy that fails half way leaves nothing behind. */
export const copyBetween = Effect.fnUntraced(function* (
  way: Way,
  source: ItemRow,
  parent: number,
  name: string,
  change: Change
) {
  const { from, to } = way
  yield* attempt(() => to.model.checkRoom(source.size))
  const top = yield* copyOne(way, source, parent, name, change)
  const fill = Effect.gen(function* () {
    const open = [{ row: source, into: top.item.id }]
    for (const { row, into } of open) {
      if (row.kind !== "folder") continue
      for (const child of yield* attempt(() => from.model.table.children(row.id, "", row.children))) {
        // What leads elsewhere stays where it is.
        if (child.facet !== null) continue
        const made = yield* copyOne(way, child, into, child.name, { ...change, conflict: "fail" })
        open.push({ row: child, into: made.item.id })
      }
    }
  })
  const takeBack = top.created ? Effect.ignore(attempt(() => to.model.purge(top.item.id, change.now))) : Effect.void
  yield* Effect.onError(fill, () => takeBack)
  return top.item
})

const copyOne = (
  { from, to }: Way,
  row: ItemRow,
  parent: number,
  name: string,
  change: Change
): Effect.Effect<Made<ItemRow>, ApiError> => {
  if (row.facet !== null) return Effect.fail(invalidRequest("Only files and folders can be copied to another drive."))
  if (row.content === null) {
    // A folder of this name would be filled, not replaced.
    const conflict = change.conflict === "rename" ? "rename" : "fail"
    return attempt(() => to.model.createFolder(parent, name, { ...change, conflict }))
  }
  const body = from.contents.read(row.content, { offset: 0, length: row.size })
  return to.contents.store(body, { limit: row.size, expected: row.size }, (stored) =>
    attempt(() => to.model.putContent({ parent, name }, stored, change))
  )
}

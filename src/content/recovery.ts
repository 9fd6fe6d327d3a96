/**
 * What the last run left. Rows and files are made to agree; writes that no commit recorded are recorded now where the
 * file tells them, as after a crash of any local filesystem, and are set aside where it does not.
 *
 * A body that was complete, or whose changes were committed before, becomes a local edit with the file's real size. A
 * body that was being downloaded when its first write came in may have unrecorded bytes of ours inside ranges of the
 * server's: it is moved to the recovered folder and the item is a ghost again.
 */
import { Clock, Effect } from "effect"
import { type Extents, ownFile } from "@onemount/fuse-native"
import { Events } from "../events/Events.ts"
import type { ContentKey, Item } from "../tree/Item.ts"
import type { Tree } from "../tree/Tree.ts"
import { ContentError } from "./ContentError.ts"
import type { ContentFiles, FileFacts } from "./ContentFiles.ts"
import { type ContentRow, type ContentRows, isEdited } from "./ContentRows.ts"
import { attempt, attemptPromise, fromTree } from "./errors.ts"
import * as extents from "./extents.ts"

export interface Remains {
  readonly tree: Tree["Service"]
  readonly files: ContentFiles
  readonly rows: ContentRows
  readonly timing: { readonly window: number; readonly maxWait: number }
}

/** `isNew`: of the database, so files without rows may hold changes that were never sent. */
export const recover = Effect.fn("ContentStore.recover")(function* (remains: Remains, isNew: boolean) {
  yield* sweep(remains, isNew)
  const orphans = yield* attempt("read the table of bodies", () => remains.rows.orphans("all"))
  yield* Effect.forEach(orphans, (row) => tolerate(row, leaveOrphan(remains, row)), { discard: true })
  const unrecorded = yield* attempt("read the table of bodies", () => remains.rows.unrecorded())
  yield* Effect.forEach(unrecorded, (row) => tolerate(row, recoverEdit(remains, row)), { discard: true })
})

/** One damaged body is no reason not to start: opening it will say what is wrong. */
const tolerate = <R>({ ino }: ContentRow, work: Effect.Effect<void, ContentError, R>) =>
  Effect.catch(work, (error) =>
    Effect.logError(`changes of item ${ino} of the last run could not be recovered: ${error.message}`)
  )

/** Files that are named as ours and that no row knows. */
const sweep = Effect.fnUntraced(function* ({ files, rows }: Remains, isNew: boolean) {
  const known = new Set(yield* attempt("read the table of bodies", () => rows.keys()))
  const strays = (yield* attempt("list the content folder", () => files.list())).filter(
    ({ key, copy }) => copy || !known.has(key)
  )
  const kept: Array<string> = []
  for (const { key, copy } of strays) {
    yield* attempt("clear the content folder", () => {
      if (isNew && !copy && !known.has(key)) kept.push(files.setAside(key, "unknown"))
      else if (copy) files.removeCopy(key)
      else files.remove(key)
    })
  }
  if (kept.length === 0) return
  const detail =
    `the database is new: ${kept.length} file contents without a name were moved, for instance ${kept[0]}; ` +
    `unsent changes are among them if there were any`
  yield* Effect.logWarning(detail)
  yield* publishRebuilt(detail)
})

const publishRebuilt = (detail: string) =>
  Effect.flatMap(Events, (events) => events.publish({ _tag: "CacheRebuilt", detail }))

/** Its item is gone or has another body. */
const leaveOrphan = Effect.fnUntraced(function* (remains: Remains, row: ContentRow) {
  const { tree, rows, files } = remains
  const item = tree.get(row.ino)
  if (isEdited(row) && item !== undefined && item.parent !== null) {
    return yield* setAside(remains, row, item, "it changed a version that was replaced")
  }
  yield* attempt(`drop body ${row.key}`, () => {
    rows.drop(row.key)
    files.remove(row.key)
  })
})

const recoverEdit = Effect.fnUntraced(function* (remains: Remains, row: ContentRow) {
  const { tree, files } = remains
  const { key, ino } = row
  const item = tree.get(ino)
  if (item?.content !== key) return
  if (item.parent === null) return yield* attempt(`drop body ${key}`, () => dropBody(remains, key))
  // Programs of the last run that the kernel served may have it open, and go on writing to it.
  yield* attemptPromise(`take body ${key} over`, () => ownFile(files.path(key)))
  const facts = yield* attempt(`look at body ${key}`, () => files.facts(key))
  // The row of a new file comes before its content file, which the end may have prevented.
  if ((facts?.size ?? 0) === 0 && row.size === 0) {
    return yield* attempt(`record body ${key}`, () => remains.rows.editing(key, false))
  }
  if (facts === undefined) {
    return yield* new ContentError({ reason: "Io", detail: `the content file of ${item.name} is missing` })
  }
  const valid = rangesAfterCrash(row, facts)
  if (valid === undefined)
    return yield* setAside(remains, row, item, "its download was not finished when it was written to")
  yield* adopt(remains, row, item, facts, valid)
})

/** What can be told from row and file; undefined when ours and the server's bytes cannot be told apart. */
const rangesAfterCrash = (row: ContentRow, { size }: FileFacts): Extents | undefined => {
  if (row.complete) return size > 0 ? [0, size] : []
  const committed = (row.dirty?.length ?? 0) > 0
  const valid = extents.unpack(row.valid, row.size)
  if (!committed || valid === undefined) return undefined
  return extents.union(valid, size > row.size ? [row.size, size] : [], size)
}

/** All of it counts as changed here: nobody can tell which bytes are. */
const adopt = Effect.fnUntraced(function* (
  { tree, timing }: Remains,
  row: ContentRow,
  item: Item,
  facts: FileFacts,
  valid: Extents
) {
  const now = yield* Clock.currentTimeMillis
  const { size } = facts
  const packed = extents.pack(valid)
  const commit = {
    content: row.key,
    size,
    valid: packed,
    dirty: packed,
    mtime: facts.mtime,
    generation: Math.max(row.generation, item.generation) + 1,
    complete: extents.firstGap(valid, 0, size) === undefined,
    diskBytes: facts.diskBytes
  }
  yield* Effect.mapError(tree.commitContent(item.ino, commit, { now, ...timing }), fromTree)
  yield* Effect.logInfo(`recovered changes of ${item.name} that were not closed when the last run ended`)
})

const setAside = Effect.fnUntraced(function* (remains: Remains, row: ContentRow, item: Item, why: string) {
  const { tree, files } = remains
  const copy = yield* attempt(`set body ${row.key} aside`, () => {
    const moved = files.setAside(row.key, item.name)
    dropBody(remains, row.key)
    return moved
  })
  const detail = `the local content of ${item.name} was moved to ${copy}: ${why}`
  yield* Effect.logWarning(detail)
  const events = yield* Events
  yield* events.publish({ _tag: "Conflict", path: tree.path(item.ino) ?? item.name, copy, detail })
})

const dropBody = ({ rows, files }: Remains, key: ContentKey): void => {
  rows.drop(key)
  files.remove(key)
}

/**
 * The delta log read in pages. A pass starts from a token, goes from page to page up to where the log ended when the
 * pass began, and ends with a token for the next pass. Pages show the latest state, so an item that changes during a
 * pass is seen in the next one (and perhaps in this one too); nothing is ever missed, because a change moves its item
 * to the end of the log.
 *
 * A pass below a folder is the same log, of which it shows what is in that folder; what has been moved out of it is
 * shown as deleted. Its pages may be shorter than asked for, or empty.
 *
 * Order: parents before children. A parent that changed after its child stands later in the log, so it is shown early,
 * in front of the child, and once more at its own place unless that is on the same page.
 */
import { Context, Effect, Layer } from "effect"
import { ApiError, invalidRequest } from "./ApiError.ts"
import { parseDateTime } from "./Bodies.ts"
import { decode, encode, type Position } from "./DeltaToken.ts"
import { DriveModel } from "./DriveModel.ts"
import { DriveStore } from "./DriveStore.ts"
import type { ResyncKind } from "./Exchange.ts"
import type { ItemRow } from "./ItemTable.ts"

export interface DeltaPage {
  readonly items: ReadonlyArray<ItemRow>
  /** Continues the pass when `more`, else starts the next one. */
  readonly token: string
  readonly more: boolean
}

export interface PageOptions {
  /** How many items, about. */
  readonly limit: number
  /** Location of a 410: where a new pass starts. */
  readonly fresh: string
  /** Shows only this folder and what is below it. */
  readonly folder?: number | undefined
  /** Changes of the last so many milliseconds are not seen yet. */
  readonly lag: number
  /** Answers any token as if it had expired. */
  readonly resync?: ResyncKind | undefined
}

export class DeltaLog extends Context.Service<
  DeltaLog,
  {
    /** A token after everything that has happened so far, but for the last `lag` milliseconds. */
    latest(lag: number): string
    /**
     * The page after `token`; undefined starts with everything, and on a business drive a date and time with what has
     * changed since. Throws 400 for what is not a token, 410 resyncRequired for one that expired.
     */
    page(token: string | undefined, options: PageOptions): DeltaPage
    /** All tokens given out so far answer 410 from now on. */
    expireTokens(kind: ResyncKind): void
  }
>()("onemount/graph-server/DeltaLog") {
  static readonly layer = Layer.effect(
    DeltaLog,
    Effect.gen(function* () {
      return makeDeltaLog(yield* DriveStore, yield* DriveModel)
    })
  )
}

const resyncRequired = (fresh: string, kind = "resyncApplyDifferences"): ApiError =>
  new ApiError({
    status: 410,
    code: "resyncRequired",
    message: "Resync required. Enumerate the drive again from the beginning.",
    inner: kind,
    headers: { location: fresh }
  })

const makeDeltaLog = ({ db }: DriveStore["Service"], { table, kind }: DriveModel["Service"]): DeltaLog["Service"] => {
  const setting = db.prepare<{ readonly value: string }>("SELECT value FROM settings WHERE key = ?")
  const set = db.prepare("INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")
  const epochNow = (): number => Number(setting.get("delta_epoch")?.value ?? 1)

  const start = (lag: number, after = 0): Position => {
    const upTo = table.lastChangeBefore(lag)
    const since = Math.min(after, upTo)
    return { epoch: epochNow(), since, at: since, upTo }
  }

  const parse = (token: string, { fresh, lag, resync }: PageOptions): Position => {
    if (resync !== undefined) throw resyncRequired(fresh, resync)
    const time = kind === "business" ? parseDateTime(token) : undefined
    if (time !== undefined) return start(lag, table.lastChangeAt(time))
    const position = decode(token)
    if (position === undefined || position.epoch > epochNow() || position.upTo > table.lastChange()) {
      throw invalidRequest("The delta token is not valid.", "invalidParameterFormat")
    }
    if (position.epoch < epochNow()) throw resyncRequired(fresh, setting.get("resync_kind")?.value)
    if (position.at < position.upTo) return position
    return { ...position, since: position.upTo, upTo: Math.max(position.upTo, table.lastChangeBefore(lag)) }
  }

  const page: DeltaLog["Service"]["page"] = (token, options) => {
    const { limit, folder, lag } = options
    const position = token === undefined ? start(lag) : parse(token, options)
    // A first enumeration has nothing to take back, so it does not list what is gone.
    const deleted = position.since > 0
    const rows = table.changes(position.at, position.upTo, { deleted, limit })
    const last = rows.length < limit ? position.upTo : (rows.at(-1)?.change ?? position.upTo)
    const next = { ...position, at: last }
    const result = { token: encode(next), more: last < position.upTo }
    if (folder === undefined) return { ...result, items: parentsFirst(rows, table.folder) }
    const isBelow = scopeOf(folder)
    const shown = parentsFirst(rows.filter(isBelow), (id) => parentWithin(isBelow, id))
    return { ...result, items: deleted ? [...shown, ...movedOut(isBelow, position.at, last)] : shown }
  }

  /** Whether an item is the folder or below it, as things are now; the answers for folders are remembered. */
  const scopeOf = (folder: number): ((row: ItemRow) => boolean) => {
    const known = new Map([[folder, true]])
    const below = (id: number): boolean => {
      const answer = known.get(id)
      if (answer !== undefined) return answer
      const parent = table.folder(id)?.parent
      const found = parent !== undefined && parent !== null && below(parent)
      known.set(id, found)
      return found
    }
    return (row) => row.id === folder || (row.parent !== null && below(row.parent))
  }

  const parentWithin = (isBelow: (row: ItemRow) => boolean, id: number): ItemRow | undefined => {
    const row = table.folder(id)
    return row !== undefined && isBelow(row) ? row : undefined
  }

  const movedOut = (isBelow: (row: ItemRow) => boolean, since: number, upTo: number): ReadonlyArray<ItemRow> =>
    table.moves(since, upTo).flatMap(({ item, parent }) => {
      const [row, from] = [table.byId(item), table.byId(parent)]
      if (row === undefined || from === undefined || !isBelow(from) || isBelow(row)) return []
      return [{ ...row, parent, deleted: 1 as const }]
    })

  return DeltaLog.of({
    latest: (lag) => {
      const newest = table.lastChangeBefore(lag)
      return encode({ epoch: epochNow(), since: newest, at: newest, upTo: newest })
    },
    page,
    expireTokens: (kind) =>
      db.transaction(() => {
        set.run("delta_epoch", String(epochNow() + 1))
        set.run("resync_kind", kind)
      })
  })
}

/**
 * Puts parents that stand later in the log in front of their children. Parents that stand earlier were shown on this
 * page, on one before, or in an earlier pass.
 */
const parentsFirst = (rows: ReadonlyArray<ItemRow>, folder: (id: number) => ItemRow | undefined): Array<ItemRow> => {
  const shown = new Set<number>()
  const items: Array<ItemRow> = []
  const show = (row: ItemRow, position: number): void => {
    if (shown.has(row.id)) return
    shown.add(row.id)
    const parent = row.parent === null || row.deleted === 1 ? undefined : folder(row.parent)
    if (parent !== undefined && parent.change > position) show(parent, position)
    items.push(row)
  }
  for (const row of rows) show(row, row.change)
  return items
}

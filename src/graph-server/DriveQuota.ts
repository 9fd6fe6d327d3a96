/** How much the drive may hold (Microsoft Graph, quota resource type). Bytes. */
import type { Database } from "../platform/Sqlite.ts"
import { quotaLimitReached } from "./ApiError.ts"
import type { ItemTable } from "./ItemTable.ts"

/** All in bytes. */
export interface Quota {
  readonly total: number
  readonly used: number
  readonly remaining: number
  /** nearing below 10 %, critical below 1 % of what is left. */
  readonly state: "normal" | "nearing" | "critical" | "exceeded"
  /** In the recycle bin; a business drive counts it as used. */
  readonly deleted: number
}

/** Looks at the rows each time: no sums are kept beside them. */
export interface DriveQuota {
  current(): Quota
  /** Throws 507 when `size` more bytes do not fit. */
  checkRoom(size: number): void
}

export const makeDriveQuota = (db: Database, table: ItemTable, countsBin: boolean): DriveQuota => {
  const total = db.prepare<{ readonly total: string }>("SELECT value AS total FROM settings WHERE key = 'quota'")
  const binned = db.prepare<{ readonly size: number }>(
    "SELECT ifnull(sum(contents.size), 0) AS size FROM recycled JOIN contents ON contents.id = recycled.content"
  )

  const current = (): Quota => {
    const size = Number(total.get()?.total ?? 0)
    const deleted = binned.get()?.size ?? 0
    const used = table.root().size + (countsBin ? deleted : 0)
    const remaining = Math.max(0, size - used)
    const state =
      remaining === 0 ? "exceeded" : remaining < size / 100 ? "critical" : remaining < size / 10 ? "nearing" : "normal"
    return { total: size, used, remaining, state, deleted }
  }

  return {
    current,
    checkRoom: (size) => {
      if (size > current().remaining) throw quotaLimitReached()
    }
  }
}

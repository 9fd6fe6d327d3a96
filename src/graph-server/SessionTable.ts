/** Rows of upload sessions. */
import type { Database } from "../platform/Sqlite.ts"
import type { Change, Conditions, ConflictBehavior, ContentTarget, ItemTimes } from "./Change.ts"

export interface NewSession {
  readonly target: ContentTarget
  readonly conflict: ConflictBehavior
  readonly times: ItemTimes
  readonly conditions: Conditions
  /** Size that the client announced, checked against the quota. */
  readonly announced: number | undefined
  /** Whether the last fragment leaves the item to a commit of its own. */
  readonly deferred: boolean
}

export interface SessionRow {
  readonly id: string
  readonly content: number
  readonly item: number | null
  readonly parent: number | null
  readonly name: string | null
  /** JSON: names of folders that the commit makes below `parent`. */
  readonly folders: string | null
  readonly conflict: ConflictBehavior
  readonly if_match: string | null
  readonly if_none_match: string | null
  readonly fs_created: number | null
  readonly fs_modified: number | null
  readonly total: number | null
  readonly received: number
  readonly expires: number
  readonly deferred: 0 | 1
}

export type SessionTable = ReturnType<typeof makeSessionTable>

export const makeSessionTable = (db: Database) => {
  const insert = db.prepare(
    `INSERT INTO sessions (id, content, item, parent, name, folders, conflict, if_match, if_none_match, fs_created,
       fs_modified, received, expires, deferred)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`
  )
  const byId = db.prepare<SessionRow>("SELECT * FROM sessions WHERE id = ?")
  const expired = db.prepare<SessionRow>("SELECT * FROM sessions WHERE expires <= ?")
  const advance = db.prepare("UPDATE sessions SET received = ?, total = ?, expires = ? WHERE id = ?")
  const remove = db.prepare("DELETE FROM sessions WHERE id = ?")

  return {
    insert: (id: string, content: number, session: NewSession, expires: number): void => {
      const { target, conflict, times, conditions, deferred } = session
      const place =
        "item" in target
          ? [target.item, null, null, null]
          : [null, target.parent, target.name, target.folders === undefined ? null : JSON.stringify(target.folders)]
      const wanted = [conflict, conditions.ifMatch ?? null, conditions.ifNoneMatch ?? null]
      const stamps = [times.created ?? null, times.modified ?? null]
      insert.run(id, content, ...place, ...wanted, ...stamps, expires, deferred ? 1 : 0)
    },
    byId: (id: string): SessionRow | undefined => byId.get(id),
    expired: (now: number): ReadonlyArray<SessionRow> => expired.all(now),
    /** Whether the session was still there. */
    advance: (id: string, received: number, total: number, expires: number): boolean =>
      advance.run(received, total, expires, id).changes > 0,
    remove: (id: string): boolean => remove.run(id).changes > 0
  }
}

export const targetOf = ({ item, parent, name, folders }: SessionRow): ContentTarget => {
  if (item !== null) return { item }
  const place = { parent: parent ?? 0, name: name ?? "" }
  return folders === null ? place : { ...place, folders: JSON.parse(folders) as ReadonlyArray<string> }
}

/** The change that the commit makes. */
export const changeOf = (row: SessionRow, now: number): Change => ({
  now,
  conflict: row.conflict,
  times: { created: row.fs_created ?? undefined, modified: row.fs_modified ?? undefined },
  conditions: { ifMatch: row.if_match ?? undefined, ifNoneMatch: row.if_none_match ?? undefined }
})

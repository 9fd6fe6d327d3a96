/** Who may see an item besides its owner: links and people, as rows. What has expired is not there any more. */
import { randomBytes } from "node:crypto"
import type { Database } from "../platform/Sqlite.ts"

export interface PermissionRow {
  /** Also the secret part of a link's URL. */
  readonly id: string
  readonly item: number
  /** Of a link; null for a person. */
  readonly type: string | null
  readonly scope: string | null
  /** Separated by commas. */
  readonly roles: string
  readonly email: string | null
  /** Milliseconds since the epoch; null for what never ends. */
  readonly expires: number | null
  /** Whether a link has a password. Nobody is ever asked for it here, so it is not kept. */
  readonly has_password: 0 | 1
}

/** What a link is like; an item has one link of each kind. */
export type LinkKind = Pick<PermissionRow, "expires" | "has_password"> & {
  readonly type: string
  readonly scope: string
}

export type Permissions = ReturnType<typeof makePermissions>

/** `now` is the time in milliseconds since the epoch. */
export const makePermissions = (db: Database, now: () => number) => {
  const insert = db.prepare(
    "INSERT INTO permissions (id, item, type, scope, roles, email, expires, has_password) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
  )
  const isLive = "(expires IS NULL OR expires > ?2)"
  const byItem = db.prepare<PermissionRow>(`SELECT * FROM permissions WHERE item = ?1 AND ${isLive} ORDER BY rowid`)
  const byId = db.prepare<PermissionRow>(`SELECT * FROM permissions WHERE id = ?1 AND ${isLive}`)
  const items = db.prepare<{ readonly item: number }>(
    "SELECT DISTINCT item FROM permissions WHERE expires IS NULL OR expires > ? ORDER BY item"
  )
  const change = db.prepare("UPDATE permissions SET roles = ? WHERE id = ?")
  const remove = db.prepare("DELETE FROM permissions WHERE id = ?")

  const add = (permission: Omit<PermissionRow, "id">): PermissionRow => {
    const made = { id: `s!${randomBytes(16).toString("base64url")}`, ...permission }
    const { id, item, type, scope, roles, email, expires, has_password } = made
    insert.run(id, item, type, scope, roles, email, expires, has_password)
    return made
  }

  return {
    list: (item: number): ReadonlyArray<PermissionRow> => byItem.all(item, now()),
    /** Items that somebody else may see. */
    items: (): ReadonlyArray<number> => items.all(now()).map(({ item }) => item),
    /** The link of this kind. */
    link: (item: number, kind: LinkKind): { readonly permission: PermissionRow; readonly created: boolean } => {
      const { type, scope, expires, has_password } = kind
      const existing = byItem
        .all(item, now())
        .find(
          (one) =>
            one.type === type && one.scope === scope && one.expires === expires && one.has_password === has_password
        )
      if (existing !== undefined) return { permission: existing, created: false }
      const roles = type === "edit" ? "write" : "read"
      return { permission: add({ item, ...kind, roles, email: null }), created: true }
    },
    grant: (item: number, email: string, roles: string, expires: number | null): PermissionRow =>
      add({ item, type: null, scope: null, roles, email, expires, has_password: 0 }),
    setRoles: (id: string, roles: string): void => void change.run(roles, id),
    remove: (id: string): void => void remove.run(id),
    itemOf: (id: string): number | undefined => byId.get(id, now())?.item
  }
}

/** Who may see an item besides its owner: links and people, as rows. */
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
}

export type Permissions = ReturnType<typeof makePermissions>

export const makePermissions = (db: Database) => {
  const insert = db.prepare("INSERT INTO permissions (id, item, type, scope, roles, email) VALUES (?, ?, ?, ?, ?, ?)")
  const byItem = db.prepare<PermissionRow>("SELECT * FROM permissions WHERE item = ? ORDER BY rowid")
  const byId = db.prepare<PermissionRow>("SELECT * FROM permissions WHERE id = ?")
  const change = db.prepare("UPDATE permissions SET roles = ? WHERE id = ?")
  const remove = db.prepare("DELETE FROM permissions WHERE id = ?")

  const add = (permission: Omit<PermissionRow, "id">): PermissionRow => {
    const made = { id: `s!${randomBytes(16).toString("base64url")}`, ...permission }
    insert.run(made.id, made.item, made.type, made.scope, made.roles, made.email)
    return made
  }

  return {
    list: (item: number): ReadonlyArray<PermissionRow> => byItem.all(item),
    /** The link of this type and scope: one per item. */
    link: (
      item: number,
      type: string,
      scope: string
    ): { readonly permission: PermissionRow; readonly created: boolean } => {
      const existing = byItem.all(item).find((permission) => permission.type === type && permission.scope === scope)
      if (existing !== undefined) return { permission: existing, created: false }
      const roles = type === "edit" ? "write" : "read"
      return { permission: add({ item, type, scope, roles, email: null }), created: true }
    },
    grant: (item: number, email: string, roles: string): PermissionRow =>
      add({ item, type: null, scope: null, roles, email }),
    setRoles: (id: string, roles: string): void => void change.run(roles, id),
    remove: (id: string): void => void remove.run(id),
    itemOf: (id: string): number | undefined => byId.get(id)?.item
  }
}

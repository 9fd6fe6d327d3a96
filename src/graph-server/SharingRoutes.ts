/** Sharing links and permissions (Microsoft Graph, permission resource type). Nobody but the owner ever uses them here. */
import { Effect, Schema } from "effect"
import { attempt, invalidRequest, itemNotFound, methodNotAllowed } from "./ApiError.ts"
import { given, timeOf } from "./Bodies.ts"
import { type Call, contextUrl, empty, json, methodOf, readJson } from "./Call.ts"
import { sharedStub, timestamp } from "./DriveItemShape.ts"
import { type DriveParts, find } from "./DriveParts.ts"
import type { Drives } from "./Drives.ts"
import type { PermissionRow } from "./Permissions.ts"
import type { ItemAddress } from "./Routing.ts"

const Text = Schema.optionalKey(Schema.NullOr(Schema.String))
const LinkBody = Schema.Struct({ type: Text, scope: Text, password: Text, expirationDateTime: Text })
const InviteBody = Schema.Struct({
  expirationDateTime: Text,
  recipients: Schema.Array(Schema.Struct({ email: Schema.String })),
  roles: Schema.Array(Schema.String)
})
const RolesBody = Schema.Struct({ roles: Schema.Array(Schema.String) })

const linkTypes = new Set(["view", "edit", "embed"])
const linkScopes = new Set(["anonymous", "organization", "users"])

export const permissionShape = (
  call: Call,
  { id, type, scope, roles, email, expires, has_password }: PermissionRow
) => ({
  id,
  roles: roles.split(","),
  shareId: id,
  hasPassword: has_password === 1,
  ...(expires === null ? {} : { expirationDateTime: timestamp(expires) }),
  ...(type === null
    ? { grantedTo: { user: { displayName: email, email } } }
    : { link: { type, scope, webUrl: `${call.request.origin}/s/${id}`, preventsDownload: false } })
})

export const createLink = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const body = yield* readJson(call, LinkBody)
  const [type, scope] = [given(body.type) ?? "view", given(body.scope) ?? "anonymous"]
  if (!linkTypes.has(type) || (type === "embed" && parts.model.kind !== "personal")) {
    return yield* invalidRequest(`'${type}' is not a type of link.`, "invalidParameterFormat")
  }
  if (!linkScopes.has(scope)) {
    return yield* invalidRequest(`'${scope}' is not a scope of a link.`, "invalidParameterFormat")
  }
  const hasPassword = given(body.password) !== undefined
  if (hasPassword && parts.model.kind !== "personal") {
    return yield* invalidRequest("Links of a business drive have no password.", "invalidParameterFormat")
  }
  return yield* attempt(() => {
    const expires = expiryOf(call, body.expirationDateTime)
    const kind = { type, scope, has_password: hasPassword ? 1 : 0, expires } as const
    const { permission, created } = parts.permissions.link(find(parts, address).id, kind)
    return json(created ? 201 : 200, {
      "@odata.context": contextUrl(call, "permission"),
      ...permissionShape(call, permission)
    })
  })
})

const expiryOf = ({ now }: Call, text: string | null | undefined): number | null => {
  const expires = timeOf("expirationDateTime", text) ?? null
  if (expires === null || expires > now) return expires
  throw invalidRequest("expirationDateTime has to be a time to come.", "invalidParameterFormat")
}

export const invite = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const body = yield* readJson(call, InviteBody)
  return yield* attempt(() => {
    const roles = checkRoles(body.roles)
    if (body.recipients.length === 0) throw invalidRequest("recipients has to name somebody.")
    const item = find(parts, address).id
    const expires = expiryOf(call, body.expirationDateTime)
    const made = parts.model.transaction(() =>
      body.recipients.map(({ email }) => parts.permissions.grant(item, email, roles, expires))
    )
    return json(200, { value: made.map((permission) => permissionShape(call, permission)) })
  })
})

const checkRoles = (roles: ReadonlyArray<string>): string => {
  if (roles.length > 0 && roles.every((role) => role === "read" || role === "write")) return roles.join(",")
  throw invalidRequest("roles have to be read or write.", "invalidParameterFormat")
}

/** The list, or one of it by its id. */
export const itemPermissions = Effect.fnUntraced(function* (
  parts: DriveParts,
  call: Call,
  address: ItemAddress,
  id: string | undefined
) {
  const method = methodOf(call)
  if (id === undefined && method !== "GET") return yield* methodNotAllowed()
  const wanted = method === "PATCH" ? (yield* readJson(call, RolesBody)).roles : []
  return yield* attempt(() => {
    const granted = parts.permissions.list(find(parts, address).id)
    if (id === undefined) return json(200, { value: granted.map((permission) => permissionShape(call, permission)) })
    const found = granted.find((permission) => permission.id === id)
    if (found === undefined) throw itemNotFound("The permission could not be found.")
    if (method === "GET") return json(200, permissionShape(call, found))
    if (method === "PATCH") {
      const roles = checkRoles(wanted)
      parts.permissions.setRoles(id, roles)
      return json(200, permissionShape(call, { ...found, roles }))
    }
    if (method !== "DELETE") throw methodNotAllowed()
    parts.permissions.remove(id)
    return empty(204)
  })
})

/**
 * What others share with the owner of a drive: stubs, whose remoteItem says where the item is. They lack what the service
 * does not know without asking the other drive.
 */
export const getSharedWithMe = (drives: Drives["Service"], { model }: DriveParts, call: Call) =>
  attempt(() => {
    const others = drives.list().filter((other) => other.model.label.owner !== model.label.owner)
    const value = others.flatMap((other) =>
      other.permissions.items().flatMap((number) => {
        const row = other.model.table.byId(number)
        return row === undefined || row.deleted === 1 ? [] : [sharedStub(other.model, row, call.request.origin)]
      })
    )
    return json(200, { "@odata.context": contextUrl(call, "Collection(driveItem)"), value })
  })

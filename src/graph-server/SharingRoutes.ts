/** Sharing links and permissions (Microsoft Graph, permission resource type). Nobody but the owner ever uses them here. */
import { Effect, Schema } from "effect"
import { attempt, invalidRequest, itemNotFound, methodNotAllowed } from "./ApiError.ts"
import { given } from "./Bodies.ts"
import { type Call, contextUrl, empty, json, readJson } from "./Call.ts"
import { type DriveParts, find } from "./DriveParts.ts"
import type { PermissionRow } from "./Permissions.ts"
import type { ItemAddress } from "./Routing.ts"

const Text = Schema.optionalKey(Schema.NullOr(Schema.String))
const LinkBody = Schema.Struct({ type: Text, scope: Text })
const InviteBody = Schema.Struct({
  recipients: Schema.Array(Schema.Struct({ email: Schema.String })),
  roles: Schema.Array(Schema.String)
})
const RolesBody = Schema.Struct({ roles: Schema.Array(Schema.String) })

const linkTypes = new Set(["view", "edit", "embed"])
const linkScopes = new Set(["anonymous", "organization", "users"])

export const permissionShape = (call: Call, { id, type, scope, roles, email }: PermissionRow) => ({
  id,
  roles: roles.split(","),
  shareId: id,
  hasPassword: false,
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
  return yield* attempt(() => {
    const { permission, created } = parts.permissions.link(find(parts, address).id, type, scope)
    return json(created ? 201 : 200, {
      "@odata.context": contextUrl(call, "permission"),
      ...permissionShape(call, permission)
    })
  })
})

export const invite = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const body = yield* readJson(call, InviteBody)
  return yield* attempt(() => {
    const roles = checkRoles(body.roles)
    const item = find(parts, address).id
    const made = body.recipients.map(({ email }) => parts.permissions.grant(item, email, roles))
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
  const { method } = call.request
  const wanted = method === "PATCH" ? (yield* readJson(call, RolesBody)).roles : []
  return yield* attempt(() => {
    const granted = parts.permissions.list(find(parts, address).id)
    if (id === undefined) {
      if (method !== "GET") throw methodNotAllowed()
      return json(200, { value: granted.map((permission) => permissionShape(call, permission)) })
    }
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

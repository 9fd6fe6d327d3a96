/** Reading metadata: user, drives, items, children, delta. */
import { type ApiError, attempt, invalidRequest, itemNotFound, notSupported } from "./ApiError.ts"
import type { Effect } from "effect"
import { type Call, contextUrl, empty, json, linkWith, topOf } from "./Call.ts"
import { driveShape, userShape } from "./DriveItemShape.ts"
import { type DriveParts, find, shaperFor } from "./DriveParts.ts"
import type { DriveResponse } from "./Exchange.ts"
import type { ItemRow } from "./ItemTable.ts"
import { sameDriveId } from "./ItemTags.ts"
import { apiPrefix, type ItemAddress } from "./Routing.ts"

type Reply = Effect.Effect<DriveResponse, ApiError>

/** Throws 404 for the id of another drive; undefined means the user's own. */
export const checkDrive = ({ model }: DriveParts, driveId: string | undefined): void => {
  if (driveId !== undefined && !sameDriveId(driveId, model.driveId)) throw itemNotFound("The drive could not be found.")
}

export const getUser = (call: Call): Reply =>
  attempt(() => json(200, { "@odata.context": contextUrl(call, "users/$entity"), ...userShape }))

export const getDrive = (parts: DriveParts, call: Call): Reply =>
  attempt(() => json(200, { "@odata.context": contextUrl(call, "drives/$entity"), ...driveShape(parts.model) }))

export const getDrives = (parts: DriveParts, call: Call): Reply =>
  attempt(() => json(200, { "@odata.context": contextUrl(call, "drives"), value: [driveShape(parts.model)] }))

export const getItem = (parts: DriveParts, call: Call, address: ItemAddress): Reply =>
  attempt(() => {
    const row = find(parts, address)
    const known = call.request.headers["if-none-match"]
    if (known !== undefined && parts.model.tags.matches(known, row)) return empty(304)
    const context = contextUrl(call, `drives('${parts.model.driveId}')/items/$entity`)
    const item = { "@odata.context": context, ...shaperFor(parts, call)(row) }
    if (!(call.query.get("expand") ?? "").split(",").includes("children")) return json(200, item)
    const page = childrenPage(parts, row, "", parts.settings.pageSize)
    const next = `${call.request.origin}${apiPrefix}/drives/${parts.model.driveId}/items/${parts.model.tags.id(row.id)}/children`
    return json(200, {
      ...item,
      children: page.rows.map(shaperFor(parts, call)),
      ...(page.next === undefined ? {} : { "children@odata.nextLink": `${next}?$skiptoken=${page.next}` })
    })
  })

/** Children in the order of folded names; the token is the last one listed. */
const childrenPage = ({ model }: DriveParts, folder: ItemRow, after: string, limit: number) => {
  const rows = folder.kind === "folder" ? model.table.children(folder.id, after, limit + 1) : []
  if (rows.length <= limit) return { rows, next: undefined }
  rows.pop()
  const last = rows.at(-1)
  return { rows, next: last === undefined ? undefined : encodeToken(model.table.foldedOf(last)) }
}

const encodeToken = (folded: string): string => Buffer.from(`s1.${folded}`).toString("base64url")

const decodeToken = (token: string | undefined): string => {
  if (token === undefined) return ""
  const text = Buffer.from(token, "base64url").toString("utf8")
  if (!text.startsWith("s1.")) throw invalidRequest("The skip token is not valid.", "invalidQueryOption")
  return text.slice(3)
}

export const getChildren = (parts: DriveParts, call: Call, address: ItemAddress): Reply =>
  attempt(() => {
    const orderBy = call.query.get("orderby") ?? "name"
    if (!/^name( asc)?$/i.test(orderBy.trim())) {
      throw invalidRequest("Only $orderby=name is supported.", "invalidQueryOption")
    }
    const folder = find(parts, address)
    const after = decodeToken(call.query.get("skiptoken"))
    const page = childrenPage(parts, folder, after, topOf(call, parts.settings.pageSize))
    return json(200, {
      "@odata.context": contextUrl(call, `drives('${parts.model.driveId}')/items`),
      ...(call.query.get("count") === "true" ? { "@odata.count": folder.children } : {}),
      ...(page.next === undefined ? {} : { "@odata.nextLink": linkWith(call, "$skiptoken", page.next) }),
      value: page.rows.map(shaperFor(parts, call))
    })
  })

export const getDelta = (
  parts: DriveParts,
  call: Call,
  address: ItemAddress,
  functionToken: string | undefined
): Reply =>
  attempt(() => {
    const row = find(parts, address)
    if (row.parent !== null) throw notSupported("view.delta can only be called on the root.")
    const context = { "@odata.context": contextUrl(call, "Collection(driveItem)") }
    const token = functionToken ?? call.query.get("token")
    if (token === "latest") {
      return json(200, { ...context, "@odata.deltaLink": linkWith(call, "token", parts.delta.latest()), value: [] })
    }
    const fresh = `${call.request.origin}${apiPrefix}/drives/${parts.model.driveId}/root/delta`
    const limit = topOf(call, parts.settings.pageSize)
    const page = parts.delta.page(token === "" ? undefined : token, limit, fresh)
    const link = linkWith(call, "token", page.token)
    return json(200, {
      ...context,
      [page.more ? "@odata.nextLink" : "@odata.deltaLink"]: link,
      value: page.items.map(shaperFor(parts, call))
    })
  })

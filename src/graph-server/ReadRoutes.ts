/** Reading items: one, its children, delta. */
import { type ApiError, attempt, invalidRequest, notSupported } from "./ApiError.ts"
import { Effect } from "effect"
import { type Call, contextUrl, empty, json, linkWith, topOf } from "./Call.ts"
import type { Json } from "./DriveItemShape.ts"
import { type DriveParts, find, shaperFor } from "./DriveParts.ts"
import type { DriveResponse, HeaderRecord } from "./Exchange.ts"
import { checkEnterable } from "./ItemLookup.ts"
import type { ItemRow } from "./ItemTable.ts"
import { apiPrefix, type ItemAddress } from "./Routing.ts"
import { permissionShape } from "./SharingRoutes.ts"
import { thumbnailSets } from "./ThumbnailRoutes.ts"

type Reply = Effect.Effect<DriveResponse, ApiError>

/** Contents up to so many bytes are hashed for whoever asks for the item: a fraction of a second. */
const hashedOnDemand = 64 * 1024 * 1024

/** Works out what the drive makes of a content and has not made of this one: generated, or of a time before. */
const settleDigests = Effect.fnUntraced(function* ({ model, contents }: DriveParts, { content, size }: ItemRow) {
  if (content === null || size === 0 || size > hashedOnDemand || !model.digests.lacks(content)) return
  const hash = yield* contents.hash(content, size)
  yield* attempt(() => model.digests.remember(content, hash.digests()))
})

export const getItem = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const row = yield* attempt(() => find(parts, address))
  yield* Effect.catchTag(settleDigests(parts, row), "ConnectionCut", (error) =>
    Effect.logWarning("A content was not hashed", error)
  )
  return yield* attempt(() => {
    const known = call.request.headers["if-none-match"]
    if (known !== undefined && parts.model.tags.matches(known, row)) return empty(304)
    const context = contextUrl(call, `drives('${parts.model.driveId}')/items/$entity`)
    const item = { "@odata.context": context, ...shaperFor(parts, call)(row), ...expansions(parts, call, row) }
    // Only business drives send the header; a personal eTag would need quotes that it has not got.
    const headers: HeaderRecord = parts.model.kind === "business" ? { etag: parts.model.tags.eTag(row) } : {}
    if (!expanded(call).has("children")) return json(200, item, headers)
    const page = childrenPage(parts, row, "", parts.settings.pageSize)
    const next = `${call.request.origin}${apiPrefix}/drives/${parts.model.driveId}/items/${parts.model.tags.id(row.id)}/children`
    const list = {
      ...item,
      children: page.rows.map(shaperFor(parts, call)),
      ...(page.next === undefined ? {} : { "children@odata.nextLink": `${next}?$skiptoken=${page.next}` })
    }
    return json(200, list, headers)
  })
})

/** Names of $expand; options in parentheses, as in "children($select=name)", are not looked at. */
const expanded = (call: Call): ReadonlySet<string> => {
  const names = (call.query.get("expand") ?? "").replace(/\(.*?\)(?=,|$)/gs, "").split(",")
  return new Set(names.map((name) => name.trim()))
}

/** What $expand adds to a single item and to each of a list; children are for single items only. */
const expansions = (parts: DriveParts, call: Call, row: ItemRow): Json => {
  const wanted = expanded(call)
  return {
    ...(wanted.has("thumbnails") ? { thumbnails: thumbnailSets(parts, call, row) } : {}),
    ...(wanted.has("permissions")
      ? { permissions: parts.permissions.list(row.id).map((permission) => permissionShape(call, permission)) }
      : {})
  }
}

/** Children in the order of folded names; the token is the last one listed. */
const childrenPage = ({ model }: DriveParts, folder: ItemRow, after: string, limit: number) => {
  const rows = folder.kind === "folder" ? model.table.children(folder.id, after, limit + 1) : []
  if (rows.length <= limit) return { rows, next: undefined }
  rows.pop()
  const last = rows.at(-1)
  return { rows, next: last === undefined ? undefined : encodeToken(model.table.foldedOf(last)) }
}

/** Other orders have no index: the token is how many were listed, so a change in between shifts the pages. */
const sortedPage = ({ model }: DriveParts, folder: ItemRow, order: Order, after: string, limit: number) => {
  if (!/^\d{0,9}$/.test(after)) throw invalidSkipToken()
  const skip = Number(after)
  const all = model.table.children(folder.id, "", folder.children)
  const sign = order.descending ? -1 : 1
  const value = (row: ItemRow) => (order.by === "name" ? model.table.foldedOf(row) : row[order.by])
  all.sort((a, b) => sign * (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0))
  const rows = all.slice(skip, skip + limit)
  return { rows, next: skip + limit < all.length ? encodeToken(String(skip + limit)) : undefined }
}

interface Order {
  readonly by: "name" | "size" | "modified"
  readonly descending: boolean
}

const orderProperties: Readonly<Record<string, Order["by"]>> = {
  name: "name",
  size: "size",
  lastmodifieddatetime: "modified"
}

const orderOf = (call: Call): Order => {
  const [property = "", direction = "asc", ...more] = (call.query.get("orderby") ?? "name").trim().split(/\s+/)
  const by = orderProperties[property.toLowerCase()]
  if (by === undefined || more.length > 0 || !/^(asc|desc)$/i.test(direction)) {
    throw invalidRequest("$orderby takes name, size or lastModifiedDateTime, asc or desc.", "invalidQueryOption")
  }
  return { by, descending: direction.toLowerCase() === "desc" }
}

/** The name that a $filter asks for; undefined without one. Business drives know equal names, and no drive more. */
const filteredName = ({ model }: DriveParts, call: Call): string | undefined => {
  const filter = call.query.get("filter")
  if (filter === undefined) return undefined
  const name = /^\s*name\s+eq\s+'((?:[^']|'')*)'\s*$/is.exec(filter)?.[1]
  if (name === undefined || model.kind === "personal") {
    throw invalidRequest("This drive does not support such a $filter.", "invalidQueryOption")
  }
  return name.replaceAll("''", "'")
}

const encodeToken = (folded: string): string => Buffer.from(`s1.${folded}`).toString("base64url")

const invalidSkipToken = () => invalidRequest("The skip token is not valid.", "invalidQueryOption")

const decodeToken = (token: string | undefined): string => {
  if (token === undefined) return ""
  const text = Buffer.from(token, "base64url").toString("utf8")
  if (!text.startsWith("s1.")) throw invalidSkipToken()
  return text.slice(3)
}

/** One page of a folder, with the token of the next. */
const listPage = (parts: DriveParts, call: Call, folder: ItemRow) => {
  const order = orderOf(call)
  const name = filteredName(parts, call)
  if (name !== undefined) {
    const found = parts.model.table.byName(folder.id, name)
    return { rows: found === undefined ? [] : [found], next: undefined }
  }
  const after = decodeToken(call.query.get("skiptoken"))
  const limit = call.quirks.pageLimit ?? topOf(call, parts.settings.pageSize)
  return order.by === "name" && !order.descending
    ? childrenPage(parts, folder, after, limit)
    : sortedPage(parts, folder, order, after, limit)
}

export const getChildren = (parts: DriveParts, call: Call, address: ItemAddress): Reply =>
  attempt(() => {
    const folder = find(parts, address)
    checkEnterable(folder)
    if (folder.kind === "file" && parts.model.kind === "business") throw invalidRequest("A file has no children.")
    const page = listPage(parts, call, folder)
    const shape = shaperFor(parts, call)
    return json(200, {
      "@odata.context": contextUrl(call, `drives('${parts.model.driveId}')/items`),
      ...(call.query.get("count") === "true" ? { "@odata.count": folder.children } : {}),
      ...(page.next === undefined ? {} : { "@odata.nextLink": linkWith(call, "$skiptoken", page.next) }),
      value: page.rows.map((row) => ({ ...shape(row), ...expansions(parts, call, row) }))
    })
  })

/**
 * Personal drives list shortcuts for those who ask for them (since 2025), and the vault for those who do not. Business
 * drives have no vault, and always list shortcuts.
 */
const isListed = ({ model }: DriveParts, { request }: Call, { facet }: ItemRow): boolean => {
  if (facet === null || facet === "package" || model.kind !== "personal") return true
  const wanted = /include-feature\s*=\s*([^;]*)/i.exec(request.headers["prefer"] ?? "")?.[1]?.toLowerCase() ?? ""
  const shortcuts = wanted.includes("addtoonedrive")
  return facet === "shortcut" ? shortcuts : !shortcuts || wanted.includes("vault")
}

export const getDelta = (
  parts: DriveParts,
  call: Call,
  address: ItemAddress,
  functionToken: string | undefined
): Reply =>
  attempt(() => {
    const row = find(parts, address)
    if (row.parent !== null && parts.model.kind !== "personal") {
      throw notSupported("view.delta can only be called on the root.")
    }
    checkEnterable(row)
    const context = { "@odata.context": contextUrl(call, "Collection(driveItem)") }
    const token = functionToken ?? call.query.get("token")
    if (token === "latest") {
      return json(200, {
        ...context,
        "@odata.deltaLink": linkWith(call, "token", parts.delta.latest(call.quirks.lag ?? 0)),
        value: []
      })
    }
    const start = row.parent === null ? "root" : `items/${parts.model.tags.id(row.id)}`
    const fresh = `${call.request.origin}${apiPrefix}/drives/${parts.model.driveId}/${start}/delta`
    const page = parts.delta.page(token === "" ? undefined : token, {
      limit: call.quirks.pageLimit ?? topOf(call, parts.settings.pageSize),
      fresh,
      folder: row.parent === null ? undefined : row.id,
      lag: call.quirks.lag ?? 0,
      resync: call.quirks.resync
    })
    const listed = page.items.filter((item) => isListed(parts, call, item))
    const link = linkWith(call, "token", page.token)
    return json(200, {
      ...context,
      [page.more ? "@odata.nextLink" : "@odata.deltaLink"]: link,
      value: listed.map(shaperFor(parts, call, { isDelta: true }))
    })
  })

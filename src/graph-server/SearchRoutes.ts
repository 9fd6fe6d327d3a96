/** Search by name below an item, case-insensitively. Hits lack parentReference.path, as the service's do. */
import { type ApiError, attempt, invalidRequest } from "./ApiError.ts"
import type { Effect } from "effect"
import { type Call, contextUrl, json, linkWith, topOf } from "./Call.ts"
import type { Json } from "./DriveItemShape.ts"
import { type DriveParts, find, shaperFor } from "./DriveParts.ts"
import type { DriveResponse } from "./Exchange.ts"
import type { DriveKind } from "./ItemTags.ts"
import type { ItemAddress } from "./Routing.ts"

export const searchItems = (
  parts: DriveParts,
  call: Call,
  address: ItemAddress,
  query: string | undefined
): Effect.Effect<DriveResponse, ApiError> =>
  attempt(() => {
    if (query === undefined) throw invalidRequest("search needs a query: search(q='text').", "invalidQueryOption")
    const scope = find(parts, address)
    const after = skipped(call.query.get("skiptoken"))
    const limit = topOf(call, parts.settings.pageSize)
    const { table } = parts.model
    const indexed = table.lastChangeBefore(call.quirks.lag ?? 0)
    const hits = table.search(scope.id, query, after, limit + 1)
    const shape = shaperFor(parts, call)
    const shown = hits.slice(0, limit).filter(({ change }) => change <= indexed)
    const last = hits.at(limit - 1)?.id
    return json(200, {
      "@odata.context": contextUrl(call, "Collection(driveItem)"),
      ...(hits.length > limit && last !== undefined
        ? { "@odata.nextLink": linkWith(call, "$skiptoken", String(last)) }
        : {}),
      value: shown.map((row) => asHit(shape(row), parts.model.kind))
    })
  })

const skipped = (token: string | undefined): number => {
  if (token === undefined) return 0
  if (!/^\d{1,15}$/.test(token)) throw invalidRequest("The skip token is not valid.", "invalidQueryOption")
  return Number(token)
}

/** Hits lack where the item is and, on business drives, who made it. */
const asHit = (item: Json, kind: DriveKind): Json => {
  const { parentReference, createdBy, ...rest } = item
  const hit = kind === "business" || createdBy === undefined ? rest : { ...rest, createdBy }
  if (typeof parentReference !== "object" || parentReference === null) return hit
  const kept = Object.entries(parentReference).filter(([key]) => key !== "path" && key !== "name")
  return { ...hit, parentReference: Object.fromEntries(kept), searchResult: {} }
}

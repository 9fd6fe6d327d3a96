/** Upload sessions on the wire (Microsoft Graph, driveItem: createUploadSession). */
import { Effect } from "effect"
import { attempt, invalidRequest, lengthRequired, notSupported } from "./ApiError.ts"
import { conflictOf, SessionBody, timesOf } from "./Bodies.ts"
import { type Call, contentLength, contextUrl, empty, json, readJson } from "./Call.ts"
import { rewriteOffice } from "./ContentRoutes.ts"
import { timestamp } from "./DriveItemShape.ts"
import { conditionsOf, contentTarget, type DriveParts, itemReply } from "./DriveParts.ts"
import { type ItemAddress, uploadPrefix } from "./Routing.ts"
import type { FragmentRange, SessionStatus } from "./UploadSessions.ts"

export const createSession = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const body = yield* readJson(call, SessionBody)
  if (body.deferCommit === true) return yield* notSupported("deferCommit is not supported.")
  const wrapped = body.item ?? {}
  const properties = { ...body, ...wrapped }
  const target = yield* attempt(() => contentTarget(parts, address))
  const status = yield* parts.sessions.create({
    target,
    conflict: yield* conflictOf(call, properties, "replace"),
    times: yield* timesOf(properties),
    conditions: conditionsOf(call),
    announced: properties.fileSize ?? undefined
  })
  return json(200, {
    "@odata.context": contextUrl(call, "microsoft.graph.uploadSession"),
    uploadUrl: `${call.request.origin}${uploadPrefix}${status.id}`,
    ...progress(status)
  })
})

const progress = ({ expires, received, total }: SessionStatus) => ({
  expirationDateTime: timestamp(expires),
  nextExpectedRanges: received === total ? [] : [`${received}-`]
})

export const getSession = (parts: DriveParts, call: Call, id: string) =>
  Effect.map(parts.sessions.status(id), (status) =>
    json(200, { "@odata.context": contextUrl(call, "microsoft.graph.uploadSession"), ...progress(status) })
  )

export const putFragment = Effect.fnUntraced(function* (parts: DriveParts, call: Call, id: string) {
  const range = yield* attempt(() => fragmentRange(call.request.headers["content-range"]))
  const length = contentLength(call)
  if (length === undefined && call.request.headers["transfer-encoding"] === undefined) return yield* lengthRequired()
  const outcome = yield* parts.sessions.put(id, range, call.request.body, length)
  if (outcome._tag === "Accepted") return json(202, progress(outcome.status))
  const item = yield* rewriteOffice(parts, call, outcome.item)
  return yield* attempt(() => itemReply(parts, call, item, outcome.created ? 201 : 200))
})

const fragmentRange = (header: string | undefined): FragmentRange => {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header ?? "")
  if (match === null)
    throw invalidRequest("Content-Range has to be 'bytes first-last/total'.", "invalidParameterFormat")
  const [start = 0, end = 0, total = 0] = match.slice(1).map(Number)
  if (end < start || end >= total) throw invalidRequest("Content-Range contradicts itself.", "invalidParameterFormat")
  return { start, end, total }
}

export const deleteSession = (parts: DriveParts, id: string) => Effect.as(parts.sessions.cancel(id), empty(204))

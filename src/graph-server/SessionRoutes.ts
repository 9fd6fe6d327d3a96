/** Upload sessions on the wire (Microsoft Graph, driveItem: createUploadSession). */
import { Effect } from "effect"
import { attempt, invalidRequest, lengthRequired } from "./ApiError.ts"
import { conflictOf, given, SessionBody, SourceBody, timesOf } from "./Bodies.ts"
import { type Call, contentLength, contextUrl, empty, json, readJson } from "./Call.ts"
import type { ContentTarget } from "./Change.ts"
import { rewriteOffice } from "./ContentRoutes.ts"
import { timestamp } from "./DriveItemShape.ts"
import { conditionsOf, contentTarget, type DriveParts, itemReply } from "./DriveParts.ts"
import { type FragmentRange, parseFragmentRange } from "./FragmentRange.ts"
import type { ItemAddress } from "./Routing.ts"
import type { Completed, SessionStatus } from "./UploadSessions.ts"

export const createSession = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const body = yield* readJson(call, SessionBody)
  const wrapped = body.item ?? {}
  const properties = { ...body, ...wrapped }
  const target = yield* attempt(() => contentTarget(parts, address))
  const status = yield* parts.sessions.create({
    target,
    conflict: yield* conflictOf(call, properties, "replace"),
    times: yield* timesOf(properties),
    conditions: conditionsOf(call),
    announced: properties.fileSize ?? undefined,
    deferred: body.deferCommit ?? false
  })
  return json(200, {
    "@odata.context": contextUrl(call, "microsoft.graph.uploadSession"),
    uploadUrl: `${call.request.origin}${parts.transferRoot}upload/${status.id}`,
    ...progress(status, call)
  })
})

const progress = ({ expires, received, total }: SessionStatus, { quirks }: Call) => ({
  expirationDateTime: timestamp(expires + (quirks.skew ?? 0)),
  nextExpectedRanges: received === total ? [] : [`${received}-`]
})

export const getSession = (parts: DriveParts, call: Call, id: string) =>
  Effect.map(parts.sessions.status(id), (status) =>
    json(200, { "@odata.context": contextUrl(call, "microsoft.graph.uploadSession"), ...progress(status, call) })
  )

export const putFragment = Effect.fnUntraced(function* (parts: DriveParts, call: Call, id: string) {
  const range = yield* attempt(() => fragmentRange(call.request.headers["content-range"]))
  const length = contentLength(call)
  if (length === undefined && call.request.headers["transfer-encoding"] === undefined) return yield* lengthRequired()
  const keepsPart = call.quirks.keepsPart ?? parts.settings.keepPartialFragments
  const refusesCommit = call.quirks.refusesCommit ?? false
  const outcome = yield* parts.sessions.put(id, { range, body: call.request.body, length, keepsPart, refusesCommit })
  if (outcome._tag === "Accepted") return json(202, progress(outcome.status, call))
  return yield* completed(parts, call, outcome)
})

const completed = Effect.fnUntraced(function* (parts: DriveParts, call: Call, outcome: Completed) {
  const item = yield* rewriteOffice(parts, call, outcome.item)
  return yield* attempt(() => itemReply(parts, call, item, outcome.created ? 201 : 200))
})

/** POST without a body to the upload URL: the item comes into being where the session was made for. */
export const commitSession = (parts: DriveParts, call: Call, id: string) =>
  Effect.flatMap(parts.sessions.commit(id), (outcome) => completed(parts, call, outcome))

/** PUT of an item whose content is that of a session: the other way to commit, also under another name. */
export const putFromSession = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const body = yield* readJson(call, SourceBody)
  const conflict = yield* conflictOf(call, body, "fail")
  const url = given(body["@microsoft.graph.sourceUrl"])
  if (url === undefined)
    return yield* invalidRequest("An item is put from an upload session: '@microsoft.graph.sourceUrl' is missing.")
  const id = new RegExp(`${parts.transferRoot}upload/([\\w-]+)$`).exec(url)?.[1]
  if (id === undefined)
    return yield* invalidRequest(
      "'@microsoft.graph.sourceUrl' is not the URL of an upload session of this drive.",
      "invalidParameterFormat"
    )
  const target = yield* attempt(() => named(contentTarget(parts, address), given(body.name)))
  return yield* completed(parts, call, yield* parts.sessions.commit(id, { target, conflict }))
})

const named = (target: ContentTarget, name: string | undefined): ContentTarget =>
  "item" in target || name === undefined ? target : { ...target, name }

const fragmentRange = (header: string | undefined): FragmentRange => {
  const range = parseFragmentRange(header)
  if (range === undefined)
    throw invalidRequest("Content-Range has to be 'bytes first-last/total'.", "invalidParameterFormat")
  const { start, end, total } = range
  if (end < start || end >= total) throw invalidRequest("Content-Range contradicts itself.", "invalidParameterFormat")
  return range
}

export const deleteSession = (parts: DriveParts, id: string) => Effect.as(parts.sessions.cancel(id), empty(204))

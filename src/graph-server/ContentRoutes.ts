/** File content: the redirect to a download URL, that URL itself with ranges, and the simple upload. */
import { Effect, Stream } from "effect"
import {
  ApiError,
  attempt,
  invalidRange,
  invalidRequest,
  itemNotFound,
  lengthRequired,
  notSupported
} from "./ApiError.ts"
import { conflictOf } from "./Bodies.ts"
import { type Call, contentLength, empty } from "./Call.ts"
import { mimeType } from "./DriveItemShape.ts"
import { conditionsOf, contentTarget, type DriveParts, find, itemReply } from "./DriveParts.ts"
import type { DriveResponse, HeaderRecord } from "./Exchange.ts"
import type { ItemRow } from "./ItemTable.ts"
import type { ItemAddress } from "./Routing.ts"

export const getContent = (parts: DriveParts, call: Call, address: ItemAddress) =>
  attempt((): DriveResponse => {
    const row = find(parts, address)
    if (row.content === null) throw invalidRequest("You cannot get content for a folder")
    if (call.query.has("format")) throw notSupported("This drive does not convert contents.")
    const known = call.request.headers["if-none-match"]
    if (known !== undefined && parts.model.tags.matches(known, row)) return empty(304)
    return empty(302, { location: parts.links.url(call.request.origin, row, row.content, call.now) })
  })

export const putContent = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const conflict = yield* conflictOf(call, {}, "replace")
  const conditions = conditionsOf(call)
  const expected = contentLength(call)
  if (expected === undefined && call.request.headers["transfer-encoding"] === undefined) return yield* lengthRequired()
  // Looked at before the body is read, so that a refusal costs no transfer; and again with the change itself.
  yield* attempt(() => {
    const existing = parts.model.checkTarget(contentTarget(parts, address), conflict, conditions)
    parts.model.checkRoom((expected ?? 0) - (existing?.size ?? 0))
  })
  const size = { limit: parts.settings.simpleUploadLimit, expected }
  const done = yield* parts.contents.store(call.request.body, size, (stored) =>
    attempt(() =>
      parts.model.putContent(contentTarget(parts, address), stored, { now: call.now, conflict, conditions })
    )
  )
  const item = yield* rewriteOffice(parts, call, done.item)
  yield* parts.contents.sweep(call.now)
  return yield* attempt(() => itemReply(parts, call, item, done.created ? 201 : 200))
})

/** What SharePoint promotes properties into; the bytes are not those of any format, only different ones. */
const officeName = /\.(docx|xlsx|pptx)$/i
const promotedProperties = new TextEncoder().encode("<promoted properties />")

/**
 * The item as the server leaves it after an upload: see DriveSettings.rewriteOffice. The upload stands whatever comes of
 * this, and so does what somebody else has uploaded meanwhile.
 */
export const rewriteOffice = (parts: DriveParts, call: Call, row: ItemRow): Effect.Effect<ItemRow> => {
  const rewrites = call.quirks.rewritesOffice ?? parts.settings.rewriteOffice ?? parts.model.label.site !== undefined
  if (!rewrites || row.content === null || !officeName.test(row.name)) return Effect.succeed(row)
  const old = parts.contents.read(row.content, { offset: 0, length: row.size })
  const size = row.size + promotedProperties.length
  const change = {
    now: call.now,
    conflict: "replace",
    times: { modified: row.fs_modified },
    conditions: { ifMatch: parts.model.tags.eTag(row) }
  } as const
  return parts.contents
    .store(Stream.concat(old, Stream.succeed(promotedProperties)), { limit: size, expected: size }, (stored) =>
      attempt(() => parts.model.putContent({ item: row.id }, stored, change).item)
    )
    .pipe(Effect.catch((error) => Effect.as(Effect.logInfo("An Office file was not rewritten", error), row)))
}

export const download = (parts: DriveParts, call: Call, segments: ReadonlyArray<string>) =>
  attempt((): DriveResponse => {
    const granted = parts.links.verify(segments, call.now)
    const content = call.quirks.currentContent ? currentContent(parts, granted.content) : granted.content
    const { name } = granted
    const size = parts.contents.sizeOf(content)
    if (size === undefined) throw itemNotFound("The content is gone.")
    const tag = `"${content}"`
    const { range, "if-range": ifRange, "if-none-match": known } = call.request.headers
    if (known === tag) return empty(304, { etag: tag })
    const headers: HeaderRecord = {
      "accept-ranges": "bytes",
      "content-type": mimeType(name),
      "content-disposition": `attachment; filename*=UTF-8''${extendedValue(name)}`,
      etag: tag
    }
    const wanted = ifRange !== undefined && ifRange !== tag ? undefined : parseRange(range, size)
    if (wanted === "unsatisfiable") return unsatisfiable(size)
    const { offset, length } = wanted ?? { offset: 0, length: size }
    const partial = wanted === undefined ? {} : { "content-range": `bytes ${offset}-${offset + length - 1}/${size}` }
    const body = length === 0 ? new Uint8Array(0) : parts.contents.read(content, { offset, length })
    return {
      status: wanted === undefined ? 200 : 206,
      headers: { ...headers, ...partial, "content-length": String(length) },
      body
    }
  })

/** What the item that once held this content holds now. */
const currentContent = ({ model }: DriveParts, content: number): number => {
  const item = model.versions.itemOf(content)
  return (item === undefined ? undefined : model.table.byId(item)?.content) ?? content
}

/** RFC 8187: what encodeURIComponent leaves alone and a header parameter may not hold. */
const extendedValue = (text: string): string =>
  encodeURIComponent(text).replace(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)

const unsatisfiable = (size: number): never => {
  const { message } = invalidRange()
  const headers = { "content-range": `bytes */${size}` }
  throw new ApiError({ status: 416, code: "invalidRange", inner: "invalidStartIndex", message, headers })
}

/** A single byte range (RFC 9110 section 14.1.2). Several ranges or another unit count as none. */
const parseRange = (
  header: string | undefined,
  size: number
): { readonly offset: number; readonly length: number } | "unsatisfiable" | undefined => {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "")
  const [, first = "", last = ""] = match ?? []
  if (first === "" && last === "") return undefined
  if (first === "") {
    const length = Math.min(Number(last), size)
    return length === 0 ? "unsatisfiable" : { offset: size - length, length }
  }
  const offset = Number(first)
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== "" && Number(last) < offset) return undefined
  return offset >= size ? "unsatisfiable" : { offset, length: end - offset + 1 }
}

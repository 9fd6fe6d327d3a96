/**
 * Thumbnails (Microsoft Graph, thumbnailSet): PNG images are scaled, other pictures get a tile whose colour comes from
 * their content. Files without a picture have none. All of them are PNG, whatever the original was.
 */
import { Effect, Stream } from "effect"
import { type ApiError, attempt, itemNotFound } from "./ApiError.ts"
import { type Call, contextUrl, empty, json } from "./Call.ts"
import { type Json, mimeType } from "./DriveItemShape.ts"
import { type DriveParts, find } from "./DriveParts.ts"
import type { DriveResponse } from "./Exchange.ts"
import type { ItemRow } from "./ItemTable.ts"
import { decodePng, encodePng, type Picture, shrink } from "./Png.ts"
import type { ItemAddress } from "./Routing.ts"

/** Longest edge in pixels. */
const sizes = { small: 96, medium: 176, large: 800 } as const
type Size = keyof typeof sizes

const isSize = (text: string): text is Size => Object.hasOwn(sizes, text)

/** Larger files get a tile. */
const decodeLimit = 32 * 1024 * 1024

const url = ({ links, transferRoot }: DriveParts, { request, now }: Call, row: ItemRow, size: Size): string =>
  `${request.origin}${transferRoot}thumbnail/${size}/${links.claim(row, row.content ?? 0, now)}`

/** The item's thumbnail sets: one, or none. */
export const thumbnailSets = (parts: DriveParts, call: Call, row: ItemRow): ReadonlyArray<Json> => {
  if (row.content === null || !mimeType(row.name).startsWith("image/")) return []
  const shape = (size: Size) => ({ url: url(parts, call, row, size), width: sizes[size], height: sizes[size] })
  return [{ id: "0", small: shape("small"), medium: shape("medium"), large: shape("large") }]
}

/** `rest` is what follows "thumbnails": nothing, a set, or a set, a size and perhaps "content". */
export const getThumbnails = (
  parts: DriveParts,
  call: Call,
  address: ItemAddress,
  rest: ReadonlyArray<string>
): Effect.Effect<DriveResponse, ApiError> =>
  attempt(() => {
    const row = find(parts, address)
    const sets = thumbnailSets(parts, call, row)
    const [id, size, action] = rest
    if (id === undefined) return json(200, { "@odata.context": contextUrl(call, "thumbnails"), value: sets })
    const set = sets[0]
    if (set === undefined || id !== "0") throw itemNotFound("The thumbnail could not be found.")
    if (size === undefined) return json(200, set)
    if (!isSize(size)) throw itemNotFound("The thumbnail could not be found.")
    return action === "content" ? empty(302, { location: url(parts, call, row, size) }) : json(200, set[size] as Json)
  })

export const thumbnailImage = Effect.fnUntraced(function* (
  parts: DriveParts,
  call: Call,
  [size = "", ...segments]: ReadonlyArray<string>
) {
  const { content, length } = yield* attempt(() => {
    const granted = parts.links.verify(segments, call.now)
    const stored = parts.contents.sizeOf(granted.content)
    if (stored === undefined || !isSize(size)) throw itemNotFound("The thumbnail could not be found.")
    return { content: granted.content, length: stored }
  })
  const edge = isSize(size) ? sizes[size] : sizes.small
  const picture = length > decodeLimit ? undefined : decodePng(yield* readAll(parts, content, length))
  const headers = { "content-type": "image/png", "cache-control": "private, max-age=3600" }
  return { status: 200, headers, body: encodePng(picture === undefined ? tile(content, edge) : shrink(picture, edge)) }
})

const readAll = ({ contents }: DriveParts, content: number, length: number) =>
  Stream.runCollect(contents.read(content, { offset: 0, length })).pipe(
    Effect.map((chunks) => Buffer.concat(chunks)),
    Effect.mapError(() => itemNotFound("The content is gone."))
  )

/** Two shades, so that it looks like a placeholder and not like a broken image. */
const tile = (seed: number, edge: number): Picture => {
  const pixels = new Uint8Array(edge * edge * 3)
  const base = [Math.imul(seed, 73) & 127, Math.imul(seed, 151) & 127, Math.imul(seed, 211) & 127]
  for (let i = 0; i < edge * edge; i++) {
    const light = Math.floor(i / edge) + (i % edge) < edge ? 112 : 80
    for (let c = 0; c < 3; c++) pixels[i * 3 + c] = (base[c] ?? 0) + light
  }
  return { width: edge, height: edge, pixels }
}

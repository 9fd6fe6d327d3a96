/**
 * Thumbnails (Microsoft Graph, thumbnailSet): PNG and JPEG images are scaled, other pictures get a tile whose colour comes
 * from their content. Files without a picture have none. All of them are PNG, whatever the original was.
 */
import { Effect, Stream } from "effect"
import { type ApiError, attempt, itemNotFound } from "./ApiError.ts"
import { type Call, contextUrl, empty, json, selectOf } from "./Call.ts"
import { type Json, mimeType } from "./DriveItemShape.ts"
import { type DriveParts, find } from "./DriveParts.ts"
import type { DriveResponse } from "./Exchange.ts"
import type { ItemRow } from "./ItemTable.ts"
import { type Box, crop, type Picture, shrink } from "./Picture.ts"
import { type ItemAddress, unknownSegment } from "./Routing.ts"

interface Size extends Box {
  readonly isCropped: boolean
}

const square = (edge: number): Size => ({ width: edge, height: edge, isCropped: false })

const named: ReadonlyMap<string, Size> = new Map([
  ["small", square(96)],
  ["medium", square(176)],
  ["large", square(800)]
])

/** Sizes with a name, and those made to measure: "c300x400" fits into a box, "c300x400_crop" fills it. */
const sizeOf = (text: string): Size | undefined => {
  const known = named.get(text)
  if (known !== undefined) return known
  const [, width, height, suffix] = /^c([1-9]\d{0,3})x([1-9]\d{0,3})(_crop)?$/.exec(text) ?? []
  if (width === undefined || height === undefined) return undefined
  return { width: Number(width), height: Number(height), isCropped: suffix !== undefined }
}

/** Larger files get a tile. */
const decodeLimit = 32 * 1024 * 1024

const url = ({ links, transferRoot }: DriveParts, { request, now }: Call, row: ItemRow, size: string): string =>
  `${request.origin}${transferRoot}thumbnail/${size}/${links.claim(row, row.content ?? 0, now)}`

const hasThumbnails = (row: ItemRow): boolean => row.content !== null && mimeType(row.name).startsWith("image/")

const thumbnail = (parts: DriveParts, call: Call, row: ItemRow, name: string): Json => {
  const { width, height } = sizeOf(name) ?? square(0)
  return { url: url(parts, call, row, name), width, height }
}

/** The item's thumbnail sets: one, or none. $select asks for other sizes than those with a name. */
export const thumbnailSets = (
  parts: DriveParts,
  call: Call,
  row: ItemRow,
  wanted: Iterable<string> = named.keys()
): ReadonlyArray<Json> => {
  if (!hasThumbnails(row)) return []
  const sizes = [...wanted].filter((name) => sizeOf(name) !== undefined)
  return [{ id: "0", ...Object.fromEntries(sizes.map((name) => [name, thumbnail(parts, call, row, name)])) }]
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
    const sets = thumbnailSets(parts, call, row, selectOf(call))
    const [id, size, action] = rest
    if (id === undefined) return json(200, { "@odata.context": contextUrl(call, "thumbnails"), value: sets })
    const set = sets[0]
    if (set === undefined || id !== "0") throw thumbnailNotFound()
    if (size === undefined) return json(200, set)
    if (sizeOf(size) === undefined) throw thumbnailNotFound()
    if (action !== undefined && action !== "content") throw unknownSegment(action)
    if (action === undefined) return json(200, thumbnail(parts, call, row, size))
    return empty(302, { location: url(parts, call, row, size) })
  })

const thumbnailNotFound = () => itemNotFound("The thumbnail could not be found.")

export const thumbnailImage = Effect.fnUntraced(function* (
  parts: DriveParts,
  call: Call,
  [name = "", ...segments]: ReadonlyArray<string>
) {
  const { content, length, size } = yield* attempt(() => {
    const granted = parts.links.verify(segments, call.now)
    const stored = parts.contents.sizeOf(granted.content)
    const wanted = sizeOf(name)
    if (stored === undefined || wanted === undefined) throw thumbnailNotFound()
    return { content: granted.content, length: stored, size: wanted }
  })
  const { decodePicture, encodePng } = yield* Effect.promise(() => import("./PictureFile.ts"))
  const picture = length > decodeLimit ? undefined : decodePicture(yield* readAll(parts, content, length))
  const shown = picture === undefined ? tile(content, size) : size.isCropped ? crop(picture, size) : picture
  const headers = { "content-type": "image/png", "cache-control": "private, max-age=3600" }
  return { status: 200, headers, body: encodePng(shrink(shown, size)) }
})

const readAll = ({ contents }: DriveParts, content: number, length: number) =>
  Stream.runCollect(contents.read(content, { offset: 0, length })).pipe(
    Effect.map((chunks) => Buffer.concat(chunks)),
    Effect.mapError(() => itemNotFound("The content is gone."))
  )

/** Tiles are no larger than the largest size with a name. */
const maxTileEdge = 800

/** Two shades, so that it looks like a placeholder and not like a broken image. */
const tile = (seed: number, box: Box): Picture => {
  const [width, height] = [Math.min(box.width, maxTileEdge), Math.min(box.height, maxTileEdge)]
  const pixels = new Uint8Array(width * height * 3)
  const base = [Math.imul(seed, 73) & 127, Math.imul(seed, 151) & 127, Math.imul(seed, 211) & 127]
  for (let i = 0; i < width * height; i++) {
    const light = Math.floor(i / width) / height + (i % width) / width < 1 ? 112 : 80
    for (let c = 0; c < 3; c++) pixels[i * 3 + c] = (base[c] ?? 0) + light
  }
  return { width, height, pixels }
}

/** driveItem, drive and user as JSON, (Microsoft Graph, driveItem, drive and user resource types). */
import { getType } from "effect/http/Mime"
import { Option } from "effect"
import type { DriveModel } from "./DriveModel.ts"
import type { ItemRow } from "./ItemTable.ts"
import { specialName } from "./SpecialFolders.ts"

export type Json = Readonly<Record<string, unknown>>

/** What the shape of an item needs besides the item. */
export interface ShapeContext {
  readonly model: DriveModel["Service"]
  readonly encodePaths: boolean
  readonly webOrigin: string
  readonly downloadUrl: (row: ItemRow, content: number) => string
  /** Properties named by $select; everything when undefined. */
  readonly select: ReadonlySet<string> | undefined
}

/** How items refer to the folder they are in. */
interface Folder {
  readonly name: string
  readonly path: string
}

const dayLength = 24 * 60 * 60 * 1000
const days = new Map<number, string>()

const dayText = (day: number): string => {
  const known = days.get(day)
  if (known !== undefined) return known
  const text = new Date(day * dayLength).toISOString().slice(0, 11)
  if (days.size >= 10_000) days.clear()
  days.set(day, text)
  return text
}

const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, "0"))

/** RFC 3339 in UTC; without a fraction when there is none. A page of a thousand items has four thousand of them. */
export const timestamp = (millis: number): string => {
  const day = Math.floor(millis / dayLength)
  const within = millis - day * dayLength
  const seconds = Math.floor(within / 1000)
  const [hour, minute] = [twoDigits[Math.floor(seconds / 3600)], twoDigits[Math.floor(seconds / 60) % 60]]
  const fraction = within % 1000 === 0 ? "" : `.${String(within % 1000).padStart(3, "0")}`
  return `${dayText(day)}${hour}:${minute}:${twoDigits[seconds % 60]}${fraction}Z`
}

export const mimeType = (name: string): string => Option.getOrElse(getType(name), () => "application/octet-stream")

export const identity = { user: { displayName: "Embedded Drive", id: "0" } }

/** Shapes the items of one reply; folder paths are worked out once for all of them. */
export const makeShaper = (context: ShapeContext): ((row: ItemRow) => Json) => {
  const { model, select } = context
  const folders = new Map<number, Folder>()

  const folderOf = (id: number): Folder => {
    const known = folders.get(id)
    if (known !== undefined) return known
    const row = model.table.folder(id)
    const name = row?.name ?? ""
    const below = row === undefined || row.parent === null ? undefined : folderOf(row.parent)
    const segment = context.encodePaths ? encodeURIComponent(name) : name
    const folder = { name, path: below === undefined ? `/drives/${model.driveId}/root:` : `${below.path}/${segment}` }
    folders.set(id, folder)
    return folder
  }

  const parentReference = (row: ItemRow): Json => {
    const drive = { driveId: model.driveId, driveType: model.kind }
    if (row.parent === null) return drive
    if (row.deleted === 1) return { ...drive, id: model.tags.id(row.parent) }
    return { ...drive, id: model.tags.id(row.parent), ...folderOf(row.parent) }
  }

  const wants = (property: string): boolean => select === undefined || select.has(property)

  return (row) => {
    const shaped =
      row.deleted === 1
        ? deletedItem(row, model, parentReference(row))
        : {
            ...liveItem(row, context),
            ...(wants("parentReference") ? { parentReference: parentReference(row) } : {}),
            ...(row.content !== null && (wants(downloadUrlKey) || wants("content.downloadUrl"))
              ? { [downloadUrlKey]: context.downloadUrl(row, row.content) }
              : {})
          }
    return select === undefined ? shaped : pick(shaped, select)
  }
}

const downloadUrlKey = "@microsoft.graph.downloadUrl"

const pick = (item: Json, select: ReadonlySet<string>): Json =>
  Object.fromEntries(
    Object.entries(item).filter(
      ([key]) => select.has(key) || key === "deleted" || (key === downloadUrlKey && select.has("content.downloadUrl"))
    )
  )

const liveItem = (row: ItemRow, { model, webOrigin }: ShapeContext): Json => {
  const id = model.tags.id(row.id)
  const cTag = model.tags.cTag(row)
  const special = specialName(row, model.table.rootId)
  return {
    createdDateTime: timestamp(row.created),
    ...(cTag === undefined ? {} : { cTag }),
    eTag: model.tags.eTag(row),
    id,
    lastModifiedDateTime: timestamp(row.modified),
    name: row.name,
    size: row.size,
    webUrl: `${webOrigin}/?id=${encodeURIComponent(id)}`,
    createdBy: identity,
    lastModifiedBy: identity,
    fileSystemInfo: {
      createdDateTime: timestamp(row.fs_created),
      lastModifiedDateTime: timestamp(row.fs_modified)
    },
    ...(row.kind === "file"
      ? { file: { mimeType: mimeType(row.name), hashes: { quickXorHash: row.hash } } }
      : { folder: { childCount: row.children } }),
    ...(special === undefined ? {} : { specialFolder: { name: special } }),
    ...(row.parent === null ? { root: {} } : {})
  }
}

/** Business drives leave out the name of what is gone. */
const deletedItem = (row: ItemRow, { tags, kind }: DriveModel["Service"], parentReference: Json): Json => ({
  id: tags.id(row.id),
  ...(kind === "personal" ? { name: row.name } : { size: 0 }),
  deleted: { state: "deleted" },
  parentReference,
  ...(row.kind === "file" ? { file: {} } : { folder: {} })
})

export const driveShape = (model: DriveModel["Service"]): Json => ({
  id: model.driveId,
  driveType: model.kind,
  name: "OneDrive",
  owner: identity,
  quota: { ...model.quota(), deleted: 0 }
})

export const userShape: Json = {
  id: "6d6f756e-746f-6e65-0000-000000000000",
  displayName: "Embedded Drive",
  userPrincipalName: "embedded@embedded.invalid",
  mail: "embedded@embedded.invalid"
}

/** Whether an id or principal name is that of the drive's owner. */
export const isOwner = (user: string): boolean => user === userShape["id"] || user === userShape["userPrincipalName"]

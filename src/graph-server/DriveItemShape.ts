/** driveItem, drive and user as JSON, (Microsoft Graph, driveItem, drive and user resource types). */
import { getType } from "effect/http/Mime"
import { Option } from "effect"
import type { DriveLabel } from "./DriveLabel.ts"
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
  readonly shortcutTarget: (row: ItemRow) => ShortcutTarget
  /** Properties named by $select; everything when undefined. */
  readonly select: ReadonlySet<string> | undefined
}

/** Where a shortcut leads; the row is undefined when that item is gone, the model when its drive is not served here. */
export interface ShortcutTarget {
  readonly driveId: string
  readonly itemId: string
  readonly model: DriveModel["Service"] | undefined
  readonly row: ItemRow | undefined
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
  const drive = { driveId: model.driveId, driveType: driveType(model) }
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

const liveItem = (row: ItemRow, context: ShapeContext): Json => {
  const { model, webOrigin } = context
  const id = model.tags.id(row.id)
  const cTag = model.tags.cTag(row)
  return {
    createdDateTime: timestamp(row.created),
    ...(cTag === undefined ? {} : { cTag }),
    eTag: model.tags.eTag(row),
    id,
    lastModifiedDateTime: timestamp(row.modified),
    name: row.name,
    size: row.size,
    // The Personal Vault has no address for people.
    ...(row.facet === "vault" ? {} : { webUrl: `${webOrigin}/?id=${encodeURIComponent(id)}` }),
    createdBy: identity,
    lastModifiedBy: identity,
    fileSystemInfo: {
      createdDateTime: timestamp(row.fs_created),
      lastModifiedDateTime: timestamp(row.fs_modified)
    },
    ...facetsOf(row, context)
  }
}

const facetsOf = (row: ItemRow, context: ShapeContext): Json => {
  if (row.facet === "vault") return {}
  if (row.facet === "package") return { package: { type: "oneNote" } }
  if (row.facet === "shortcut") return { remoteItem: remoteItem(context.shortcutTarget(row), context.webOrigin) }
  if (row.kind === "file") return plainFacets(row)
  const special = specialName(row, context.model.table.rootId)
  return {
    ...plainFacets(row),
    ...(special === undefined ? {} : { specialFolder: { name: special } }),
    ...(row.parent === null ? { root: {} } : {})
  }
}

const plainFacets = (row: ItemRow): Json =>
  row.kind === "file"
    ? { file: { mimeType: mimeType(row.name), hashes: { quickXorHash: row.hash } } }
    : { folder: { childCount: row.children } }

/** What a shortcut shows of the item it leads to; of one that is gone, only where it was. */
const remoteItem = ({ driveId, itemId, model, row }: ShortcutTarget, webOrigin: string): Json => {
  const drive = { driveId, ...(model === undefined ? {} : { driveType: driveType(model) }) }
  if (row === undefined || model === undefined) return { id: itemId, parentReference: drive }
  return {
    id: itemId,
    name: row.name,
    size: row.size,
    webUrl: `${webOrigin}/?id=${encodeURIComponent(itemId)}`,
    ...plainFacets(row),
    fileSystemInfo: {
      createdDateTime: timestamp(row.fs_created),
      lastModifiedDateTime: timestamp(row.fs_modified)
    },
    parentReference: { ...drive, ...(row.parent === null ? {} : { id: model.tags.id(row.parent) }) },
    shared: { scope: "users", owner: ownerOf(model.label) }
  }
}

/** Business drives leave out the name of what is gone. */
const deletedItem = (row: ItemRow, { tags, kind }: DriveModel["Service"], parentReference: Json): Json => ({
  id: tags.id(row.id),
  ...(kind === "personal" ? { name: row.name } : { size: 0 }),
  deleted: { state: "deleted" },
  parentReference,
  ...(row.facet !== null ? {} : row.kind === "file" ? { file: {} } : { folder: {} })
})

/** A library of a site is a business drive that is nobody's. */
export const driveType = ({ kind, label }: DriveModel["Service"]): string =>
  label.site === undefined ? kind : "documentLibrary"

const ownerOf = ({ owner, site }: DriveLabel): Json => {
  if (site !== undefined) return { group: { displayName: site } }
  return owner === undefined ? identity : { user: { displayName: owner, email: owner, id: owner } }
}

export const driveShape = (model: DriveModel["Service"]): Json => ({
  id: model.driveId,
  driveType: driveType(model),
  name: model.label.name,
  owner: ownerOf(model.label),
  quota: model.quota()
})

export const userShape: Json = {
  id: "6d6f756e-746f-6e65-0000-000000000000",
  displayName: "Embedded Drive",
  userPrincipalName: "embedded@embedded.invalid",
  mail: "embedded@embedded.invalid"
}

/** Another user, by principal name. */
export const userShapeOf = (name: string): Json => ({
  id: name,
  displayName: name.replace(/@.*$/, ""),
  userPrincipalName: name,
  mail: name
})

/** Whether an id or principal name is that of the drive's owner. */
export const isOwner = (user: string): boolean => user === userShape["id"] || user === userShape["userPrincipalName"]

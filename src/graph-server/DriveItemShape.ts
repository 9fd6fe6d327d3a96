/** driveItem, drive and user as JSON, (Microsoft Graph, driveItem, drive and user resource types). */
import { getType } from "effect/http/Mime"
import { Option } from "effect"
import type { DriveLabel } from "./DriveLabel.ts"
import type { DriveModel } from "./DriveModel.ts"
import type { FolderPlace, ItemRow } from "./ItemTable.ts"
import { specialName } from "./SpecialFolders.ts"

/** A JSON object on its way out. */
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
  /** Files changed after this moment have no hash yet; milliseconds since the epoch. */
  readonly hashedUntil: number
  /** Business drives leave cTag out of delta. */
  readonly isDelta: boolean
}

/** Where a shortcut leads; the row is undefined when that item is gone, the model when its drive is not served here. */
export interface ShortcutTarget {
  readonly driveId: string
  readonly itemId: string
  readonly model: DriveModel["Service"] | undefined
  readonly row: ItemRow | undefined
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

/** By the extension of a name; application/octet-stream where that says nothing. */
export const mimeType = (name: string): string => Option.getOrElse(getType(name), () => "application/octet-stream")

/** Who changed things: there is one user (Microsoft Graph, identitySet resource type). */
export const identity = { user: { displayName: "Embedded Drive", id: "0" } }

/** Shapes items; folder paths are worked out once until something changes. */
export const makeShaper = (context: ShapeContext): ((row: ItemRow) => Json) => {
  const { model, select } = context
  const drive = { driveId: model.driveId, driveType: driveType(model) }

  const folderOf = (id: number): FolderPlace =>
    model.table.place(id, () => {
      const row = model.table.folder(id)
      const name = row?.name ?? ""
      if (row === undefined || row.parent === null) {
        return { name, path: `/drives/${model.driveId}/root:`, webPath: webRoot(model.label) }
      }
      const [below, encoded] = [folderOf(row.parent), encodeURIComponent(name)]
      const path = `${below.path}/${context.encodePaths ? encoded : name}`
      return { name, path, webPath: `${below.webPath}/${encoded}` }
    })

  /** For people: personal drives name the item, business ones its place. */
  const webUrl = (row: ItemRow, id: string): string => {
    if (model.kind === "personal") return `${context.webOrigin}/?id=${id}`
    const path =
      row.parent === null ? webRoot(model.label) : `${folderOf(row.parent).webPath}/${encodeURIComponent(row.name)}`
    return context.webOrigin + path
  }

  const parentReference = (row: ItemRow): Json => {
    if (row.parent === null) return drive
    if (row.deleted === 1) return { ...drive, id: model.tags.id(row.parent) }
    const { name, path } = folderOf(row.parent)
    return { ...drive, id: model.tags.id(row.parent), name, path }
  }

  const wants = (property: string): boolean => select === undefined || select.has(property)

  const wantsParent = wants("parentReference")
  // The Personal Vault has no address for people.
  const wantsWebUrl = wants("webUrl")
  const wantsUrl = wants(downloadUrlKey) || wants("content.downloadUrl")

  return (row) => {
    if (row.deleted === 1) {
      const gone = deletedItem(row, model, parentReference(row))
      return select === undefined ? gone : pick(gone, select)
    }
    const id = model.tags.id(row.id)
    const item = liveItem(row, id, context)
    if (wantsWebUrl && row.facet !== "vault") item["webUrl"] = webUrl(row, id)
    if (wantsParent) item["parentReference"] = parentReference(row)
    if (wantsUrl && row.content !== null) item[downloadUrlKey] = context.downloadUrl(row, row.content)
    return select === undefined ? item : pick(item, select)
  }
}

const downloadUrlKey = "@microsoft.graph.downloadUrl"

/** What $select names, and what comes with every item. */
export const pick = (item: Json, select: ReadonlySet<string>): Json =>
  Object.fromEntries(
    Object.entries(item).filter(
      ([key]) => select.has(key) || key === "deleted" || (key === downloadUrlKey && select.has("content.downloadUrl"))
    )
  )

/** Built by assignment: a page has a thousand of them, and spreading costs more than all the rest. */
const liveItem = (row: ItemRow, id: string, context: ShapeContext): Record<string, unknown> => {
  const { model, isDelta } = context
  const eTag = model.tags.eTag(row)
  const isBusiness = model.kind === "business"
  const item: Record<string, unknown> = {
    // Undefined is left out of the JSON.
    "@odata.etag": isBusiness ? eTag : undefined,
    createdDateTime: timestamp(row.created),
    cTag: isDelta && isBusiness ? undefined : model.tags.cTag(row),
    eTag,
    id,
    lastModifiedDateTime: timestamp(row.modified),
    name: row.name,
    description: row.description ?? undefined,
    size: row.size,
    createdBy: identity,
    lastModifiedBy: identity,
    fileSystemInfo: {
      createdDateTime: timestamp(row.fs_created),
      lastModifiedDateTime: timestamp(row.fs_modified)
    }
  }
  if (row.facet !== null) addFacet(item, row, context)
  else if (row.kind === "file") {
    item["file"] = row.modified > context.hashedUntil ? unhashedFacet(row) : fileFacet(row, model)
  } else {
    item["folder"] = folderFacet(row)
    const special = specialName(row, model.table.rootId)
    if (special !== undefined) item["specialFolder"] = { name: special }
    if (row.parent === null) item["root"] = {}
  }
  return item
}

const addFacet = (item: Record<string, unknown>, row: ItemRow, context: ShapeContext): void => {
  if (row.facet === "package") item["package"] = { type: "oneNote" }
  if (row.facet === "shortcut") item["remoteItem"] = remoteItem(context.shortcutTarget(row), context.webOrigin)
}

const fileFacet = ({ name, hash, content }: ItemRow, { digests }: DriveModel["Service"]): Json => {
  const { sha256, sha1 } = digests.of(content ?? 0)
  return {
    mimeType: mimeType(name),
    hashes: { quickXorHash: hash, sha256Hash: sha256 ?? undefined, sha1Hash: sha1 ?? undefined }
  }
}

const unhashedFacet = ({ name }: ItemRow): Json => ({ mimeType: mimeType(name), hashes: {} })

const folderFacet = (row: ItemRow): Json => ({ childCount: row.children })

/** Where the site of a business drive shows its files. */
const webRoot = ({ name, owner, site }: DriveLabel): string => {
  if (site !== undefined) return `/sites/${encodeURIComponent(site)}/${encodeURIComponent(name)}`
  return `/personal/${(owner ?? identity.user.displayName).toLowerCase().replace(/[^a-z0-9]+/g, "_")}/Documents`
}

const webPathOf = ({ kind, label, pathOf }: DriveModel["Service"], row: ItemRow, itemId: string): string => {
  if (kind === "personal") return `/?id=${encodeURIComponent(itemId)}`
  return [webRoot(label), ...pathOf(row).map(encodeURIComponent)].join("/")
}

/** What a shortcut shows of the item it leads to; of one that is gone, only where it was. */
const remoteItem = ({ driveId, itemId, model, row }: ShortcutTarget, webOrigin: string): Json => {
  const drive = { driveId, ...(model === undefined ? {} : { driveType: driveType(model) }) }
  if (row === undefined || model === undefined) return { id: itemId, parentReference: drive }
  return {
    id: itemId,
    name: row.name,
    size: row.size,
    webUrl: webOrigin + webPathOf(model, row, itemId),
    ...(row.kind === "file" ? { file: fileFacet(row, model) } : { folder: folderFacet(row) }),
    fileSystemInfo: {
      createdDateTime: timestamp(row.fs_created),
      lastModifiedDateTime: timestamp(row.fs_modified)
    },
    parentReference: { ...drive, ...(row.parent === null ? {} : { id: model.tags.id(row.parent) }) },
    shared: { scope: "users", owner: ownerOf(model.label) }
  }
}

/** An item of another drive as it is listed among those shared with somebody: without tags and hashes. */
export const sharedStub = (model: DriveModel["Service"], row: ItemRow, webOrigin: string): Json => {
  const itemId = model.tags.id(row.id)
  const { file, ...remote } = remoteItem({ driveId: model.driveId, itemId, model, row }, webOrigin)
  const seen = file === undefined ? remote : { ...remote, file: { mimeType: mimeType(row.name) } }
  return { id: itemId, name: row.name, webUrl: remote["webUrl"], remoteItem: seen }
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
export const driveType = ({ kind, label }: Pick<DriveModel["Service"], "kind" | "label">): string =>
  label.site === undefined ? kind : "documentLibrary"

const ownerOf = ({ owner, site }: DriveLabel): Json => {
  if (site !== undefined) return { group: { displayName: site } }
  return owner === undefined ? identity : { user: { displayName: owner, email: owner, id: owner } }
}

/** What can be said of a drive that is not open. */
export const driveIdentity = (drive: Pick<DriveModel["Service"], "driveId" | "kind" | "label">): Json => ({
  id: drive.driveId,
  driveType: driveType(drive),
  name: drive.label.name,
  owner: ownerOf(drive.label)
})

/** Microsoft Graph, drive resource type. */
export const driveShape = (model: DriveModel["Service"], webOrigin: string): Json => {
  const { created, modified } = model.table.root()
  return {
    ...driveIdentity(model),
    webUrl: webOrigin + (model.kind === "personal" ? "" : webRoot(model.label)),
    createdDateTime: timestamp(created),
    lastModifiedDateTime: timestamp(modified),
    quota: model.quota()
  }
}

/** The signed-in user (Microsoft Graph, user resource type). */
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

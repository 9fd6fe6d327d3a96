/** What the route handlers work with. */
import { Clock, Effect } from "effect"
import { itemNotFound } from "./ApiError.ts"
import { type Call, contextUrl, json, selectOf } from "./Call.ts"
import type { Conditions, ContentTarget } from "./Change.ts"
import { ContentFiles } from "./ContentFiles.ts"
import { DeltaLog } from "./DeltaLog.ts"
import { type DownloadLinks, makeDownloadLinks } from "./DownloadLinks.ts"
import { type Json, makeShaper } from "./DriveItemShape.ts"
import { DriveModel } from "./DriveModel.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { DriveStore } from "./DriveStore.ts"
import type { DriveResponse } from "./Exchange.ts"
import type { ItemRow } from "./ItemTable.ts"
import { Notifications } from "./Notifications.ts"
import { makePermissions, type Permissions } from "./Permissions.ts"
import { apiPrefix, type ItemAddress, itemId } from "./Routing.ts"
import { specialPath } from "./SpecialFolders.ts"
import { UploadSessions } from "./UploadSessions.ts"

/** One drive, as handlers see it. */
export interface DriveParts {
  readonly model: DriveModel["Service"]
  readonly delta: DeltaLog["Service"]
  readonly contents: ContentFiles["Service"]
  readonly sessions: UploadSessions["Service"]
  readonly settings: DriveSettings
  readonly links: DownloadLinks
  readonly permissions: Permissions
  readonly notifications: Notifications["Service"]
  /** Where URLs without a token start. */
  readonly transferRoot: string
  readonly peers: Peers
  /** Signs what URLs without a token may do. */
  readonly secret: Uint8Array
}

/** The drives of this process by their ids; undefined for an id that is of none of them. */
export interface Peers {
  /** For showing what is known of it: undefined also for one that cannot be opened. */
  find(driveId: string): DriveParts | undefined
  /** For working on it. Throws 503 for one that cannot be opened. */
  use(driveId: string): DriveParts | undefined
}

export const driveParts = Effect.fnUntraced(function* (peers: Peers) {
  const settings = yield* DriveSettings
  const store = yield* DriveStore
  const clock = yield* Clock.Clock
  const parts: DriveParts = {
    model: yield* DriveModel,
    delta: yield* DeltaLog,
    contents: yield* ContentFiles,
    sessions: yield* UploadSessions,
    settings,
    links: makeDownloadLinks(store, settings),
    permissions: makePermissions(store.db, () => clock.currentTimeMillisUnsafe()),
    notifications: yield* Notifications,
    transferRoot: store.transferRoot,
    peers,
    secret: store.secret
  }
  return parts
})

/** Shapes items for this call's reply. */
export const shaperFor = (
  { model, settings, links, peers }: DriveParts,
  call: Call,
  { isDelta = false } = {}
): ((row: ItemRow) => Json) =>
  makeShaper({
    isDelta,
    model,
    encodePaths: settings.encodePaths ?? model.kind === "personal",
    webOrigin: call.request.origin,
    downloadUrl: (row, content) => links.url(call.request.origin, row, content, call.now),
    select: selectOf(call),
    hashedUntil: call.quirks.hashDelay === undefined ? Infinity : call.now - call.quirks.hashDelay,
    shortcutTarget: ({ target }) => {
      const [driveId = "", itemId = ""] = (target ?? "").split(" ")
      const remote = peers.find(driveId)?.model
      const number = remote?.tags.parse(itemId)
      const row = number === undefined ? undefined : remote?.table.byId(number)
      return { driveId, itemId, model: remote, row: row?.deleted === 0 ? row : undefined }
    }
  })

/** The reply that shows one item, with whatever $select the call has; of one that was made, also where it is. */
export const itemReply = (parts: DriveParts, call: Call, row: ItemRow, status = 200): DriveResponse => {
  const { driveId, tags } = parts.model
  const location = `${call.request.origin}${apiPrefix}/drives/${driveId}/items/${tags.id(row.id)}`
  const item = {
    "@odata.context": contextUrl(call, `drives('${driveId}')/items/$entity`),
    ...shaperFor(parts, call)(row)
  }
  return json(status, item, status === 201 ? { location } : {})
}

const startOf = (parts: DriveParts, start: string): ItemRow => {
  const { model } = parts
  if (start === "root") return model.table.root()
  if (start.startsWith("special:")) return model.resolve(model.table.root(), specialNames(start))
  const isShare = start.startsWith("share:")
  const number = isShare ? sharedItem(parts, start.slice("share:".length)) : model.tags.parse(start)
  if (number === undefined) throw itemNotFound()
  return model.require(number)
}

const specialNames = (start: string): ReadonlyArray<string> => {
  const names = specialPath(start.slice("special:".length))
  if (names === undefined) throw itemNotFound("The special folder does not exist.")
  return names
}

/**
 * The folder an address names, for something to be put into it: special folders come into being with the first write to
 * them. Call it in the transaction of that write. Throws 404.
 */
export const folderForWrite = (parts: DriveParts, { start, names }: ItemAddress, now: number): ItemRow => {
  const { model } = parts
  if (!start.startsWith("special:")) return find(parts, { start, names })
  return model.resolve(model.ensureFolders(model.table.rootId, specialNames(start), { now, conflict: "fail" }), names)
}

/** The item of this drive that a sharing token names: the id of a link, or "u!" and the link's URL in base64url. */
export const sharedItem = ({ permissions }: DriveParts, token: string): number | undefined => {
  const url = token.startsWith("u!") ? Buffer.from(token.slice(2), "base64url").toString("utf8") : token
  return permissions.itemOf(url.replace(/^.*\/s\//, ""))
}

/** The item an address names. Throws 404. */
export const find = (parts: DriveParts, { start, names }: ItemAddress): ItemRow =>
  parts.model.resolve(startOf(parts, start), names)

/** The item of an id that a body holds; "root" is the root. Throws 404. */
export const findById = (parts: DriveParts, id: string): ItemRow => find(parts, { start: itemId(id), names: [] })

/**
 * Where content for an address goes: an item given by id, or a name that need not exist in a folder that does. Special
 * folders are made when they are missing, and with DriveSettings.createParents all others.
 */
export const contentTarget = (parts: DriveParts, { start, names }: ItemAddress): ContentTarget => {
  const name = names.at(-1)
  if (name === undefined) return { item: startOf(parts, start).id }
  const { model, settings } = parts
  const special = start.startsWith("special:") ? specialNames(start) : []
  const folders = [...special, ...names.slice(0, -1)]
  const makeable = settings.createParents ? folders.length : special.length
  let at = special.length > 0 ? model.table.root() : startOf(parts, start)
  for (const [depth, folder] of folders.entries()) {
    const child = model.table.byName(at.id, folder)
    if (child !== undefined) at = child
    else if (folders.length <= makeable) return { parent: at.id, folders: folders.slice(depth), name }
    else throw itemNotFound()
  }
  return { parent: at.id, name }
}

/** If-Match and If-None-Match (RFC 9110 sections 13.1.1 and 13.1.2). */
export const conditionsOf = ({ request }: Call): Conditions => ({
  ifMatch: request.headers["if-match"],
  ifNoneMatch: request.headers["if-none-match"]
})

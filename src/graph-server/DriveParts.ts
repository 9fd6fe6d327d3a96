/** What the route handlers work with. */
import { Effect } from "effect"
import { itemNotFound } from "./ApiError.ts"
import { type Call, contextUrl, json, selectOf } from "./Call.ts"
import { ContentFiles } from "./ContentFiles.ts"
import { DeltaLog } from "./DeltaLog.ts"
import { type DownloadLinks, makeDownloadLinks } from "./DownloadLinks.ts"
import { type Json, makeShaper } from "./DriveItemShape.ts"
import { type Conditions, type ContentTarget, DriveModel } from "./DriveModel.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { DriveStore } from "./DriveStore.ts"
import type { DriveResponse } from "./Exchange.ts"
import type { ItemRow } from "./ItemTable.ts"
import { Notifications } from "./Notifications.ts"
import { makePermissions, type Permissions } from "./Permissions.ts"
import type { ItemAddress } from "./Routing.ts"
import { specialPath } from "./SpecialFolders.ts"
import { UploadSessions } from "./UploadSessions.ts"

export interface DriveParts {
  readonly model: DriveModel["Service"]
  readonly delta: DeltaLog["Service"]
  readonly contents: ContentFiles["Service"]
  readonly sessions: UploadSessions["Service"]
  readonly settings: DriveSettings
  readonly links: DownloadLinks
  readonly permissions: Permissions
  readonly notifications: Notifications["Service"]
  /** Signs what URLs without a token may do. */
  readonly secret: Uint8Array
}

export const driveParts = Effect.gen(function* () {
  const settings = yield* DriveSettings
  const store = yield* DriveStore
  const parts: DriveParts = {
    model: yield* DriveModel,
    delta: yield* DeltaLog,
    contents: yield* ContentFiles,
    sessions: yield* UploadSessions,
    settings,
    links: makeDownloadLinks(store, settings),
    permissions: makePermissions(store.db),
    notifications: yield* Notifications,
    secret: store.secret
  }
  return parts
})

/** Shapes items for this call's reply. */
export const shaperFor = ({ model, settings, links }: DriveParts, call: Call): ((row: ItemRow) => Json) =>
  makeShaper({
    model,
    encodePaths: settings.encodePaths ?? model.kind === "personal",
    webOrigin: call.request.origin,
    downloadUrl: (row, content) => links.url(call.request.origin, row, content, call.now),
    select: selectOf(call)
  })

export const itemReply = (parts: DriveParts, call: Call, row: ItemRow, status = 200): DriveResponse => {
  const context = contextUrl(call, `drives('${parts.model.driveId}')/items/$entity`)
  return json(status, { "@odata.context": context, ...shaperFor(parts, call)(row) })
}

const startOf = (parts: DriveParts, start: string): ItemRow => {
  const { model } = parts
  if (start === "root") return model.table.root()
  if (start.startsWith("special:")) return model.resolve(model.table.root(), specialNames(start))
  if (start.startsWith("share:")) return model.require(sharedItem(parts, start.slice("share:".length)))
  const number = model.tags.parse(start)
  if (number === undefined) throw itemNotFound()
  return model.require(number)
}

const specialNames = (start: string): ReadonlyArray<string> => {
  const names = specialPath(start.slice("special:".length))
  if (names === undefined) throw itemNotFound("The special folder does not exist.")
  return names
}

/** Special folders come into being with the first write to them. */
export const ensureSpecial = ({ model }: DriveParts, start: string, now: number): void => {
  let parent = model.table.root()
  for (const name of specialNames(start)) {
    parent = model.createFolder(parent.id, name, { now, conflict: "replace" }).item
  }
}

/** The item a sharing token names: the id of a link, or "u!" and the link's URL in base64url. */
const sharedItem = ({ permissions }: DriveParts, token: string): number => {
  const url = token.startsWith("u!") ? Buffer.from(token.slice(2), "base64url").toString("utf8") : token
  const item = permissions.itemOf(url.replace(/^.*\/s\//, ""))
  if (item === undefined) throw itemNotFound("The sharing link could not be found.")
  return item
}

/** The item an address names. Throws 404. */
export const find = (parts: DriveParts, { start, names }: ItemAddress): ItemRow =>
  parts.model.resolve(startOf(parts, start), names)

/** Where content for an address goes: an item given by id, or a name that need not exist in a folder that does. */
export const contentTarget = (parts: DriveParts, { start, names }: ItemAddress): ContentTarget => {
  const name = names.at(-1)
  const from = startOf(parts, start)
  return name === undefined ? { item: from.id } : { parent: parts.model.resolve(from, names.slice(0, -1)).id, name }
}

export const conditionsOf = ({ request }: Call): Conditions => ({
  ifMatch: request.headers["if-match"],
  ifNoneMatch: request.headers["if-none-match"]
})

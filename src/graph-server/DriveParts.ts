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
import type { ItemAddress } from "./Routing.ts"
import { UploadSessions } from "./UploadSessions.ts"

export interface DriveParts {
  readonly model: DriveModel["Service"]
  readonly delta: DeltaLog["Service"]
  readonly contents: ContentFiles["Service"]
  readonly sessions: UploadSessions["Service"]
  readonly settings: DriveSettings
  readonly links: DownloadLinks
}

export const driveParts = Effect.gen(function* () {
  const settings = yield* DriveSettings
  const parts: DriveParts = {
    model: yield* DriveModel,
    delta: yield* DeltaLog,
    contents: yield* ContentFiles,
    sessions: yield* UploadSessions,
    settings,
    links: makeDownloadLinks(yield* DriveStore, settings)
  }
  return parts
})

/** Shapes items for this call's reply. */
export const shaperFor = ({ model, settings, links }: DriveParts, call: Call): ((row: ItemRow) => Json) =>
  makeShaper({
    model,
    encodePaths: settings.encodePaths,
    webOrigin: call.request.origin,
    downloadUrl: (row, content) => links.url(call.request.origin, row, content, call.now),
    select: selectOf(call)
  })

export const itemReply = (parts: DriveParts, call: Call, row: ItemRow, status = 200): DriveResponse => {
  const context = contextUrl(call, `drives('${parts.model.driveId}')/items/$entity`)
  return json(status, { "@odata.context": context, ...shaperFor(parts, call)(row) })
}

const startOf = ({ model }: DriveParts, start: string): ItemRow => {
  if (start === "root") return model.table.root()
  const number = model.tags.parse(start)
  if (number === undefined) throw itemNotFound()
  return model.require(number)
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

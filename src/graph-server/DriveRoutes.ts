/** Users, sites, and the drives they have. */
import type { Effect } from "effect"
import { type ApiError, attempt, invalidRequest, itemNotFound } from "./ApiError.ts"
import { type Call, contextUrl, json, selectOf } from "./Call.ts"
import { driveIdentity, driveShape, type Json, pick, userShape, userShapeOf } from "./DriveItemShape.ts"
import type { DriveLabel } from "./DriveLabel.ts"
import type { DriveParts } from "./DriveParts.ts"
import type { Drives } from "./Drives.ts"
import type { DriveResponse } from "./Exchange.ts"
import type { DriveChoice } from "./Routing.ts"
import { siteIs, siteShape } from "./Sites.ts"

type Reply = Effect.Effect<DriveResponse, ApiError>

const listReply = (call: Call, entity: string, value: ReadonlyArray<Json>): DriveResponse =>
  json(200, { "@odata.context": contextUrl(call, entity), value })

/** A user or a site. */
export const getOwner = (drives: Drives["Service"], call: Call, owner: DriveChoice): Reply =>
  attempt(() => {
    if (owner._tag === "Site") {
      checkSites(drives)
      const name = siteNames(drives).find((site) => siteIs(site, owner.site))
      if (name === undefined) throw itemNotFound("The site could not be found.")
      return json(200, { "@odata.context": contextUrl(call, "sites/$entity"), ...siteShape(name) })
    }
    const { label } = drives.require(owner).model
    const shape = label.owner === undefined ? userShape : userShapeOf(label.owner)
    return json(200, { "@odata.context": contextUrl(call, "users/$entity"), ...shape })
  })

export const getSites = (drives: Drives["Service"], call: Call): Reply =>
  attempt(() => {
    checkSites(drives)
    const text = call.query.get("search")
    if (text === undefined) throw invalidRequest("Sites are listed by ?search=text; * finds all.", "invalidQueryOption")
    const wanted = text.replaceAll("*", "").toLowerCase()
    const found = siteNames(drives).filter((name) => name.toLowerCase().includes(wanted))
    return listReply(call, "sites", found.map(siteShape))
  })

const siteNames = (drives: Drives["Service"]): ReadonlyArray<string> => {
  const closed = drives.closed().flatMap(({ known }) => known?.label ?? [])
  const labels = [...drives.list().map(({ model }) => model.label), ...closed]
  const named = labels.flatMap(({ site }) => site ?? [])
  return [...new Set(["", ...named])]
}

const checkSites = ({ own }: Drives["Service"]): void => {
  if (own.model.kind === "personal") throw invalidRequest("This API is not supported for personal accounts.")
}

export const getDrive = ({ model }: DriveParts, call: Call): Reply =>
  attempt(() => {
    const drive = driveShape(model, call.request.origin)
    const select = selectOf(call)
    const shown = select === undefined ? drive : pick(drive, select)
    return json(200, { "@odata.context": contextUrl(call, "drives/$entity"), ...shown })
  })

export const getDrives = (drives: Drives["Service"], call: Call, owner: DriveChoice): Reply =>
  attempt(() => {
    const { label } = drives.require(owner).model
    const isTheirs = ({ label: other }: { readonly label: DriveLabel }) =>
      other.owner === label.owner && other.site === label.site
    const open = drives
      .list()
      .filter(({ model }) => isTheirs(model))
      .map(({ model }) => driveShape(model, call.request.origin))
    // Left out, a drive that is only damaged would look deleted.
    const closed = drives.closed().flatMap(({ known }) => known ?? [])
    return listReply(call, "drives", [...open, ...closed.filter(isTheirs).map(driveIdentity)])
  })

/** What outlives a change: copies with their monitor, versions, the recycle bin. */
import { createHmac } from "node:crypto"
import { Effect } from "effect"
import { type ApiError, attempt, invalidRequest, itemNotFound, methodNotAllowed, notSupported } from "./ApiError.ts"
import { conflictOf, given, PatchBody } from "./Bodies.ts"
import { type Call, contextUrl, empty, json, methodOf, readJson } from "./Call.ts"
import { identity, timestamp } from "./DriveItemShape.ts"
import { copyBetween } from "./DriveCopies.ts"
import { type DriveParts, find, itemReply } from "./DriveParts.ts"
import { secretEquals } from "./DriveStore.ts"
import type { DriveResponse } from "./Exchange.ts"
import { asVersion } from "./ItemVersions.ts"
import type { ItemAddress } from "./Routing.ts"
import { destination, referencedDrive } from "./WriteRoutes.ts"

type Reply = Effect.Effect<DriveResponse, ApiError>

// ── copy ──

/**
 * The copy is complete when the reply is sent; the monitor reports progress for DriveSettings.copyDuration all the same.
 * Its URL carries everything it has to know, so that it works after a restart.
 */
export const copyItem = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const body = yield* readJson(call, PatchBody)
  const conflict = yield* conflictOf(call, body, "fail")
  const plan = yield* attempt(() => {
    const source = find(parts, address)
    const to = targetDrive(parts, referencedDrive(body.parentReference ?? {}))
    const parent = destination(to, body.parentReference ?? {})?.id ?? (to === parts ? source.parent : undefined)
    if (parent === undefined) throw invalidRequest("A copy to another drive needs parentReference.id or path.")
    if (source.parent === null || parent === null) throw invalidRequest("The root of a drive cannot be copied.")
    return { source, to, parent, name: given(body.name) ?? source.name }
  })
  const { source, to, parent, name } = plan
  const change = { now: call.now, conflict }
  const made = yield* to === parts
    ? attempt(() => parts.model.copy(source.id, parent, name, change))
    : copyBetween({ from: parts, to }, source, parent, name, change)
  const claim = `${made.id}.${call.now}.${call.now + parts.settings.copyDuration}`
  return empty(202, { location: `${call.request.origin}${to.transferRoot}monitor/${claim}.${signature(to, claim)}` })
})

const targetDrive = (parts: DriveParts, driveId: string | undefined): DriveParts => {
  const found = driveId === undefined ? parts : parts.peers.use(driveId)
  if (found === undefined) throw itemNotFound("The drive to copy to could not be found.")
  return found
}

const signature = ({ secret }: DriveParts, claim: string): string =>
  createHmac("sha256", secret).update(`copy ${claim}`).digest("base64url")

/** Needs no token: whoever has the URL may look. */
export const copyMonitor = (parts: DriveParts, call: Call, claim: string): Reply =>
  attempt(() => {
    const [item = "", start = "", end = "", proof = ""] = claim.split(".")
    if (!secretEquals(proof, signature(parts, `${item}.${start}.${end}`))) {
      throw itemNotFound("The operation could not be found.")
    }
    const operation = { "@odata.context": contextUrl(call, "microsoft.graph.asyncJobStatus"), operation: "ItemCopy" }
    if (call.now < Number(end)) {
      const percentageComplete = Math.round(((call.now - Number(start)) / (Number(end) - Number(start))) * 100)
      return json(202, { ...operation, percentageComplete, status: "inProgress", statusDescription: "Copying" })
    }
    const resourceId = parts.model.tags.id(Number(item))
    return json(200, { ...operation, percentageComplete: 100, status: "completed", resourceId })
  })

// ── versions ──

const versionNumber = (id: string): number => {
  const number = /^(\d{1,9})\.0$/.exec(id)?.[1]
  if (number === undefined) throw itemNotFound("The version could not be found.")
  return Number(number)
}

/** `rest` is what follows "versions": nothing, an id, or an id and "content" or "restoreVersion". */
export const itemVersions = (parts: DriveParts, call: Call, address: ItemAddress, rest: ReadonlyArray<string>): Reply =>
  attempt(() => {
    const row = find(parts, address)
    const current = asVersion(row)
    if (current === undefined) throw invalidRequest("A folder has no versions.")
    const shape = ({ number, size, modified, content }: typeof current) => ({
      id: `${number}.0`,
      size,
      lastModifiedDateTime: timestamp(modified),
      lastModifiedBy: identity,
      "@microsoft.graph.downloadUrl": parts.links.url(call.request.origin, row, content, call.now)
    })
    const [id, action = ""] = rest
    const method = methodOf(call)
    if (id === undefined) {
      if (method !== "GET") throw methodNotAllowed()
      const context = contextUrl(call, `drives('${parts.model.driveId}')/items/versions`)
      return json(200, {
        "@odata.context": context,
        value: [current, ...parts.model.versions.list(row.id)].map(shape)
      })
    }
    const version = parts.model.versions.require(row, versionNumber(id))
    switch (`${method} ${action}`) {
      case "GET ":
        return json(200, shape(version))
      case "GET content":
        return empty(302, { location: parts.links.url(call.request.origin, row, version.content, call.now) })
      case "POST restoreVersion":
        parts.model.restoreVersion(row.id, version.number, call.now)
        return empty(204)
      case "DELETE ":
        if (version.number === current.number) throw invalidRequest("The current version cannot be deleted.")
        parts.model.versions.drop(version, call.now)
        return empty(204)
      default:
        throw methodNotAllowed()
    }
  })

// ── the recycle bin ──

/** An address of something deleted can only be its id. */
const deletedId = (parts: DriveParts, { start, names }: ItemAddress): number => {
  const id = names.length === 0 ? parts.model.tags.parse(start) : undefined
  if (id === undefined) throw itemNotFound()
  return id
}

export const restoreItem = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  if (parts.model.kind === "business") return yield* notSupported("Business drives restore nothing by this API.")
  const body = yield* readJson(call, PatchBody)
  const conflict = yield* conflictOf(call, body, "fail")
  return yield* attempt(() => {
    const patch = { name: given(body.name), parent: destination(parts, body.parentReference ?? {})?.id }
    return itemReply(parts, call, parts.model.restore(deletedId(parts, address), patch, { now: call.now, conflict }))
  })
})

export const purgeItem = (parts: DriveParts, call: Call, address: ItemAddress): Reply =>
  attempt(() => {
    if (parts.model.kind === "personal") throw notSupported("Personal drives have no permanentDelete.")
    const id = address.names.length === 0 ? deletedId(parts, address) : find(parts, address).id
    parts.model.purge(id, call.now)
    return empty(204)
  }).pipe(Effect.tap(() => parts.contents.sweep(call.now)))

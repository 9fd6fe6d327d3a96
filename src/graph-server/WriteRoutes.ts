/** Changing metadata: creating folders, renaming, moving, setting times, deleting. */
import { Effect } from "effect"
import { attempt, invalidRequest } from "./ApiError.ts"
import { conflictOf, CreateBody, given, PatchBody, timesOf } from "./Bodies.ts"
import { type Call, empty, readJson } from "./Call.ts"
import { conditionsOf, type DriveParts, find, findById, folderForWrite, itemReply } from "./DriveParts.ts"
import type { ItemRow } from "./ItemTable.ts"
import { sameDriveId } from "./ItemTags.ts"
import type { ItemAddress } from "./Routing.ts"

export const createChild = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const body = yield* readJson(call, CreateBody)
  const { remoteItem } = body
  if (remoteItem !== undefined && remoteItem !== null) return yield* createShortcut(parts, call, address, body)
  if (body.folder === undefined || body.folder === null) {
    return yield* invalidRequest("Only folders can be created here: the property 'folder' is missing.")
  }
  const conflict = yield* conflictOf(call, body, "fail")
  const times = yield* timesOf(body)
  return yield* attempt(() => {
    const { item, created } = parts.model.transaction(() => {
      const parent = folderForWrite(parts, address, call.now)
      return parts.model.createFolder(parent.id, body.name, { now: call.now, conflict, times })
    })
    return itemReply(parts, call, item, created ? 201 : 200)
  })
})

/** "Add shortcut to My files": an item that leads to one of another drive. */
const createShortcut = Effect.fnUntraced(function* (
  parts: DriveParts,
  call: Call,
  address: ItemAddress,
  body: typeof CreateBody.Type
) {
  const conflict = yield* conflictOf(call, body, "fail")
  return yield* attempt(() => {
    const { id = "", parentReference } = body.remoteItem ?? {}
    const remote = parts.peers.use(parentReference?.driveId ?? "")
    if (remote === undefined || remote.model.driveId === parts.model.driveId) {
      throw invalidRequest("remoteItem.parentReference.driveId has to be another drive.", "invalidParameterFormat")
    }
    const { id: number, kind, facet } = findById(remote, id)
    if (facet !== null) throw invalidRequest("A shortcut leads to a file or folder.", "invalidParameterFormat")
    const target = `${remote.model.driveId} ${remote.model.tags.id(number)}`
    const made = parts.model.transaction(() => {
      const parent = folderForWrite(parts, address, call.now).id
      const marker = { facet: "shortcut", kind, target } as const
      return parts.model.createMarker(parent, body.name, marker, { now: call.now, conflict })
    })
    return itemReply(parts, call, made, 201)
  })
})

export const patchItem = Effect.fnUntraced(function* (parts: DriveParts, call: Call, address: ItemAddress) {
  const body = yield* readJson(call, PatchBody)
  const conflict = yield* conflictOf(call, body, "fail")
  const times = yield* timesOf(body)
  return yield* attempt(() => {
    const row = find(parts, address)
    const parent = destination(parts, body.parentReference ?? {})
    const patch = { name: given(body.name), parent: parent?.id, description: descriptionOf(parts, body) }
    const conditions = { ifMatch: call.request.headers["if-match"] }
    return itemReply(parts, call, parts.model.update(row.id, patch, { now: call.now, conflict, times, conditions }))
  })
})

type Reference = NonNullable<(typeof PatchBody.Type)["parentReference"]>

/** Undefined leaves it as it is, null takes it away. */
const descriptionOf = ({ model }: DriveParts, { description }: typeof PatchBody.Type): string | null | undefined => {
  if (description === undefined) return undefined
  if (model.kind === "business")
    throw invalidRequest("Items of a business drive have no description.", "propertyNotUpdateable")
  return given(description) ?? null
}

/** "/drive/root:/a/b", or "/drives/{id}/root:/a/b"; the drive is undefined in the first. */
const parsePath = (path: string) => {
  const [place, drive, below = ""] = /^\/drive(?:s\/([^/]+))?\/root:?(?:\/(.*))?$/s.exec(path) ?? []
  return place === undefined ? undefined : { drive: drive?.replace(/^b%21/, "b!"), below }
}

/** The drive that a parentReference names by its driveId, or else by its path; undefined when it names none. */
export const referencedDrive = ({ driveId, path }: Reference): string | undefined =>
  given(driveId) ?? parsePath(path ?? "")?.drive

/** The folder that a parentReference names; undefined when it names none. */
export const destination = (parts: DriveParts, reference: Reference): ItemRow | undefined => {
  const id = given(reference.id)
  const path = given(reference.path)
  const place = parsePath(path ?? "")
  for (const driveId of [given(reference.driveId), place?.drive]) {
    if (driveId !== undefined && !sameDriveId(driveId, parts.model.driveId)) {
      throw invalidRequest("Items cannot be moved between drives.", "invalidParameterFormat")
    }
  }
  if (id !== undefined) return findById(parts, id)
  if (path === undefined) return undefined
  if (place === undefined) throw invalidRequest("parentReference.path is not a path of this drive.", "invalidPath")
  const names = place.below.split("/").filter((name) => name !== "" && name !== ".")
  return find(parts, { start: "root", names })
}

export const deleteItem = (parts: DriveParts, call: Call, address: ItemAddress) =>
  attempt(() => {
    const conditions = { ifMatch: conditionsOf(call).ifMatch }
    parts.model.remove(find(parts, address).id, { now: call.now, conditions })
    return empty(204)
  }).pipe(Effect.tap(() => parts.contents.sweep(call.now)))

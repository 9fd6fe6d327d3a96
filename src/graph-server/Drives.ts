/**
 * The drives of one process: the signed-in user's own, which is always there, and further ones: of the same user, of
 * other users who share from them, and libraries of SharePoint sites. Each is a drive of its own with its own folder,
 * delta log and ids; they share tokens, faults, weather and log.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Context, Effect, FileSystem, Layer, type Scope, Semaphore } from "effect"
import { type ApiError, invalidRequest, itemNotFound, nameAlreadyExists } from "./ApiError.ts"
import { ContentFiles } from "./ContentFiles.ts"
import { DeltaLog } from "./DeltaLog.ts"
import { DriveAdmin } from "./DriveAdmin.ts"
import { isOwner } from "./DriveItemShape.ts"
import type { DriveLabel } from "./DriveLabel.ts"
import { DriveModel } from "./DriveModel.ts"
import { type DriveParts, driveParts, sharedItem } from "./DriveParts.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { type DriveFolderError, DriveStore, type NewDrive } from "./DriveStore.ts"
import { sameDriveId } from "./ItemTags.ts"
import { Notifications } from "./Notifications.ts"
import type { DriveChoice } from "./Routing.ts"
import { siteIs } from "./Sites.ts"
import { UploadSessions } from "./UploadSessions.ts"

/** A drive besides the first: its id, and how to change it from outside. */
export interface FurtherDrive {
  readonly driveId: string
  readonly admin: DriveAdmin["Service"]
}

/** At most this many in one process; each holds a database open. */
const maxDrives = 100

export class Drives extends Context.Service<
  Drives,
  {
    readonly own: DriveParts
    /** The user's own first. */
    list(): ReadonlyArray<DriveParts>
    /** Throws 404. */
    require(choice: DriveChoice): DriveParts
    /** The drive behind URLs without a token; the key is undefined for the first. Throws 404. */
    byKey(key: string | undefined): DriveParts
    /** Makes a drive, or opens it again after a restart. Fails with 409 when the process has one of this label. */
    add(wanted: NewDrive & { readonly label: DriveLabel }): Effect.Effect<FurtherDrive, ApiError | DriveFolderError>
  }
>()("onemount/graph-server/Drives") {
  static readonly layer = Layer.effect(
    Drives,
    Effect.gen(function* () {
      return yield* makeDrives(yield* DriveStore, yield* DriveSettings, yield* Effect.scope)
    })
  )
}

/** All that makes up one drive, over its store. */
export const driveLayer = DriveAdmin.layer.pipe(
  Layer.provideMerge(UploadSessions.layer),
  Layer.provideMerge(Layer.mergeAll(ContentFiles.layer, DeltaLog.layer, Notifications.layer)),
  Layer.provideMerge(DriveModel.layer)
)

interface Open {
  readonly key: string | undefined
  readonly parts: DriveParts
  readonly admin: DriveAdmin["Service"]
}

const makeDrives = Effect.fnUntraced(function* (
  first: DriveStore["Service"],
  settings: DriveSettings,
  scope: Scope.Scope
) {
  const fs = yield* FileSystem.FileSystem
  const peer = (driveId: string) => open.find(({ parts }) => sameDriveId(parts.model.driveId, driveId))?.parts
  const own: Open = { key: undefined, parts: yield* driveParts(peer), admin: yield* DriveAdmin }
  const open: Array<Open> = [own]
  const lock = yield* Semaphore.make(1)

  const openFurther = Effect.fnUntraced(function* (key: string, wanted: NewDrive) {
    const layer = driveLayer.pipe(
      Layer.provideMerge(DriveStore.layerFurther(first, key, wanted)),
      Layer.provide(NodeFileSystem.layer),
      Layer.provideMerge(Layer.succeed(DriveSettings, settings))
    )
    // Fresh: a layer that is built again in the same process would give us the parts of the first drive.
    const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
    const parts = yield* Effect.provide(driveParts(peer), context)
    const drive = { key, parts, admin: Context.get(context, DriveAdmin) }
    open.push(drive)
    return drive
  })

  const known = yield* fs.readDirectory(`${first.dir}/drives`).pipe(Effect.orElseSucceed(() => []))
  const keys = known.filter((name) => /^\d{1,3}$/.test(name)).sort((a, b) => Number(a) - Number(b))
  yield* Effect.forEach(keys, (key) => openFurther(key, {}), { discard: true })

  const find = (choice: DriveChoice): Open | undefined => {
    switch (choice._tag) {
      case "Own":
        return own
      case "Id":
        return open.find(({ parts }) => sameDriveId(parts.model.driveId, choice.id))
      case "User":
        return isOwner(choice.user)
          ? own
          : open.find(({ parts }) => parts.model.label.owner?.toLowerCase() === choice.user.toLowerCase())
      case "Site":
        return open.find(({ parts }) => siteIs(parts.model.label.site, choice.site))
      case "Shared":
        return open.find(({ parts }) => sharedItem(parts, choice.token) !== undefined)
    }
  }

  const add: Drives["Service"]["add"] = Effect.fn("Drives.add")(function* (wanted) {
    const { label, kind = own.parts.model.kind } = wanted
    if (label.site !== undefined && (kind !== "business" || own.parts.model.kind !== "business")) {
      return yield* invalidRequest("A library of a site needs a business drive beside it, and is one itself.")
    }
    if (open.length >= maxDrives) return yield* invalidRequest(`One process serves at most ${maxDrives} drives.`)
    if (open.some(({ parts }) => sameLabel(parts.model.label, label))) {
      return yield* nameAlreadyExists("There is a drive of this name already.")
    }
    const key = String(1 + Math.max(0, ...open.map((drive) => Number(drive.key ?? 0))))
    const { parts, admin } = yield* openFurther(key, { ...wanted, kind })
    return { driveId: parts.model.driveId, admin }
  }, lock.withPermits(1))

  return Drives.of({
    own: own.parts,
    list: () => open.map(({ parts }) => parts),
    require: (choice) => {
      const found = find(choice)
      if (found === undefined) throw itemNotFound(notFound[choice._tag])
      return found.parts
    },
    byKey: (key) => {
      const found = open.find((drive) => drive.key === key)
      if (found === undefined) throw itemNotFound("The drive could not be found.")
      return found.parts
    },
    add
  })
})

const notFound: Readonly<Record<DriveChoice["_tag"], string>> = {
  Own: "The drive could not be found.",
  Id: "The drive could not be found.",
  User: "The user could not be found, or has no drive here.",
  Site: "The site could not be found, or has no library.",
  Shared: "The sharing link could not be found."
}

const sameLabel = (a: DriveLabel, b: DriveLabel): boolean =>
  a.name === b.name && a.owner === b.owner && a.site === b.site

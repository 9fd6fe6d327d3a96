/**
 * The drives of one process: the signed-in user's own, which is always there, and further ones: of the same user, of
 * other users who share from them, and libraries of SharePoint sites. Each is a drive of its own with its own folder,
 * delta log and ids; they share tokens, faults, weather and log. One whose folder cannot be opened is closed: it is listed,
 * answers 503, and keeps none of the others from being served.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Context, Effect, Exit, FileSystem, Layer, Scope, Semaphore } from "effect"
import { type ApiError, invalidRequest, itemNotFound, nameAlreadyExists, serviceNotAvailable } from "./ApiError.ts"
import { ContentFiles } from "./ContentFiles.ts"
import { DeltaLog } from "./DeltaLog.ts"
import { DriveAdmin } from "./DriveAdmin.ts"
import { DriveFolderError } from "./DriveFolderError.ts"
import { isOwner } from "./DriveItemShape.ts"
import type { DriveLabel } from "./DriveLabel.ts"
import { DriveModel } from "./DriveModel.ts"
import { type DriveParts, driveParts, type Peers, sharedItem } from "./DriveParts.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { DriveStore, type NewDrive } from "./DriveStore.ts"
import { type ClosedDrive, type KnownDrive, makeFurtherFolders } from "./FurtherFolders.ts"
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
    /** Those that cannot be opened. */
    closed(): ReadonlyArray<ClosedDrive>
    /** Throws 404, and 503 for one that cannot be opened. */
    require(choice: DriveChoice): DriveParts
    /** The drive behind URLs without a token; the key is undefined for the first. Throws 404 and 503. */
    byKey(key: string | undefined): DriveParts
    /** Makes a drive, whole or not at all. Fails with 409 when the process has one of this label. */
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
  const closed: Array<ClosedDrive> = []
  const peers: Peers = {
    find: (driveId) => open.find(({ parts }) => sameDriveId(parts.model.driveId, driveId))?.parts,
    use: (driveId) => {
      checkOpen({ _tag: "Id", id: driveId })
      return peers.find(driveId)
    }
  }
  /** Not 404: a client would take the drive for deleted. */
  const checkOpen = (choice: DriveChoice): void => {
    if (closed.some(({ known }) => known !== undefined && isMeant(choice, known))) throw notOpen()
  }
  const own: Open = { key: undefined, parts: yield* driveParts(peers), admin: yield* DriveAdmin }
  const open: Array<Open> = [own]
  const lock = yield* Semaphore.make(1)
  const makeFurther = (dir: string, wanted: NewDrive) =>
    Effect.provideService(DriveStore.makeFurther(first, dir, wanted), FileSystem.FileSystem, fs)

  const folders = makeFurtherFolders(fs, first.dir, first.db)
  const inMemory = first.db.path === ":memory:"

  const openFurther = Effect.fnUntraced(function* (key: string, wanted: NewDrive) {
    const layer = driveLayer.pipe(
      Layer.provideMerge(DriveStore.layerFurther(first, key, wanted)),
      Layer.provide(NodeFileSystem.layer),
      Layer.provideMerge(Layer.succeed(DriveSettings, settings))
    )
    const inner = yield* Scope.fork(scope)
    // Fresh: a layer that is built again in the same process would give us the parts of the first drive.
    const context = yield* Layer.buildWithScope(Layer.fresh(layer), inner).pipe(
      Effect.catchDefect((defect) => Effect.fail(DriveFolderError.unusable(folders.pathOf(key), String(defect)))),
      Effect.onError((cause) => Scope.close(inner, Exit.failCause(cause)))
    )
    const parts = yield* Effect.provide(driveParts(peers), context)
    const drive = { key, parts, admin: Context.get(context, DriveAdmin) }
    yield* Effect.orDie(first.db.try(() => folders.remember(key, knownOf(parts))))
    open.push(drive)
    return drive
  })

  const reopen = Effect.fnUntraced(function* (key: string) {
    yield* folders.check(key).pipe(
      Effect.andThen(openFurther(key, {})),
      Effect.catchTag("DriveFolderError", (error) => {
        closed.push({ key, error, known: folders.known(key) })
        return Effect.logError(`One of the drives is not served, the others are. ${error.message}`)
      })
    )
  })

  if (!inMemory) yield* Effect.forEach(yield* folders.keys, reopen, { discard: true })

  const find = (choice: DriveChoice): Open | undefined => {
    if (choice._tag === "Own" || (choice._tag === "User" && isOwner(choice.user))) return own
    if (choice._tag === "Shared") return open.find(({ parts }) => sharedItem(parts, choice.token) !== undefined)
    return open.find(({ parts }) => isMeant(choice, parts.model))
  }

  const add: Drives["Service"]["add"] = Effect.fn("Drives.add")(function* (wanted) {
    const { label, kind = own.parts.model.kind } = wanted
    if (label.site !== undefined && (kind !== "business" || own.parts.model.kind !== "business")) {
      return yield* invalidRequest("A library of a site needs a business drive beside it, and is one itself.")
    }
    if (open.length + closed.length >= maxDrives)
      return yield* invalidRequest(`One process serves at most ${maxDrives} drives.`)
    const labels = [...open.map(({ parts }) => parts.model.label), ...closed.flatMap(({ known }) => known?.label ?? [])]
    if (labels.some((other) => sameLabel(other, label))) {
      return yield* nameAlreadyExists("There is a drive of this name already.")
    }
    const key = String(1 + Math.max(0, ...[...open, ...closed].map((drive) => Number(drive.key ?? 0))))
    const settled = { ...wanted, kind }
    if (!inMemory) yield* folders.create(key, (dir) => makeFurther(dir, settled))
    const { parts, admin } = yield* openFurther(key, settled)
    return { driveId: parts.model.driveId, admin }
  }, lock.withPermits(1))

  return Drives.of({
    own: own.parts,
    list: () => open.map(({ parts }) => parts),
    closed: () => closed,
    require: (choice) => {
      const found = find(choice)
      if (found !== undefined) return found.parts
      checkOpen(choice)
      throw itemNotFound(notFound[choice._tag])
    },
    byKey: (key) => {
      const found = open.find((drive) => drive.key === key)
      if (closed.some((drive) => drive.key === key)) throw notOpen()
      if (found === undefined) throw itemNotFound("The drive could not be found.")
      return found.parts
    },
    add
  })
})

const notOpen = () => serviceNotAvailable("The drive cannot be opened. The log of its server says why, and what to do.")

const knownOf = ({ model: { driveId, kind, label } }: DriveParts): KnownDrive => {
  const { name, owner, site } = label
  return {
    driveId,
    kind,
    label: { name, ...(owner === undefined ? {} : { owner }), ...(site === undefined ? {} : { site }) }
  }
}

/** Whether a choice by name is of this drive. */
const isMeant = (
  choice: DriveChoice,
  { driveId, label }: Pick<KnownDrive, "driveId"> & { readonly label: DriveLabel }
) => {
  if (choice._tag === "Id") return sameDriveId(driveId, choice.id)
  if (choice._tag === "User") return label.owner?.toLowerCase() === choice.user.toLowerCase()
  return choice._tag === "Site" && siteIs(label.site, choice.site)
}

const notFound: Readonly<Record<DriveChoice["_tag"], string>> = {
  Own: "The drive could not be found.",
  Id: "The drive could not be found.",
  User: "The user could not be found, or has no drive here.",
  Site: "The site could not be found, or has no library.",
  Shared: "The sharing link could not be found."
}

const sameLabel = (a: DriveLabel, b: DriveLabel): boolean =>
  a.name === b.name && a.owner === b.owner && a.site === b.site

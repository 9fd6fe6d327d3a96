/**
 * The drive's items and the rules of changing them: names, tags, conflicts, quota, and the order of the delta log.
 *
 * All functions are synchronous and throw `ApiError`; call them inside `attempt`. Each change is one transaction. It
 * moves the changed item to the end of the delta log, after its ancestors, whose cTags change with it: whoever reads
 * the log from start to end meets a parent before the children that came with it. The rules themselves are in
 * ItemCreation, ItemContents, ItemUpdates and ItemRemoval.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { Change, Conditions, ConflictBehavior, ContentTarget, ItemPatch, Made } from "./Change.ts"
import type { StoredContent } from "./ContentFiles.ts"
import { digestNames } from "./ContentHash.ts"
import { type DigestTable, makeDigestTable } from "./DigestTable.ts"
import { makeDriveQuota, type Quota } from "./DriveQuota.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { type DriveLabel, DriveStore } from "./DriveStore.ts"
import { makeItemContents } from "./ItemContents.ts"
import { makeItemCreation, type Marker } from "./ItemCreation.ts"
import { makeItemLookup } from "./ItemLookup.ts"
import { makeItemPlaces } from "./ItemPlaces.ts"
import { makeItemRemoval } from "./ItemRemoval.ts"
import { type ItemRow, type ItemTable, makeItemTable } from "./ItemTable.ts"
import { type DriveKind, type ItemTags, makeItemTags } from "./ItemTags.ts"
import { makeItemUpdates } from "./ItemUpdates.ts"
import { type ItemVersions, makeItemVersions } from "./ItemVersions.ts"
import type { ModelParts } from "./ModelParts.ts"
import { makeRecycleBin } from "./RecycleBin.ts"

export class DriveModel extends Context.Service<
  DriveModel,
  {
    readonly driveId: string
    readonly kind: DriveKind
    /** Whose drive it is, or which site's library. */
    readonly label: DriveLabel
    readonly table: ItemTable
    readonly tags: ItemTags
    readonly versions: ItemVersions
    /** Hashes of contents besides quickXorHash. */
    readonly digests: DigestTable
    /** Makes several changes one. */
    transaction<A>(f: () => A): A
    /** The live item, or 404. */
    require(id: number): ItemRow
    /** Walks names down from an item; 404 when one is missing. */
    resolve(from: ItemRow, names: ReadonlyArray<string>): ItemRow
    /** Names from the root's child down to the item; empty for the root. */
    pathOf(row: ItemRow): ReadonlyArray<string>
    readonly quota: () => Quota
    /** 507 when `size` more bytes do not fit. */
    checkRoom(size: number): void
    /** What a put to this target would meet: the item it replaces. Throws what the put would throw. */
    checkTarget(target: ContentTarget, conflict: ConflictBehavior, conditions: Conditions): ItemRow | undefined
    createFolder(parent: number, name: string, change: Change): Made<ItemRow>
    /** The folder at the end of the names, which are made where they are missing. */
    ensureFolders(from: number, names: ReadonlyArray<string>, change: Change): ItemRow
    /** A shortcut, package or vault. */
    createMarker(parent: number, name: string, marker: Marker, change: Change): ItemRow
    putContent(target: ContentTarget, content: StoredContent, change: Change): Made<ItemRow>
    update(id: number, patch: ItemPatch, change: Change): ItemRow
    /** Gives the item a new eTag, as work in the background does. */
    touch(id: number): ItemRow
    /** Moves the item with everything below it to the recycle bin. */
    remove(id: number, change: Pick<Change, "now" | "conditions">): void
    /** Deletes the item for good; it may be in the recycle bin already. */
    purge(id: number, now: number): void
    /** Takes a deleted item out of the recycle bin, to where it was or to where the patch says. */
    restore(id: number, patch: ItemPatch, change: Change): ItemRow
    /** Gives a file the content of an earlier version, as a new one. */
    restoreVersion(id: number, number: number, now: number): ItemRow
    /** Copies the item with everything below it into a folder, under a name. */
    copy(id: number, parent: number, name: string, change: Change): ItemRow
  }
>()("onemount/graph-server/DriveModel") {
  static readonly layer = Layer.effect(
    DriveModel,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      return makeModel(yield* DriveStore, yield* DriveSettings, () => clock.currentTimeMillisUnsafe())
    })
  )
}

const makeModel = (
  { db, driveId, kind, ids, label }: DriveStore["Service"],
  settings: DriveSettings,
  now: () => number
): DriveModel["Service"] => {
  const table = makeItemTable(db, now)
  const tags = makeItemTags(kind, driveId, ids)
  const versions = makeItemVersions(db, settings.versionLimit)
  const lookup = makeItemLookup(table, tags)
  const quota = makeDriveQuota(db, table, kind === "business")
  const parts: ModelParts = {
    db,
    kind,
    table,
    tags,
    lookup,
    versions,
    quota,
    places: makeItemPlaces(table, lookup),
    bin: makeRecycleBin(db, versions, settings.binRetention),
    precise: (millis) => (kind === "business" ? Math.floor(millis / 1000) * 1000 : millis)
  }
  const creation = makeItemCreation(parts)
  const contents = makeItemContents(parts, creation)
  const removal = makeItemRemoval(parts)
  const updates = makeItemUpdates(parts, removal)

  return DriveModel.of({
    driveId,
    kind,
    label,
    table,
    tags,
    versions,
    digests: makeDigestTable(db, digestNames(kind, settings)),
    transaction: (f) => db.transaction(f),
    require: lookup.require,
    resolve: lookup.resolve,
    pathOf: lookup.pathOf,
    quota: quota.current,
    checkRoom: quota.checkRoom,
    ...creation,
    ...contents,
    update: updates.update,
    touch: updates.touch,
    remove: removal.remove,
    purge: removal.purge,
    restore: removal.restore
  })
}

/** What the rules of changing items work with. */
import type { Database } from "../platform/Sqlite.ts"
import type { DriveQuota } from "./DriveQuota.ts"
import type { ItemLookup } from "./ItemLookup.ts"
import type { ItemPlaces } from "./ItemPlaces.ts"
import type { ItemTable } from "./ItemTable.ts"
import type { DriveKind, ItemTags } from "./ItemTags.ts"
import type { ItemVersions } from "./ItemVersions.ts"
import type { RecycleBin } from "./RecycleBin.ts"

export interface ModelParts {
  readonly db: Database
  readonly kind: DriveKind
  readonly table: ItemTable
  readonly tags: ItemTags
  readonly lookup: ItemLookup
  readonly places: ItemPlaces
  readonly versions: ItemVersions
  readonly bin: RecycleBin
  readonly quota: DriveQuota
  /** A client's time as this kind of drive keeps it: business drives to the second. Milliseconds since the epoch. */
  precise(millis: number): number
}

/** The one place where ids from the wire get their canonical form; afterwards they are opaque and compared with `===`. */
import { ItemId } from "./DriveItem.ts"

const personalDrive = /^[0-9a-f]{15,16}$/i
const personalItem = /^([0-9a-f]{15,16})!(.+)$/i

/**
 * Drive ids of personal accounts come in either case and now and then without their leading zero: lower case, 16
 * digits. Ids of business drives (`b!...`) are case-sensitive and stay as they are.
 */
export const canonicalDriveId = (id: string): string => {
  const raw = id.replaceAll("%21", "!")
  return personalDrive.test(raw) ? raw.toLowerCase().padStart(16, "0") : raw
}

/**
 * Item ids of personal drives start with the drive id, with the same defects; the service's own form is upper case.
 * What follows the `!`, and business ids as a whole, are case-sensitive.
 */
export const canonicalItemId = (id: string): ItemId => {
  const raw = id.replaceAll("%21", "!")
  const match = personalItem.exec(raw)
  return ItemId(match === null ? raw : `${(match[1] ?? "").toUpperCase().padStart(16, "0")}!${match[2] ?? ""}`)
}

/** What kind of drive it is, and whose: settled when it is made, kept in its settings. */
import { randomBytes } from "node:crypto"
import type { Database } from "../platform/Sqlite.ts"
import type { DriveKind, IdStyle } from "./ItemTags.ts"

/** What a drive is called, and whose it is. */
export interface DriveLabel {
  readonly name: string
  /** Principal name of the user it belongs to; undefined for the drive of whoever is signed in. */
  readonly owner?: string | undefined
  /** Name of the SharePoint site whose library it is. */
  readonly site?: string | undefined
}

/** What a new drive shall be; a drive that exists has to agree. */
export interface NewDrive {
  /** Default personal. */
  readonly kind?: DriveKind | undefined
  /** Default classic: "66D53BE8A5056ECA!103"; migrated are those of personal drives on the SharePoint stack. */
  readonly ids?: IdStyle | undefined
  /** Default "OneDrive". */
  readonly label?: DriveLabel | undefined
  /** Default random. Personal: up to 16 hex digits. */
  readonly driveId?: string | undefined
}

/** What a drive is from its making on. */
export interface Settled {
  readonly kind: DriveKind
  readonly ids: IdStyle
  readonly label: DriveLabel
}

/** Drives from before there were two kinds are personal, and those from before there were two styles classic. */
export const settle = (db: Database, wanted: NewDrive): Settled =>
  db.transaction(() => {
    const read = db.prepare<{ readonly value: string }>("SELECT value FROM settings WHERE key = ?")
    const write = db.prepare("INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")
    const known = read.get("kind")?.value
    if (known === "business" || known === "personal") {
      const label = read.get("label")?.value
      return {
        kind: known,
        ids: read.get("ids")?.value === "migrated" ? "migrated" : "classic",
        label: label === undefined ? { name: "OneDrive" } : (JSON.parse(label) as DriveLabel)
      }
    }
    const isNew = db.prepare("SELECT 1 FROM items WHERE change > 1 LIMIT 1").get() === undefined
    const { kind = "personal", ids = "classic", label = { name: "OneDrive" }, driveId } = isNew ? wanted : {}
    write.run("kind", kind)
    write.run("ids", ids)
    write.run("label", JSON.stringify(label))
    if (driveId !== undefined) write.run("drive_id", driveId)
    else if (kind === "business") write.run("drive_id", `b!${randomBytes(48).toString("base64url")}`)
    return { kind, ids, label }
  })

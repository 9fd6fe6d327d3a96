/** Folders that have a name of their own besides their path (Microsoft Graph, "Get a special folder by name"). */
import type { ItemRow } from "./ItemTable.ts"

const folders: Readonly<Record<string, ReadonlyArray<string>>> = {
  documents: ["Documents"],
  photos: ["Pictures"],
  cameraroll: ["Pictures", "Camera Roll"],
  music: ["Music"],
  recordings: ["Recordings"],
  approot: ["Apps", "OneMount"]
}

/** Names from the root down; undefined for a name the service does not know. */
export const specialPath = (name: string): ReadonlyArray<string> | undefined =>
  Object.hasOwn(folders, name.toLowerCase()) ? folders[name.toLowerCase()] : undefined

const atRoot = new Map(
  Object.entries(folders)
    .filter(([, names]) => names.length === 1)
    .map(([special, names]) => [(names[0] ?? "").toLowerCase(), special])
)

/** The special name of a folder directly below the root. */
export const specialName = (row: ItemRow, rootId: number): string | undefined =>
  row.parent === rootId && row.kind === "folder" ? atRoot.get(row.name.toLowerCase()) : undefined

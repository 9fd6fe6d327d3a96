/** Comparing and rebuilding what the server says about items. */
import type { DriveItem, ItemKind } from "../graph/DriveItem.ts"
import type { Ino, Kind } from "./Item.ts"
import { type Identity, type ItemTable, type NewRow, newRow, type Row } from "./ItemTable.ts"
import type { JournalTable } from "./JournalTable.ts"

export const kindOf = (kind: ItemKind): Kind => (kind === "folder" ? "directory" : kind)

export const identityOf = ({ id, eTag, cTag, hash }: DriveItem): Identity => ({ remoteId: id, eTag, cTag, hash })

/** An item of the server as a clean row without a body. */
export const remoteRow = (parent: Ino | null, remote: DriveItem): NewRow => {
  const kind = kindOf(remote.kind)
  const row = newRow(parent, remote.name, kind, kind === "directory" ? 0o755 : 0o644, remote.modified)
  return { ...row, ...identityOf(remote), size: kind === "directory" ? 0 : remote.size, btime: remote.created }
}

/** The server's side of an item that is at the server, as a driveItem. */
export const remoteOf = (items: ItemTable, journal: JournalTable, row: Row): DriveItem => {
  const base = journal.base(row.ino)
  const parent = row.parent === null ? undefined : items.get(row.parent)
  if (row.remoteId === null) throw new Error(`item ${row.ino} is not at the server`)
  return {
    id: row.remoteId,
    name: base?.name ?? row.name,
    kind: row.kind === "directory" ? "folder" : row.kind,
    isRoot: false,
    deleted: false,
    parentId: base?.parent ?? parent?.remoteId ?? null,
    size: row.size,
    eTag: row.eTag,
    cTag: row.cTag,
    hash: row.hash,
    created: row.btime,
    modified: base?.mtime ?? row.mtime,
    webUrl: null
  }
}

/**
 * Same bytes? By cTag, which changes with the content only; where the server leaves it out (delta on business drives)
 * or moves it for reasons of its own, by hash and size.
 */
export const sameContent = (known: Identity & { readonly size: number }, remote: DriveItem): boolean => {
  if (known.cTag !== null && known.cTag === remote.cTag) return true
  if (known.hash !== null && remote.hash !== null) return known.hash === remote.hash
  if (known.cTag !== null && remote.cTag !== null) return false
  return known.eTag !== null && known.eTag === remote.eTag
}

/**
 * True when `eTag` is certainly older than `than`: both of the form `"{GUID},n"` (SharePoint's, a counter) with the same
 * GUID. Other forms are opaque and never older.
 */
export const isOlder = (eTag: string | null, than: string | null): boolean => {
  const [a, b] = [counter(eTag), counter(than)]
  return a !== undefined && b !== undefined && a.id === b.id && a.n < b.n
}

const counter = (eTag: string | null): { readonly id: string; readonly n: number } | undefined => {
  const match = /^"?(\{[0-9A-Fa-f-]{36}\}),(\d+)"?$/.exec(eTag ?? "")
  return match?.[1] === undefined ? undefined : { id: match[1].toUpperCase(), n: Number(match[2]) }
}

/**
 * driveItem, drive and user as we use them, after decoding: canonical ids, parsed times, the facets that decide what
 * an item is. Wire forms are lenient (Graph leaves out, doubles and reorders fields); what is needed and missing is a
 * decoding error.
 */

/** Opaque item id, canonical: compare with `===`. */
export type ItemId = string & { readonly ItemId: unique symbol }
export const ItemId = (value: string): ItemId => value as ItemId

/** A point in time; `nsec` is 0..999_999_999. Graph keeps seconds or milliseconds. */
export interface Time {
  readonly sec: number
  readonly nsec: number
}

/** The times a client may set itself. */
export interface FileSystemInfo {
  readonly created?: Time
  readonly modified: Time
}

/** What an item is, by its facets. `other` is a package (OneNote), a vault or a remote item: listed, not opened. */
export type ItemKind = "file" | "folder" | "other"

/** https://learn.microsoft.com/graph/api/resources/driveitem */
export interface DriveItem {
  readonly id: ItemId
  /** Empty for deleted items, which may come without a name. */
  readonly name: string
  readonly kind: ItemKind
  readonly isRoot: boolean
  /** True for delta's deleted facet; then only `id` and perhaps `parentId` mean anything. */
  readonly deleted: boolean
  readonly parentId: ItemId | null
  /** Bytes; 0 for folders. */
  readonly size: number
  readonly eTag: string | null
  readonly cTag: string | null
  /** quickXorHash, base64; null when the server has none (yet). */
  readonly hash: string | null
  readonly created: Time
  readonly modified: Time
  readonly webUrl: string | null
}

/** https://learn.microsoft.com/graph/api/resources/drive */
export interface Drive {
  readonly id: string
  readonly driveType: string
  /** Bytes; null where the server keeps it to itself. */
  readonly quota: { readonly total: number; readonly used: number; readonly remaining: number } | null
}

/** https://learn.microsoft.com/graph/api/resources/user */
export interface User {
  readonly id: string
  readonly displayName: string
  readonly userPrincipalName: string
}

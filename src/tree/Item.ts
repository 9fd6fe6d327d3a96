/**
 * One row of the tree: what the user sees under a name, and the server version it derives from.
 */
import type { ItemId, Time } from "../graph/DriveItem.ts"

/** Inode number: the SQLite rowid of the item, stable for its life. The root is 1. */
export type Ino = number & { readonly Ino: unique symbol }
export const Ino = (value: number): Ino => value as Ino
export const rootIno: Ino = Ino(1)

/** Row id of a file body in the content store. */
export type ContentKey = number & { readonly ContentKey: unique symbol }
export const ContentKey = (value: number): ContentKey => value as ContentKey

/** `other`: a package, vault or shortcut we list but do not open. */
export type Kind = "file" | "directory" | "other"

/** The states people and guards see (design section 4). Derived from the row, never stored. */
export type ItemState = "GHOST" | "HYDRATING" | "HYDRATED" | "DIRTY_LOCAL" | "DELETED_LOCAL" | "CONFLICT" | "ERROR"

export interface Item {
  readonly ino: Ino
  /** The root is its own parent. Null: unlinked, kept for open handles or until the server confirmed the delete. */
  readonly parent: Ino | null
  readonly name: string
  readonly kind: Kind
  readonly size: number
  readonly mtime: Time
  readonly ctime: Time
  readonly btime: Time
  /** Permission bits as `filesystem/attributes.ts` keeps them; 0644 and 0755 as they came from the server. */
  readonly mode: number
  /** Null until the server has it. */
  readonly remoteId: ItemId | null
  /** Server version the local content and attributes derive from: the If-Match base. */
  readonly eTag: string | null
  readonly cTag: string | null
  /** quickXorHash of that server version. */
  readonly hash: string | null
  /** Body on this machine, null for a ghost. */
  readonly content: ContentKey | null
  /** Generation of the content at its last close or fsync; 0 when it was never edited here. */
  readonly generation: number
  /** Kept on this machine by rule (lock files, editors' scratch files). */
  readonly localOnly: boolean
  /** Directories: all children are known. */
  readonly complete: boolean
}

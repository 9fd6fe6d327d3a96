/**
 * The intent journal: what was changed here and is not at the server yet. An intent is written in the transaction of
 * the tree change it belongs to and leaves only in the transaction that records the server's answer.
 *
 * At most one intent of each kind per item, so that the journal is the difference between local and base, not a log:
 * a second rename replaces the first, create + delete leaves nothing, a delete replaces everything else. For one item
 * the order of work is create, move, content, times; delete stands alone.
 */
import type { ItemId } from "../graph/DriveItem.ts"
import type { Ino } from "./Item.ts"

export type IntentKind = "create" | "move" | "content" | "times" | "delete"

/** What is sent beside each other: contents (with the creation of their files), and changes of the namespace. */
export type Lane = "changes" | "uploads"

export interface Intent {
  readonly ino: Ino
  readonly kind: IntentKind
  /** Order in which the changes were made. */
  readonly seq: number
  /** Content generation to bring to the server; only for `content`. */
  readonly generation: number
  /** Where the server has the item as far as we know: parent folder and name it was based on. Null before create. */
  readonly base: { readonly parent: ItemId | null; readonly name: string; readonly eTag: string | null } | null
  /** Server id of the item to delete; the item row may be gone from the namespace. Only for `delete`. */
  readonly remoteId: ItemId | null
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** Debounce and back-off: not to be started before, milliseconds since the epoch. */
  readonly notBefore: number
  readonly attempts: number
  readonly lastError: string | null
  /** Waits for a person or for a change: not retried by itself. */
  readonly parked: boolean
}

/** Counts for `status`. */
export interface JournalSummary {
  readonly intents: number
  readonly parked: number
  /** Bytes of content waiting to be uploaded. */
  readonly bytes: number
  /** createdAt of the oldest intent. */
  readonly oldest: number | null
}

/** Parked intents that wait for the same. */
export interface ParkedReason {
  readonly reason: string
  readonly count: number
}

/** Where a new file is to appear at the server. */
export interface UploadPlace {
  readonly parent: ItemId
  readonly name: string
}

/** A file that was sent, and removed here before it was known whether it arrived: nobody wants it there any more. */
export interface Stray {
  /** Of the item that it was. */
  readonly ino: Ino
  readonly place: UploadPlace
  readonly hash: string
  readonly size: number
}

/** What is being sent, and the session it goes by, which survive a restart. The URL is a secret. */
export interface UploadProgress {
  readonly ino: Ino
  readonly generation: number
  readonly url: string
  readonly expires: number
  readonly hash: string
  readonly size: number
  /** Null for a new version of what the server has. */
  readonly place: UploadPlace | null
}

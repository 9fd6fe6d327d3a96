/**
 * The tree of one drive on this machine: SQLite is the only authority for names, attributes, server identity and for
 * what still has to go to the server.
 *
 * Model: an item row is what the user sees. While an item differs from the server it has intents (see Journal) and, if
 * the server moved on meanwhile, a shadow row with what the server last said. Items the user deleted stay as detached
 * rows (parent null) until the server confirmed and no handle is open. Names are unique per directory by folded name.
 *
 * Assumptions: one writer, the thread that owns the service; reads are synchronous and cheap (microseconds) so that
 * the kernel's requests are answered without suspending; every mutation is one transaction of a few milliseconds; an
 * effect that returned is committed (kill -9 safe), `flushToDisk` makes it safe against power loss.
 */
import { Context, Effect, Layer, type Option, type PubSub, type Queue } from "effect"
import type { Events } from "../events/Events.ts"
import type { DriveItem, ItemId, Time } from "../graph/DriveItem.ts"
import type { DeltaLink } from "../graph/GraphClient.ts"
import type { ContentKey, Ino, Item, Kind } from "./Item.ts"
import type { Intent, IntentKind, JournalSummary, Lane, ParkedReason, Stray, UploadProgress } from "./Journal.ts"
import { makeTree } from "./makeTree.ts"
import type { MountDatabase } from "./MountDatabase.ts"
import type { TreeError } from "./TreeError.ts"

/** Something changed that the kernel did not ask for. Published after the transaction, in order. */
export type TreeChange =
  /** A name appeared, disappeared or means another item now. */
  | { readonly _tag: "Entry"; readonly parent: Ino; readonly name: string }
  /** An item left the namespace at `parent`/`name` because of the server. */
  | { readonly _tag: "Removed"; readonly parent: Ino; readonly name: string; readonly ino: Ino }
  | { readonly _tag: "Attributes"; readonly ino: Ino }
  /** The item has another content now; open handles keep the old one. */
  | { readonly _tag: "Content"; readonly ino: Ino; readonly parent: Ino | null; readonly name: string }
  /** What was read of the content so far is not to be believed, also by open handles. */
  | { readonly _tag: "Pages"; readonly ino: Ino }

/** Where a delta enumeration stands. */
export interface Cursor {
  readonly link: DeltaLink | null
  /** The first full enumeration was applied: every directory is complete. */
  readonly enumerated: boolean
  /** When the last page that caught up was applied, milliseconds since the epoch. */
  readonly appliedAt: number | null
  /** Number of the full enumeration under way (it goes on from `link`, after a restart too); null for none. */
  readonly enumeration: number | null
}

export interface RemotePage {
  readonly items: ReadonlyArray<DriveItem>
  /** Stored in the same transaction as the last slice. */
  readonly link: DeltaLink
  readonly caughtUp: boolean
  /**
   * Number of the full enumeration this page belongs to, null for an incremental page. When a full enumeration
   * catches up, items that no page of it named are gone from the server (never the ones with intents).
   */
  readonly enumeration: number | null
}

export interface Create {
  readonly name: string
  readonly kind: "file" | "directory"
  readonly mode: number
  readonly now: Time
  readonly localOnly: boolean
}

export interface ContentCommit {
  readonly content: ContentKey
  readonly size: number
  readonly mtime: Time
  readonly generation: number
  /** Packed by the content store; stored with the row of the body. */
  readonly valid: Uint8Array
  readonly dirty: Uint8Array
  /** Every byte is here; left as it was when not given. Only a complete body may take over another item's identity. */
  readonly complete?: boolean
  /** What the body takes on the disk; left as it was when not given. */
  readonly diskBytes?: number
  /** Somebody may go on writing without asking, so its row goes on to say that it is being edited; default false. */
  readonly editing?: boolean
}

export interface RenameTarget {
  readonly parent: Ino
  readonly name: string
  readonly localOnly: boolean
  readonly now: Time
  /** When a folder stops being local-only: which names below it stay so. Default none. */
  readonly keepsLocal?: (name: string) => boolean
}

/** How a conflict was decided, recorded in one transaction. */
export type ConflictOutcome =
  /** The local bytes of this generation equal the server's: adopt the server's version, nothing of it to send. */
  | { readonly _tag: "Identical"; readonly remote: DriveItem; readonly generation: number }
  /** The local item moves aside under `copyName` as a new item; the server's version takes the name as a ghost. */
  | { readonly _tag: "KeepBoth"; readonly remote: DriveItem; readonly copyName: string }
  /** The server deleted what was edited here: create it again. */
  | { readonly _tag: "Recreate" }
  /** The server changed what was deleted here: bring it back. */
  | { readonly _tag: "Restore"; readonly remote: DriveItem }

export class Tree extends Context.Service<
  Tree,
  {
    // ── reads, synchronous ──
    get(ino: Ino): Item | undefined
    /** Exact name first, then by folded name. */
    child(parent: Ino, name: string): Item | undefined
    /** Entries with `ino > after` in ascending ino: a stable order while entries come and go. */
    children(parent: Ino, after: number, limit: number): ReadonlyArray<Item>
    hasChildren(parent: Ino): boolean
    /** Subdirectories, for nlink. */
    subdirectories(parent: Ino): number
    byRemoteId(id: ItemId): Item | undefined
    /** `/a/b`; undefined for detached items. */
    path(ino: Ino): string | undefined
    resolve(path: string): Item | undefined
    /** All children known: the item's own flag, or the first enumeration is done. */
    isComplete(directory: Ino): boolean
    counts(): { readonly items: number; readonly files: number; readonly directories: number }
    cursor(): Cursor
    intents(ino: Ino): ReadonlyArray<Intent>
    summary(): JournalSummary
    /** What parked intents wait for, the most frequent 20. */
    parkedReasons(): ReadonlyArray<ParkedReason>
    /** What the server last said about an item that has intents, if it moved past the base. */
    shadow(ino: Ino): DriveItem | undefined

    // ── local changes: tree and journal in one transaction ──
    /** Fails with Exists when the folded name is taken, NotFound or NotDirectory for the parent. */
    create(parent: Ino, options: Create): Effect.Effect<Item, TreeError>
    setAttributes(
      ino: Ino,
      change: { readonly mode?: number; readonly mtime?: Time; readonly now: Time }
    ): Effect.Effect<Item, TreeError>
    /** unlink and rmdir; NotEmpty for a directory with children. The row stays detached until `forget`. */
    remove(ino: Ino, now: Time): Effect.Effect<void, TreeError>
    /**
     * Moves `ino` to `parent`/`name`. An item of that (folded) name is replaced in the same transaction: when the
     * moved one is new or edited here it takes over the replaced item's server identity (versions and shares
     * survive), otherwise the replaced one is deleted at the server and the moved one keeps its own. Fails with
     * Loop, NotEmpty, IsDirectory, NotDirectory, and with NotLocal when something would become local-only (and so be
     * deleted at the server) whose bytes are not here: hydrate first, or answer EXDEV. Returns the replaced item.
     */
    rename(ino: Ino, to: RenameTarget): Effect.Effect<Option.Option<Item>, TreeError>
    /** RENAME_EXCHANGE. */
    exchange(a: Ino, b: Ino, now: Time): Effect.Effect<void, TreeError>
    /** A body is about to be changed: recorded so that a crash knows which bodies may hold unrecorded writes. */
    beginEdit(ino: Ino, content: ContentKey): Effect.Effect<void, TreeError>
    /** What `beginEdit` recorded did not come; the body is as it was. */
    endEdit(ino: Ino, content: ContentKey): Effect.Effect<void, TreeError>
    /** The edited body as of a close or fsync, with its content intent (`notBefore` = now + window, at most createdAt + maxWait). */
    commitContent(
      ino: Ino,
      commit: ContentCommit,
      timing: { readonly now: number; readonly window: number; readonly maxWait: number }
    ): Effect.Effect<Item, TreeError>
    /** Forgets a detached item whose last handle closed and that has no intent any more. */
    forget(ino: Ino): Effect.Effect<void, TreeError>
    getXattr(ino: Ino, name: string): Uint8Array | undefined
    listXattrs(ino: Ino): ReadonlyArray<string>
    setXattr(ino: Ino, name: string, value: Uint8Array, now: Time): Effect.Effect<void, TreeError>
    /** False when there was none. */
    removeXattr(ino: Ino, name: string, now: Time): Effect.Effect<boolean, TreeError>
    /** fsync of the write-ahead log, grouped, off the main thread. */
    readonly flushToDisk: Effect.Effect<void, TreeError>

    // ── the journal's workers ──
    /**
     * Ready intents of a lane, as they became due, then in order of `seq`: not parked, not in `busy`; creations and
     * moves only when the folder they go to is at the server. Other dependencies are the caller's: the order of one
     * item's intents, names that are taken (`remoteHolder`), and conflicts: an intent of an item with a shadow is to be
     * decided, not sent. A `base` with a null eTag never was equal to the server's version and must not be sent
     * unconditionally.
     */
    readyIntents(lane: Lane, now: number, limit: number, busy: ReadonlySet<Ino>): ReadonlyArray<Intent>
    /** All intents of items at or below a directory or file, parked ones included. */
    intentsBelow(ino: Ino): ReadonlyArray<Intent>
    /** Intents to delete something at the server, for the brake on mass deletion. */
    pendingDeletes(): number
    /** When the next intent becomes due that is not parked and does not wait for its folder; null when there is none. */
    nextDue(): number | null
    /** When somebody here last changed something, milliseconds since the epoch; -Infinity before the first change. */
    lastLocalChange(): number
    /** The item that holds (parent, folded name) at the server as far as we know, if that differs from the local one. */
    remoteHolder(parent: ItemId, name: string): Item | undefined
    /** Something in the server's folder, or below folders of it that are changed here, is to be moved to another place. */
    isLeft(folder: ItemId): boolean
    /** Makes everything at or below `ino` due now (sync, shutdown). */
    expedite(ino: Ino): Effect.Effect<void, TreeError>
    /**
     * The server accepted `kind` for the item and answered `remote` (null for delete). Removes the intent, moves the
     * base, in one transaction; a content intent stays when its generation moved on.
     */
    confirm(ino: Ino, kind: IntentKind, generation: number, remote: DriveItem | null): Effect.Effect<void, TreeError>
    /** Back-off after a transient failure. */
    postpone(ino: Ino, kind: IntentKind, notBefore: number, error: string): Effect.Effect<void, TreeError>
    /** Needs a person or another change; `unpark` makes all of an item's intents due again. */
    park(ino: Ino, kind: IntentKind, error: string): Effect.Effect<void, TreeError>
    unpark(ino: Ino): Effect.Effect<void, TreeError>
    resolveConflict(ino: Ino, outcome: ConflictOutcome): Effect.Effect<void, TreeError>
    saveUpload(progress: UploadProgress): Effect.Effect<void, TreeError>
    upload(ino: Ino): UploadProgress | undefined
    /** What may have arrived at the server of files that are gone here; `dropUpload` when that is settled. */
    strays(): ReadonlyArray<Stray>
    dropUpload(ino: Ino): Effect.Effect<void, TreeError>

    // ── what the server says ──
    /** Applies a delta page parents-first; parks items whose parent is unknown; publishes what changed. */
    applyPage(page: RemotePage): Effect.Effect<number, TreeError>
    /** Starts a full enumeration and returns its number. */
    readonly beginEnumeration: Effect.Effect<number, TreeError>
    /** Adds children of a directory that was listed on demand and marks it complete. */
    applyChildren(directory: Ino, items: ReadonlyArray<DriveItem>): Effect.Effect<void, TreeError>
    /** Refreshes one item from a read of it. */
    applyItem(item: DriveItem): Effect.Effect<void, TreeError>

    /** Changes the kernel has to hear of; bounded, publishing waits for slow subscribers. */
    readonly changes: PubSub.PubSub<ReadonlyArray<TreeChange>>
    /** One token whenever new work may be due; sliding, capacity 1. */
    readonly work: Queue.Dequeue<void>
  }
>()("onemount/tree/Tree") {
  static readonly layer: Layer.Layer<Tree, TreeError, MountDatabase | Events> = Layer.effect(
    Tree,
    Effect.suspend(() => Effect.map(makeTree, Tree.of))
  )
}

export type { Item, Kind }

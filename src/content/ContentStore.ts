/**
 * File bodies on this machine: one sparse file per item version under `<cache>/content/`, its extents in SQLite, the
 * live copy of both in the binding's content table while anybody uses it.
 *
 * Model: an open body is reference counted (kernel handles, uploads, hydrations). The content table answers reads of
 * present ranges and takes writes; ranges that are missing come out as `fetches`, which transfers serve by `fill` or
 * `fail`. Edits become durable at `commit` (close, fsync): extents, size, generation and the intent in one
 * transaction. A body belongs to exactly one item version and is never reused for another.
 *
 * Guards: dirty, open or uploading bodies are never evicted or overwritten; eviction is least recently used first and
 * keeps the store within `limit` and the disk above `reserve`.
 */
import { Context, type Effect, Layer, type Queue, type Scope } from "effect"
import type { ContentId, ContentStatus, ContentTable, WriteLimits, WriteStats } from "@onemount/fuse-native"
import type { Events } from "../events/Events.ts"
import type { Time } from "../graph/DriveItem.ts"
import type { ContentKey, Ino, Item } from "../tree/Item.ts"
import type { MountDatabase } from "../tree/MountDatabase.ts"
import type { Tree } from "../tree/Tree.ts"
import type { ContentError } from "./ContentError.ts"
import { makeContentStore } from "./makeContentStore.ts"

export interface ContentStoreOptions {
  /** The mount's cache directory; bodies are kept in `content/` below it. */
  readonly directory: string
  /** Most bytes on the disk; default 20 GiB or 10 % of the disk, whichever is less. */
  readonly limit?: number
  /** Bytes of free disk space left to others; default 0. */
  readonly reserve?: number
  /** Quiet time after a commit before it is sent, in milliseconds; default 2,000. */
  readonly window?: number
  /** Longest time a commit is held back by later ones, in milliseconds; default 60,000. */
  readonly maxWait?: number
  /** Bound of `fetches`; default 500. */
  readonly fetchLimit?: number
  /** How long a write waits for room on a full disk before it fails, in milliseconds; default 5,000. */
  readonly roomWait?: number
  /** What writers may have on the way; defaults in the binding. */
  readonly writes?: WriteLimits
}

/** Readers wait for a range of a body that is not here. */
export interface Fetch {
  readonly ino: Ino
  readonly content: ContentId
  readonly key: ContentKey
  readonly offset: number
  readonly length: number
  /** Bytes read in sequence before this one, 0 for a random read. */
  readonly sequential: number
}

export interface OpenBody {
  readonly content: ContentId
  readonly key: ContentKey
  readonly ino: Ino
}

/** An immutable view of a body for an upload; stays as it is while the scope is open, whatever is written meanwhile. */
export interface Snapshot {
  /** Read it by this path's descriptor only: opened before the snapshot is handed out. */
  readonly fd: number
  readonly size: number
  readonly mtime: Time
  readonly generation: number
  /** quickXorHash, base64. */
  readonly hash: string
}

/** Writes to a body that still wait for their turn. */
export interface Unwritten {
  readonly ino: Ino
  /** Entries of its queue, barriers among them. */
  readonly operations: number
  readonly bytes: number
}

export interface CacheUsage {
  /** Bytes on disk. */
  readonly bytes: number
  readonly limit: number
  readonly files: number
}

export class ContentStore extends Context.Service<
  ContentStore,
  {
    /** The table kernel sessions serve from. */
    readonly table: ContentTable
    /** Opens the body of an item's current version, creating an empty one for a ghost; counts a reference. */
    open(ino: Ino): Effect.Effect<OpenBody, ContentError>
    /** Gives a reference back; the last one persists the extents and closes the file. */
    release(content: ContentId): Effect.Effect<void>
    /** Live state of the item's current body when it is open, undefined otherwise. */
    live(item: Item): ContentStatus | undefined
    /** Truncates or extends without downloading anything. */
    truncate(ino: Ino, size: number): Effect.Effect<void, ContentError>
    allocate(content: ContentId, mode: number, offset: number, length: number): Effect.Effect<void, ContentError>
    /** mtime set by a person: later commits keep it unless a write follows. */
    setTime(item: Item, mtime: Time): Effect.Effect<void, ContentError>
    /** Records edits since the last commit with their intent; nothing to do when there are none. */
    commit(content: ContentId): Effect.Effect<void, ContentError>
    /** Somebody who could write is gone: `commit`, or nobody edits it any more if there was nothing to commit. */
    written(content: ContentId): Effect.Effect<void, ContentError>
    /** Nobody has to look at the body's bytes again, and its row knows all of them: the kernel may serve it itself. */
    isTrusted(content: ContentId): boolean
    /** Bytes may be written here without making room first, as of at most a second ago. */
    readonly hasRoom: Effect.Effect<boolean>
    /** commit, then data and journal on the disk before it returns (power loss). */
    fsync(content: ContentId): Effect.Effect<void, ContentError>
    /**
     * Hurries what waits in the write queues now; ends when it has had its turn, or after `limit` milliseconds with what
     * has not. In the files then; `fsync` is for the disk. With 0 it only tells.
     */
    flushAll(limit: number): Effect.Effect<ReadonlyArray<Unwritten>, ContentError>
    /** Needs a complete body (hydrate first): Incomplete otherwise. */
    snapshot(ino: Ino): Effect.Effect<Snapshot, ContentError, Scope.Scope>
    /** After the server has generation g: clean if nothing was written since. */
    uploaded(ino: Ino, generation: number): Effect.Effect<void, ContentError>

    /** Ranges readers wait for. Bounded; the table holds back when nobody serves them. */
    readonly fetches: Queue.Dequeue<Fetch>
    /** Downloaded bytes; present and dirty ranges win over them. */
    fill(content: ContentId, offset: number, bytes: Uint8Array): Effect.Effect<void, ContentError>
    /** Waiting readers of the range get `errno`. */
    fail(content: ContentId, offset: number, length: number, errno: number): Effect.Effect<void>
    /** First missing range at or after `offset`, clipped to `[offset, size)`; undefined when all is there. */
    missing(content: ContentId, offset: number): { readonly offset: number; readonly length: number } | undefined
    /** Everything is here: checks length and hash against the server's; on a mismatch drops the clean ranges and fails with Corrupt. */
    verify(content: ContentId): Effect.Effect<void, ContentError>
    /** Frees at least `bytes` of evictable bodies if there are that many; returns what it freed. */
    evict(bytes: number): Effect.Effect<number, ContentError>
    /**
     * Run when room is needed and what is closed does not make enough of it, for as long as the scope is open: gives
     * references back that nobody reads through, and returns how many.
     */
    onShortage(giveBack: Effect.Effect<number>): Effect.Effect<void, never, Scope.Scope>
    readonly usage: Effect.Effect<CacheUsage>
    /** Figures of the write queues. */
    readonly writes: Effect.Effect<WriteStats>
  }
>()("onemount/content/ContentStore") {
  /**
   * Recovers what the last run left, then serves; at the end records what is open. Fails when the directory or the
   * database cannot be used.
   */
  static readonly layer = (
    options: ContentStoreOptions
  ): Layer.Layer<ContentStore, ContentError, Tree | MountDatabase | Events> =>
    Layer.effect(ContentStore, makeContentStore(options))
}

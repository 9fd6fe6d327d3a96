/**
 * The Graph API as the rest of the daemon sees it: typed calls, typed errors, no HTTP. One drive per client.
 *
 * Assumptions: ids are opaque and canonical (see DriveItem); every call is bounded in time; reads are retried inside,
 * mutations are repeated only when the server cannot have acted on them, otherwise the error says `ambiguous` and the
 * caller looks first; Retry-After holds back every call of the client, not only the one that met it.
 */
import { Context, type Effect, type Option, type Stream } from "effect"
import type { Drive, DriveItem, FileSystemInfo, ItemId, User } from "./DriveItem.ts"
import type { GraphError } from "./GraphError.ts"

/** Absolute link that continues a delta enumeration; opaque. */
export type DeltaLink = string

/** A page of changes; items may come more than once, the last one counts. */
export interface DeltaPage {
  readonly items: ReadonlyArray<DriveItem>
  /** `false`: more pages follow right now under `link`. `true`: caught up, `link` is for the next poll. */
  readonly caughtUp: boolean
  readonly link: DeltaLink
}

/** What an upload replaces or creates. */
export type UploadTarget =
  | { readonly _tag: "New"; readonly parent: ItemId; readonly name: string }
  /** `ifMatch` is the eTag or cTag the local edit was based on. */
  | { readonly _tag: "Existing"; readonly id: ItemId; readonly ifMatch: string | null }

/** https://learn.microsoft.com/graph/api/driveitem-createuploadsession */
export interface UploadSession {
  /** Pre-authenticated: a secret, never logged. */
  readonly url: string
  /** Milliseconds since the epoch. */
  readonly expires: number
  /** Next byte the server wants. */
  readonly nextOffset: number
}

/** `nextOffset` in bytes, `expires` in milliseconds since the epoch. */
export type FragmentResult =
  | { readonly _tag: "Accepted"; readonly nextOffset: number; readonly expires: number }
  | { readonly _tag: "Completed"; readonly item: DriveItem }

/** In bytes. */
export interface ByteRange {
  readonly offset: number
  /** At least 1. */
  readonly length: number
}

export class GraphClient extends Context.Service<
  GraphClient,
  {
    readonly me: Effect.Effect<User, GraphError>
    /** Drive with quota. */
    readonly drive: Effect.Effect<Drive, GraphError>
    readonly root: Effect.Effect<DriveItem, GraphError>
    item(id: ItemId): Effect.Effect<DriveItem, GraphError>
    /** Looks a child up by name, case-insensitively as the server does; none when there is no such child. */
    child(parent: ItemId, name: string): Effect.Effect<Option.Option<DriveItem>, GraphError>
    /** All children, page by page. Not a snapshot while others write. */
    children(parent: ItemId): Stream.Stream<DriveItem, GraphError>
    /** One delta page; null starts a full enumeration. */
    delta(link: DeltaLink | null): Effect.Effect<DeltaPage, GraphError>
    /**
     * Bytes of the item's content, exactly `range.length` of them or a GraphError. Fails with PreconditionFailed when
     * the item's cTag is not `cTag` any more, so that a caller never mixes two versions. A range ends the stream with
     * Malformed when the server sends fewer, more or other bytes than asked for.
     */
    download(id: ItemId, cTag: string | null, range: ByteRange): Stream.Stream<Uint8Array, GraphError>
    /** Whole content in one request, at most `simpleUploadLimit` bytes. New targets fail with NameExists when the name is taken. */
    putContent(target: UploadTarget, body: Uint8Array): Effect.Effect<DriveItem, GraphError>
    createUploadSession(
      target: UploadTarget,
      options: { readonly size: number; readonly fileSystemInfo: FileSystemInfo }
    ): Effect.Effect<UploadSession, GraphError>
    /** One fragment at `offset`. All but the last are multiples of `fragmentUnit` bytes, at most 60 MiB. */
    uploadFragment(
      session: UploadSession,
      fragment: { readonly offset: number; readonly total: number; readonly bytes: Uint8Array }
    ): Effect.Effect<FragmentResult, GraphError>
    /** Where the server wants the session to go on; SessionGone when it is finished or expired. */
    uploadStatus(session: UploadSession): Effect.Effect<UploadSession, GraphError>
    cancelUpload(session: UploadSession): Effect.Effect<void, GraphError>
    /** Fails with NameExists when the name is taken. */
    createFolder(
      parent: ItemId,
      name: string,
      fileSystemInfo: FileSystemInfo | null
    ): Effect.Effect<DriveItem, GraphError>
    /** Rename, move and times in one call; fails with NameExists on a collision and PreconditionFailed on a newer item. */
    update(
      id: ItemId,
      patch: {
        readonly name?: string
        readonly parent?: ItemId
        readonly fileSystemInfo?: FileSystemInfo
      },
      ifMatch: string | null
    ): Effect.Effect<DriveItem, GraphError>
    /** To the recycle bin, folders with everything below. An item that is gone already counts as deleted. */
    delete(id: ItemId, ifMatch: string | null): Effect.Effect<void, GraphError>
  }
>()("onemount/graph/GraphClient") {}

/** Largest content for `putContent`, in bytes: what every client has always been allowed (4 MiB). */
export const simpleUploadLimit = 4 * 1024 * 1024

/** Upload fragments are multiples of 320 KiB (Graph, driveItem: createUploadSession). */
export const fragmentUnit = 320 * 1024

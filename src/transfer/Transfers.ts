/**
 * Moving bytes: downloads fill ranges of bodies, uploads bring snapshots to the server. Both are pools with bounds; a
 * blocked reader goes before read-ahead, read-ahead before whole-file hydration; uploads made by a person's close go
 * before background ones.
 *
 * A download belongs to the store, not to the reader that caused it: a reader that leaves stops nothing others need.
 * An upload sends an immutable snapshot of one generation and reports which one the server has.
 */
import { Context, type Effect } from "effect"
import type { ContentError } from "../content/ContentError.ts"
import type { DriveItem } from "../graph/DriveItem.ts"
import type { GraphError } from "../graph/GraphError.ts"
import type { UploadTarget } from "../graph/GraphClient.ts"
import type { TreeError } from "../tree/TreeError.ts"
import type { Ino } from "../tree/Item.ts"

export interface TransferStats {
  readonly downloads: { readonly active: number; readonly queued: number; readonly bytes: number }
  readonly uploads: { readonly active: number; readonly queued: number; readonly bytes: number }
}

/** What the server has after an upload. */
export interface Uploaded {
  readonly item: DriveItem
  readonly generation: number
  /** Hash of what was sent; the server's may differ where it rewrites documents. */
  readonly sentHash: string
}

export class Transfers extends Context.Service<
  Transfers,
  {
    /** Returns when the whole body is here and verified. */
    hydrate(ino: Ino): Effect.Effect<void, GraphError | ContentError | TreeError>
    /**
     * Sends the current committed content: hydrates what is missing of an edited ghost first, one PUT for small
     * bodies, a resumable session for larger ones. The outcome of a lost reply is looked up before anything is
     * repeated. Conflicts come back as GraphError (PreconditionFailed, NameExists).
     */
    upload(ino: Ino, target: UploadTarget): Effect.Effect<Uploaded, GraphError | ContentError | TreeError>
    readonly stats: Effect.Effect<TransferStats>
  }
>()("onemount/transfer/Transfers") {}

/**
 * Moving bytes: downloads fill ranges of bodies, uploads bring snapshots to the server. Both are pools with bounds; a
 * blocked reader goes before read-ahead, read-ahead before whole-file hydration; uploads made by a person's close go
 * before background ones.
 *
 * A download belongs to the store, not to the reader that caused it: a reader that leaves stops nothing others need.
 * An upload sends an immutable snapshot of one generation and reports which one the server has.
 */
import { Context, Effect, Layer, type Queue } from "effect"
import type { ContentError } from "../content/ContentError.ts"
import type { ContentStore } from "../content/ContentStore.ts"
import type { Events } from "../events/Events.ts"
import type { DriveItem } from "../graph/DriveItem.ts"
import type { GraphError } from "../graph/GraphError.ts"
import type { GraphClient, UploadTarget } from "../graph/GraphClient.ts"
import type { Tree } from "../tree/Tree.ts"
import type { TreeError } from "../tree/TreeError.ts"
import type { Ino } from "../tree/Item.ts"
import { makeDownloads } from "./Downloads.ts"
import { makeUploads } from "./Uploads.ts"

export interface TransfersConfig {
  /** Downloads that run at a time, 1..64; default 4. */
  readonly downloads: number
  /** Demands for bytes admitted at a time, 1..100,000; default 500. The rest waits in the content store. */
  readonly downloadQueue: number
  /** Uploads that run at a time, 1..64; default 5. */
  readonly uploads: number
  /** Longest time a download may go without a byte, in milliseconds; default 30,000. */
  readonly patience: number
}

export const defaultTransfersConfig: TransfersConfig = {
  downloads: 4,
  downloadQueue: 500,
  uploads: 5,
  patience: 30_000
}

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
  /** Bytes that were sent. */
  readonly sentSize: number
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
    /** A token when a download found the server ahead of the tree: time to poll. Sliding, capacity 1. */
    readonly stale: Queue.Dequeue<void>
    readonly stats: Effect.Effect<TransferStats>
  }
>()("onemount/transfer/Transfers") {
  static readonly layer = (
    config: Partial<TransfersConfig> = {}
  ): Layer.Layer<Transfers, never, GraphClient | ContentStore | Tree | Events> =>
    Layer.effect(Transfers, make({ ...defaultTransfersConfig, ...config }))
}

const make = Effect.fnUntraced(function* (config: TransfersConfig) {
  const downloads = yield* makeDownloads({
    workers: config.downloads,
    queueLimit: config.downloadQueue,
    patience: config.patience
  })
  const uploads = yield* makeUploads({ concurrency: config.uploads }, downloads.hydrate)
  return Transfers.of({
    hydrate: Effect.fn("Transfers.hydrate")((ino: Ino) => downloads.hydrate(ino)),
    upload: Effect.fn("Transfers.upload")((ino: Ino, target: UploadTarget) => uploads.upload(ino, target)),
    stale: downloads.stale,
    stats: Effect.sync(() => ({ downloads: downloads.stats(), uploads: uploads.stats() }))
  })
})

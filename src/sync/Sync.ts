/**
 * Agreement with the cloud: one delta poll in flight and at most one pending brings the server's changes in, the push
 * loop carries the journal out, the planner decides conflicts, and health tells people how it goes. Nothing here ever
 * gives up; only waiting times grow.
 */
import { Context, type Effect } from "effect"
import type { Health } from "../events/Events.ts"
import type { GraphError } from "../graph/GraphError.ts"
import type { Ino } from "../tree/Item.ts"
import type { TreeError } from "../tree/TreeError.ts"

export interface SyncStatus {
  readonly health: Health
  /** Why, in words a person can use; empty when online. */
  readonly detail: string
  /** Milliseconds since the newest delta was applied, null before the first. */
  readonly cursorAge: number | null
}

/** Why something below a path is not at the server. */
export interface Unsynced {
  readonly path: string
  readonly kind: string
  readonly reason: string
}

export class Sync extends Context.Service<
  Sync,
  {
    /** Polls delta now (joining a running poll's successor) and returns when its pages are applied. */
    readonly poll: Effect.Effect<void, GraphError | TreeError>
    /**
     * Brings everything at or below `ino` to the server and applies the newest delta, within `timeout` ms. Empty when
     * all is there, the reasons otherwise.
     */
    flush(ino: Ino, timeout: number): Effect.Effect<ReadonlyArray<Unsynced>>
    /** Lists a directory whose children are not known yet; one listing per directory at a time. */
    loadChildren(directory: Ino): Effect.Effect<void, GraphError | TreeError>
    readonly status: Effect.Effect<SyncStatus>
    /** Drive quota as last seen, refreshed in the background; null before the first answer. */
    readonly quota: Effect.Effect<{ readonly total: number; readonly used: number; readonly remaining: number } | null>
  }
>()("onemount/sync/Sync") {}

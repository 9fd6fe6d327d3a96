/**
 * Agreement with the cloud: one delta poll in flight and at most one pending brings the server's changes in, the push
 * loop carries the journal out, the planner decides conflicts, and health tells people how it goes. Nothing here ever
 * gives up; only waiting times grow.
 */
import { Context, Effect, Layer, Queue } from "effect"
import type { ContentStore } from "../content/ContentStore.ts"
import type { Events, Health } from "../events/Events.ts"
import type { GraphClient } from "../graph/GraphClient.ts"
import type { GraphError } from "../graph/GraphError.ts"
import { supervise } from "../lifecycle/supervise.ts"
import { Transfers } from "../transfer/Transfers.ts"
import type { Ino } from "../tree/Item.ts"
import { Tree } from "../tree/Tree.ts"
import type { TreeError } from "../tree/TreeError.ts"
import { makeFlush } from "./flush.ts"
import { makeHealth } from "./Health.ts"
import { makeListings } from "./Listings.ts"
import { cursorAge, makePoller } from "./Poller.ts"
import { makePushLoop } from "./PushLoop.ts"
import { makeQuota } from "./Quota.ts"

export interface SyncConfig {
  /**
   * Time between polls that nobody asked for, in milliseconds, at least 5,000; default 30,000. Asked for again and
   * again: a change counts within half a minute.
   */
  readonly pollInterval: Effect.Effect<number>
  /** Contents sent at a time; default 5. */
  readonly uploads: number
  /** Namespace changes sent at a time; default 4. */
  readonly changes: number
  /** Limit for listing one directory on demand, in milliseconds; default 60,000. */
  readonly listingLimit: number
}

export const defaultSyncConfig: SyncConfig = {
  pollInterval: Effect.succeed(30_000),
  uploads: 5,
  changes: 4,
  listingLimit: 60_000
}

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
    /** Lets pending deletions through that the mass-delete brake holds back, until none is left. */
    readonly allowDeletes: Effect.Effect<void>
    /** The machine woke up or the network came back: polls at once instead of after the back-off. */
    readonly wakeUp: Effect.Effect<void>
  }
>()("onemount/sync/Sync") {
  static readonly layer = (
    config: Partial<SyncConfig> = {}
  ): Layer.Layer<Sync, never, GraphClient | ContentStore | Transfers | Tree | Events> =>
    Layer.effect(Sync, make({ ...defaultSyncConfig, ...config }))
}

const make = Effect.fnUntraced(function* (config: SyncConfig) {
  const tree = yield* Tree
  const transfers = yield* Transfers
  const health = yield* makeHealth
  const listings = yield* makeListings(config.listingLimit)
  // The loops need each other only as wake-ups, which are queues: they may be raised before their reader runs.
  const changesSeen = yield* Queue.sliding<void>(1)
  const poller = yield* makePoller({ interval: config.pollInterval }, health, raise(changesSeen))
  const roomSeen = yield* Queue.sliding<void>(1)
  const quota = yield* makeQuota(health, raise(roomSeen))
  const push = yield* makePushLoop(config, health, { poll: poller.nudge, uploaded: quota.refresh })
  const flush = yield* makeFlush(health, poller, push)

  yield* forward("after a poll", changesSeen, push.wake)
  yield* forward("room at the server", roomSeen, push.wake)
  yield* forward("stale downloads", transfers.stale, poller.nudge)

  return Sync.of({
    poll: poller.poll,
    flush: Effect.fn("Sync.flush")((ino: Ino, timeout: number) => flush(ino, timeout)),
    loadChildren: Effect.fn("Sync.loadChildren")((directory: Ino) => listings(directory)),
    status: Effect.map(
      Effect.suspend(() => cursorAge(tree.cursor().appliedAt)),
      (age) => ({ health: health.state(), detail: health.detail(), cursorAge: age })
    ),
    quota: Effect.sync(quota.current),
    allowDeletes: push.allowDeletes,
    wakeUp: Effect.andThen(poller.nudge, push.wake)
  })
})

const raise = (queue: Queue.Queue<void>): Effect.Effect<void> =>
  Effect.sync(() => {
    Queue.offerUnsafe(queue, undefined)
  })

const forward = (name: string, from: Queue.Dequeue<void>, to: Effect.Effect<void>) =>
  supervise({ name, owner: "Sync" }, Effect.forever(Effect.andThen(Queue.take(from), to)))

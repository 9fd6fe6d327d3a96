/** Intents that could not be sent: when they are tried again, and what waits for a person. */
import { Clock, Effect } from "effect"
import { Events } from "../events/Events.ts"
import type { Intent } from "../tree/Journal.ts"
import { Tree } from "../tree/Tree.ts"
import { baseLostReason, isBaseLost } from "./contents.ts"
import type { Health } from "./Health.ts"
import { backOff, parkReason, type SyncError } from "./pause.ts"

/** How long an intent waits at most that cannot be sent before something else happens at the server, in ms. */
const longestPutOff = 60_000
/** How long an intent waits after the connection was lost; the loop itself waits for its return. */
const offlinePause = 1_000

/** `poll` asks for news that may explain a refusal. */
export const makeSetbacks = Effect.fnUntraced(function* (health: Health, poll: Effect.Effect<void>) {
  const tree = yield* Tree
  const events = yield* Events

  const failed = Effect.fnUntraced(function* (intent: Intent, error: SyncError) {
    if (error._tag === "GraphError") yield* health.failed(error)
    const reason = isBaseLost(error) ? baseLostReason : parkReason(error)
    if (reason !== undefined) return yield* park(intent, reason)
    const now = yield* Clock.currentTimeMillis
    yield* tree.postpone(intent.ino, intent.kind, now + (yield* pauseFor(intent, error)), error.message)
    const looksOutdated = error._tag === "GraphError" && !error.transient && error.reason._tag !== "Unauthenticated"
    if (looksOutdated) yield* poll
  })

  const pauseFor = (intent: Intent, error: SyncError): Effect.Effect<number> => {
    if (error._tag !== "GraphError") return backOff(intent.attempts)
    if (error.offline || error.reason._tag === "Unauthenticated") return Effect.succeed(offlinePause)
    if (error.reason._tag === "Throttled") return Effect.succeed(Math.max(offlinePause, error.reason.retryAfter))
    return backOff(intent.attempts)
  }

  const park = Effect.fnUntraced(function* (intent: Intent, reason: string) {
    yield* tree.park(intent.ino, intent.kind, reason)
    const name = tree.get(intent.ino)?.name ?? ""
    yield* events.publish({ _tag: "IntentParked", ino: intent.ino, name, detail: reason })
  })

  /** What it waits for may take a person: each look costs requests, a whole upload perhaps. */
  const putOff = Effect.fnUntraced(function* (intent: Intent, why: string) {
    const pause = Math.min(longestPutOff, yield* backOff(intent.attempts))
    yield* tree.postpone(intent.ino, intent.kind, (yield* Clock.currentTimeMillis) + pause, why)
    yield* poll
  })

  return { failed, putOff }
})

/** Drive quota: asked for every few minutes and soon after uploads, kept for statfs in between. */
import { Effect, Queue } from "effect"
import type { Drive } from "../graph/DriveItem.ts"
import { GraphClient } from "../graph/GraphClient.ts"
import { supervise } from "../lifecycle/supervise.ts"
import { rootIno } from "../tree/Item.ts"
import { Tree } from "../tree/Tree.ts"
import type { Health } from "./Health.ts"
import { quotaReason } from "./pause.ts"

type DriveQuota = NonNullable<Drive["quota"]>

export interface Quota {
  /** As last seen; null before the first answer and where the server keeps it to itself. */
  readonly current: () => DriveQuota | null
  /** Something was uploaded: ask again soon. */
  readonly refresh: Effect.Effect<void>
}

const interval = 5 * 60_000
/** Uploads come in bursts: at most one question in this time, in milliseconds. */
const spacing = 10_000
/** Full drives are tried again without a change after so many intervals: an hour. */
const retryIntervals = 12

export const makeQuota = Effect.fnUntraced(function* (health: Health, onRoom: Effect.Effect<void>) {
  const graph = yield* GraphClient
  const tree = yield* Tree
  const requests = yield* Queue.sliding<void>(1)
  let quota: DriveQuota | null = null
  let rounds = 0

  /** What waits for room becomes due when there is more of it, or an hour passed. */
  const releaseParked = Effect.gen(function* () {
    const waiting = tree.intentsBelow(rootIno).filter(({ lastError, parked }) => parked && lastError === quotaReason)
    for (const { ino } of waiting) yield* Effect.ignore(tree.unpark(ino), { log: true })
    if (waiting.length > 0) yield* onRoom
  })

  const ask = Effect.gen(function* () {
    const previous = quota?.remaining
    quota = (yield* graph.drive).quota
    const grew = quota !== null && previous !== undefined && quota.remaining > previous
    rounds = grew ? 0 : rounds + 1
    if (tree.summary().parked > 0 && (grew || rounds % retryIntervals === 0)) yield* releaseParked
  })

  const loop = Effect.gen(function* () {
    yield* health.awaitUsable
    yield* Effect.catch(ask, (error) => Effect.logDebug(`the quota is not known: ${error.message}`))
    yield* Effect.sleep(spacing)
    yield* Effect.timeoutOption(Queue.take(requests), interval - spacing)
  })
  yield* supervise({ name: "quota", owner: "Sync" }, Effect.forever(loop))

  const result: Quota = {
    current: () => quota,
    refresh: Effect.sync(() => {
      Queue.offerUnsafe(requests, undefined)
    })
  }
  return result
})

/**
 * Delta polling: one poll in flight and at most one pending, whoever asks and however often.
 *
 * A poll follows the links from the stored cursor until it caught up; each page is applied together with its link, so
 * an interruption costs at most one page. The first run, and a run after the server gave up the cursor, enumerates
 * everything as a difference. Errors say nothing about items: they change health and the time of the next attempt.
 */
import { Cause, Clock, Deferred, Effect, Exit, Option, Queue, Random } from "effect"
import { Events } from "../events/Events.ts"
import { type DeltaLink, GraphClient } from "../graph/GraphClient.ts"
import type { GraphError } from "../graph/GraphError.ts"
import { supervise } from "../lifecycle/supervise.ts"
import { Tree } from "../tree/Tree.ts"
import type { TreeError } from "../tree/TreeError.ts"
import type { Health } from "./Health.ts"
import { requireSameDrive } from "./sameDrive.ts"

/** The shortest interval between polls that nobody asked for, in milliseconds. */
export const shortestInterval = 5_000
/** How long an interval that becomes shorter may still count, in milliseconds. */
const recheck = 30_000
const firstPause = 2_000
const longestPause = 5 * 60_000

export interface Poller {
  /** Joins the pending poll, which starts when the running one ends; fails with that poll's error. */
  readonly poll: Effect.Effect<void, GraphError | TreeError>
  /** Asks for a poll soon, without waiting for it. */
  readonly nudge: Effect.Effect<void>
}

/** Where an enumeration stands while this process runs it. */
interface Enumeration {
  readonly number: number
  readonly link: DeltaLink | null
}

export const makePoller = Effect.fnUntraced(function* (
  config: { readonly interval: Effect.Effect<number> },
  health: Health,
  onApplied: Effect.Effect<void>
) {
  const graph = yield* GraphClient
  const tree = yield* Tree
  const events = yield* Events
  const requests = yield* Queue.sliding<void>(1)
  let pending = Deferred.makeUnsafe<void, GraphError | TreeError>()
  let enumeration: Enumeration | undefined
  let failures = 0

  const startEnumeration = (link: DeltaLink | null) =>
    Effect.map(tree.beginEnumeration, (number): Enumeration => ({ number, link }))

  /**
   * A first enumeration goes on where an earlier process left it. A later one starts again: its link may still be the
   * delta link from before, whose pages name changes only, and everything else would count as gone.
   */
  const resume = Effect.gen(function* () {
    if (enumeration !== undefined) return enumeration
    const { enumerated, enumeration: number, link } = tree.cursor()
    if (link === null) return yield* startEnumeration(null)
    if (number === null) return undefined
    return enumerated ? yield* startEnumeration(null) : { number, link }
  })

  /** Applies pages until the server has no more; returns how many items changed. */
  const follow = Effect.gen(function* () {
    enumeration = yield* resume
    let changed = 0
    while (true) {
      const link: DeltaLink | null = enumeration === undefined ? tree.cursor().link : enumeration.link
      const page = yield* graph.delta(link)
      const { caughtUp, items } = page
      const root = items.find(({ isRoot }) => isRoot)
      if (root !== undefined) yield* requireSameDrive(tree, root)
      yield* health.succeeded
      changed += yield* tree.applyPage({ items, link: page.link, caughtUp, enumeration: enumeration?.number ?? null })
      if (caughtUp) {
        enumeration = undefined
        return changed
      }
      if (enumeration !== undefined) enumeration = { number: enumeration.number, link: page.link }
    }
  })

  /** The cursor is of no use to the server any more: too old (410) or not understood (400). */
  const followOrResync = Effect.catchIf(
    follow,
    (error) => error._tag === "GraphError" && isCursorLost(error) && hasLink(),
    (error) => {
      const reason = error._tag === "GraphError" ? error.reason : undefined
      const location = reason?._tag === "ResyncRequired" ? reason.location : null
      return Effect.gen(function* () {
        yield* Effect.logInfo("the server gave up the delta cursor: enumerating everything again")
        enumeration = yield* startEnumeration(location)
        return yield* follow
      })
    }
  )

  const hasLink = (): boolean => (enumeration === undefined ? tree.cursor().link !== null : enumeration.link !== null)

  const cycle = Effect.gen(function* () {
    const changed = yield* followOrResync
    if (changed > 0) yield* events.publish({ _tag: "DeltaApplied", items: changed })
    yield* onApplied
  }).pipe(Effect.tapError((error) => (error._tag === "GraphError" ? health.failed(error) : Effect.void)))

  const backOff = Effect.gen(function* () {
    const longest = Math.min(longestPause, firstPause * 2 ** Math.min(failures - 1, 10))
    return Math.round(longest * (0.5 + (yield* Random.next) / 2))
  })

  const waitForRequest = (limit: number) => Effect.map(Effect.timeoutOption(Queue.take(requests), limit), Option.isSome)

  /** Until somebody asks or the interval is over, which may change meanwhile, as may the clock. */
  const rest = Effect.gen(function* () {
    let since = yield* Clock.currentTimeMillis
    while (true) {
      const interval = Math.max(shortestInterval, yield* config.interval)
      const now = yield* Clock.currentTimeMillis
      since = Math.min(since, now)
      const left = since + interval - now
      if (left <= 0 || (yield* waitForRequest(Math.min(left, recheck)))) return
    }
  })

  const next = Effect.gen(function* () {
    const joined = pending
    pending = Deferred.makeUnsafe()
    const exit = yield* Effect.onExit(cycle, (result) => Deferred.done(joined, result)).pipe(Effect.exit)
    failures = Exit.isSuccess(exit) ? 0 : failures + 1
    if (Exit.isFailure(exit)) {
      if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
      const log = Cause.hasDies(exit.cause) ? Effect.logError : Effect.logDebug
      yield* log("a delta poll failed", exit.cause)
    }
    yield* failures === 0 ? rest : waitForRequest(yield* backOff)
  })

  yield* supervise({ name: "poller", owner: "Sync" }, Effect.forever(next))

  const nudge = Effect.sync(() => {
    Queue.offerUnsafe(requests, undefined)
  })
  const poller: Poller = {
    nudge,
    poll: Effect.suspend(() => {
      const joined = pending
      return Effect.andThen(nudge, Deferred.await(joined))
    })
  }
  return poller
})

const isCursorLost = (error: GraphError): boolean =>
  error.reason._tag === "ResyncRequired" || error.reason._tag === "InvalidRequest" || error.reason._tag === "NotFound"

/** Milliseconds since `appliedAt`; null before the first delta. */
export const cursorAge = (appliedAt: number | null): Effect.Effect<number | null> =>
  Effect.map(Clock.currentTimeMillis, (now) => (appliedAt === null ? null : Math.max(0, now - appliedAt)))

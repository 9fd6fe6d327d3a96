/**
 * The push loop: carries the journal to the server.
 *
 * Model: the journal is the queue. A pass takes the intents of each lane (namespace changes, contents) as they became
 * due and starts those that nothing holds back, one per item, until the lane is full: what it costs depends on what it
 * starts, not on the length of the journal. The kernel's requests run on the same thread and come first: while somebody
 * works here and keeps it busy, contents trickle. What has to wait is looked at again when something finished or time passed. Outcomes leave the journal (confirmed), stay with a later due time
 * (transient), or stay parked with a reason for people (refused). Nothing is sent while there is no connection or no
 * sign-in; nothing is ever given up.
 */
import { Cause, Clock, Effect, Exit, FiberSet, Queue } from "effect"
import { ContentStore } from "../content/ContentStore.ts"
import type { ItemId } from "../graph/DriveItem.ts"
import { supervise } from "../lifecycle/supervise.ts"
import { isGone } from "../transfer/doubt.ts"
import { type Ino, type Item, rootIno } from "../tree/Item.ts"
import type { Intent, Lane, Stray } from "../tree/Journal.ts"
import { Tree } from "../tree/Tree.ts"
import { makeBrake } from "./brake.ts"
import { makeConflicts } from "./conflicts.ts"
import { makeContents } from "./contents.ts"
import type { Health } from "./Health.ts"
import { departure, isUncommitted, type OrderContext, type Readiness, readiness } from "./order.ts"
import { InFlight, placeKey, type Running, targetsOf } from "./InFlight.ts"
import type { SyncError } from "./pause.ts"
import { done, later, makePlacement, type Outcome } from "./placement.ts"
import { makePacing, trickle } from "./pacing.ts"
import { Resting } from "./Resting.ts"
import { makeSetbacks } from "./setbacks.ts"
import { Signal } from "./Signal.ts"

export interface PushConfig {
  /** Contents that are sent at a time. */
  readonly uploads: number
  /** Namespace changes that are sent at a time. */
  readonly changes: number
}

export interface PushLoop {
  /** Looks for work now. */
  readonly wake: Effect.Effect<void>
  /** Raised whenever an intent was worked on. */
  readonly progress: Signal
  /** Why an intent does not move although nothing failed; undefined when it is free to go. */
  readonly waitingFor: (intent: Intent) => Effect.Effect<string | undefined>
  /** There is nothing to send yet: the file was never closed. */
  readonly isUncommitted: (intent: Intent) => Effect.Effect<boolean>
  /** Lets a mass delete through, until none is left. */
  readonly allowDeletes: Effect.Effect<void>
  /** Something is being sent whose item is gone here meanwhile: its journal does not tell. */
  readonly hasStrays: () => boolean
}

const lanes: ReadonlyArray<Lane> = ["changes", "uploads"]
/** Intents looked at together: few at first, because most passes follow the end of a single one. */
const firstPage = 8
const pageSize = 64
/** Intents a pass looks at in vain without letting them rest. */
const lookAhead = 64
/** How long intents that wait for something else rest before they are looked at again without a reason, in ms. */
const recheck = 1_000
/** A clock that is set back by no more than this changes nothing, in ms. */
const clockTolerance = 1_000

export const makePushLoop = Effect.fnUntraced(function* (
  config: PushConfig,
  health: Health,
  hooks: { readonly poll: Effect.Effect<void>; readonly uploaded: Effect.Effect<void> }
) {
  const tree = yield* Tree
  const content = yield* ContentStore
  const conflicts = yield* makeConflicts
  const placement = yield* makePlacement(conflicts)
  const contents = yield* makeContents(conflicts)
  const setbacks = yield* makeSetbacks(health, hooks.poll)
  const fibers = yield* FiberSet.make<void, never>()
  const fork = yield* FiberSet.runtime(fibers)()
  const wakeUps = yield* Queue.sliding<void>(1)
  const progress = new Signal()

  const busy = new InFlight(config)
  const resting = new Resting()
  const pacing = makePacing(tree)
  const brake = yield* makeBrake(progress)

  const wake = Effect.sync(() => {
    Queue.offerUnsafe(wakeUps, undefined)
  })

  // ── one intent ──

  const perform = Effect.fnUntraced(function* (intent: Intent): Effect.fn.Return<Outcome, SyncError> {
    const item = tree.get(intent.ino)
    if (item === undefined) return done
    if (intent.kind === "create") return yield* create(item)
    const id = intent.remoteId ?? item.remoteId
    if (id === null) return later("waits until it exists at the server")
    switch (intent.kind) {
      case "move":
        return yield* placement.move(intent, item, id)
      case "content":
        return yield* contents.replaceFile(item, id)
      case "times":
        return yield* placement.setTimes(intent, item, id)
      case "delete":
        return yield* placement.remove(intent, item, id)
    }
  })

  const create = Effect.fnUntraced(function* (item: Item): Effect.fn.Return<Outcome, SyncError> {
    const parent = placement.parentIdOf(item)
    if (parent === null) return later("waits until its folder exists at the server")
    return yield* item.kind === "file" ? contents.createFile(item, parent) : placement.createFolder(item, parent)
  })

  const rest = (ino: Ino, why: string): Effect.Effect<void> =>
    Effect.map(Clock.currentTimeMillis, (now) => resting.add(ino, { until: now + recheck, why, leaves: null }))

  const work = Effect.fnUntraced(function* (intent: Intent) {
    const outcome = yield* Effect.result(perform(intent))
    if (outcome._tag === "Failure") return yield* setbacks.failed(intent, outcome.failure)
    yield* health.succeeded
    if (outcome.success._tag === "Later") return yield* setbacks.putOff(intent, outcome.success.why)
    if (intent.kind === "content" || intent.kind === "create") yield* hooks.uploaded
  })

  const finished = Effect.fnUntraced(function* ({ ino, intent }: Running, exit: Exit.Exit<void, SyncError>) {
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
      yield* Effect.logError(`${intent?.kind ?? "stray"} of item ${ino} failed`, exit.cause)
      yield* rest(ino, "an internal error: see the log")
    }
    busy.remove(ino)
    resting.gotOn(ino)
    yield* progress.raise
    yield* wake
  })

  const start = (intent: Intent, lane: Lane, effect: Effect.Effect<void, SyncError>): void => {
    const item = tree.get(intent.ino)
    const into = intent.kind === "create" && item !== undefined ? placement.parentIdOf(item) : null
    run({ ino: intent.ino, intent, lane, into, targets: targetsOf(tree, intent) }, effect)
  }

  const run = (running: Running, effect: Effect.Effect<void, SyncError>): void => {
    busy.add(running)
    fork(Effect.onExit(effect, (exit) => finished(running, exit)).pipe(Effect.exit, Effect.asVoid))
  }

  /** A stray is looked for before anything else is sent where it may be. */
  const startStray = (stray: Stray): void => {
    const { ino, place } = stray
    if (busy.has(ino) || !busy.hasRoom("uploads") || resting.why(ino) !== undefined) return
    const failed = (error: SyncError) =>
      Effect.andThen(
        error._tag === "GraphError" ? health.failed(error) : Effect.void,
        rest(ino, `may have arrived at the server: ${error.message}`)
      )
    const work = Effect.catch(contents.settleStray(stray), failed)
    run({ ino, intent: null, lane: "uploads", into: place.parent, targets: [placeKey(place.parent, place.name)] }, work)
  }

  /** An item whose answer has to be known before something else is sent to one of the targets. */
  const rivalOf = (intent: Intent): Ino | undefined => {
    const targets = targetsOf(tree, intent)
    const isAt = ({ place }: Stray) => targets.includes(placeKey(place.parent, place.name))
    return busy.rivalOf(intent.ino, targets) ?? tree.strays().find(isAt)?.ino
  }

  // ── a pass over the journal ──

  const orderContext = (now: number, unsettled: ReadonlySet<ItemId>): OrderContext => ({
    tree,
    live: content.live,
    now,
    unsettled
  })

  const hasRoom = (lane: Lane, now: number): boolean =>
    busy.hasRoom(lane) && (lane === "changes" || pacing.mayUpload(now))

  const pass = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    brake.look()
    if (!lanes.some((lane) => hasRoom(lane, now))) return
    resting.expire(now)
    const seen = new Set<Ino>([...busy.inos(), ...resting.inos()])
    const strays = tree.strays()
    for (const stray of strays) startStray(stray)
    const unsettled = new Set<ItemId>([...resting.leaving(), ...strays.map(({ place }) => place.parent)])
    for (const { intent, into } of busy.all()) {
      if (intent !== null) leave(unsettled, intent)
      if (into !== null) unsettled.add(into)
    }
    for (const lane of lanes) yield* fill(lane, seen, now, unsettled)
  })

  const fill = Effect.fnUntraced(function* (lane: Lane, seen: Set<Ino>, now: number, unsettled: Set<ItemId>) {
    let patience = lookAhead
    for (let limit = firstPage; hasRoom(lane, now) && patience > 0; limit = pageSize) {
      const intents = tree.readyIntents(lane, now, limit, seen)
      if (intents.length === 0) return
      const braked = lane === "changes" && (yield* brake.hold(intents))
      for (const intent of intents) {
        seen.add(intent.ino)
        if (!hasRoom(lane, now)) return
        if (busy.has(intent.ino) || resting.why(intent.ino) !== undefined) continue
        if (braked && intent.kind === "delete") continue
        if (!admit(intent, lane, orderContext(now, unsettled))) patience--
        leave(unsettled, intent)
      }
    }
  })

  /** Starts the intent or lets it rest; false when its turn comes by itself. */
  const admit = (intent: Intent, lane: Lane, context: OrderContext): boolean => {
    const rival = rivalOf(intent)
    const state: Readiness = rival === undefined ? readiness(context, intent) : waitsFor(rival)
    if (state._tag === "Ready") {
      if (lane === "uploads") pacing.started(context.now)
      start(intent, lane, work(intent))
    } else if (state._tag === "StepAside") startAside(state.holder)
    else if (state.on === intent.ino) return false
    else resting.add(intent.ino, { ...state, until: context.now + recheck, leaves: departure(intent) })
    return true
  }

  const startAside = (holder: Ino): void => {
    const item = tree.get(holder)
    const intent = tree.intents(holder).find(({ kind }) => kind === "move" || kind === "delete")
    if (item?.remoteId == null || intent === undefined || busy.has(holder)) return
    const stepped = placement.stepAside(item, item.remoteId)
    start(
      intent,
      "changes",
      Effect.catch(stepped, (error) => setbacks.failed(intent, error))
    )
  }

  /** Until the next intent is due; intents that wait for others are looked at every now and then. */
  const untilDue = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (tree.strays().length > 0) return recheck
    const due = tree.nextDue()
    if (due === null) return null
    if (due > now) return due - now
    return pacing.isCrowded(now) ? trickle : recheck
  })

  /**
   * Times from before the clock was set back, by this run or an earlier one, may be far away and are of no use. At the
   * start all of them are from before.
   */
  let seen = Number.POSITIVE_INFINITY
  const noticeClock = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const isBack = now < seen - clockTolerance
    seen = now
    if (!isBack) return
    resting.clear()
    yield* tree.expedite(rootIno)
  })

  const turn = Effect.gen(function* () {
    yield* health.awaitUsable
    yield* noticeClock
    yield* pass
    const wait = yield* untilDue
    const woken = Queue.take(wakeUps)
    yield* wait === null ? woken : Effect.timeoutOption(woken, wait)
  })

  yield* supervise({ name: "push loop", owner: "Sync" }, Effect.forever(turn))
  const newWork = Effect.andThen(Effect.andThen(Queue.take(tree.work), pacing.gather), wake)
  yield* supervise({ name: "new work", owner: "Sync" }, Effect.forever(newWork))

  const contextNow = Effect.map(Clock.currentTimeMillis, (now) => orderContext(now, new Set()))
  const pushLoop: PushLoop = {
    wake,
    progress,
    allowDeletes: Effect.andThen(brake.allow, wake),
    hasStrays: () => tree.strays().length > 0 || busy.inos().some((ino) => isGone(tree, ino)),
    isUncommitted: (intent) => Effect.map(contextNow, (context) => isUncommitted(context, intent)),
    waitingFor: (intent) =>
      Effect.map(contextNow, (context) => {
        const why = resting.why(intent.ino)
        if (why !== undefined) return why
        const state = readiness(context, intent)
        return state._tag === "Waits" ? state.why : undefined
      })
  }
  return pushLoop
})

const waitsFor = (on: Ino): Readiness => ({ _tag: "Waits", why: "waits for the answer to what was sent before", on })

const leave = (unsettled: Set<ItemId>, intent: Intent): void => {
  const folder = departure(intent)
  if (folder !== null) unsettled.add(folder)
}

/**
 * The end of a mount, in stages while everything still works: DRAINING (no new changes; writes that wait in the queues
 * are made, then uploads get the rest of the time), UNMOUNTING, and CLOSED, which is the scope of the mount itself.
 *
 * Each is bounded, so the process ends whatever hangs. What was not sent is in the journal. A write that still waits
 * when the mount is taken away by force is not made: its program is told (ECONNABORTED), log and result say how many.
 */
import { ByteSize, Context, Effect, type Exit, Option, PubSub, Scope } from "effect"
import { Config } from "../config/Config.ts"
import { ContentStore, type Unwritten } from "../content/ContentStore.ts"
import { detach } from "../control/mountpoint.ts"
import { Events, type Health } from "../events/Events.ts"
import { FuseSession } from "../fuse/FuseSession.ts"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { Sync } from "../sync/Sync.ts"
import { rootIno } from "../tree/Item.ts"
import { Tree } from "../tree/Tree.ts"

/** What of a mount its end works with. */
export type Mounted = Context.Context<ContentStore | FuseSession | Sync | Tree>

/** What the end of a mount could not do as it should. */
export interface HowItEnded {
  /** The mount had to be torn down by force. */
  readonly forced: boolean
  /** Writes that waited and were given up; their programs were told. */
  readonly unwritten: number
}

/** Time for a forced unmount and for closing, however little is left of the total; milliseconds. */
const lastMoments = 2000

/** The stages that need the mount; `close` is the last one. */
export const endMount = Effect.fnUntraced(function* (mounted: Mounted, mountpoint: string) {
  const { shutdown } = yield* Effect.flatMap(Config, (config) => config.current)
  yield* drain(mounted, shutdown.drain)
  const before = yield* cancelledWrites(mounted)
  const givenUp = Effect.map(cancelledWrites(mounted), (cancelled) => cancelled - before)
  const graceful = yield* unmount(mounted, shutdown.unmount, givenUp)
  if (!graceful) yield* tearDown(mounted, mountpoint, givenUp)
  const ended: HowItEnded = { forced: !graceful, unwritten: yield* givenUp }
  return ended
})

/** Everything else ends with the scope. */
export const close = Effect.fnUntraced(function* (scope: Scope.Closeable, exit: Exit.Exit<unknown, unknown>) {
  const lifecycle = yield* Lifecycle
  const { shutdown } = yield* Effect.flatMap(Config, (config) => config.current)
  const budget = Math.max(lastMoments, shutdown.total - shutdown.drain - shutdown.unmount)
  yield* lifecycle.stage({ phase: "CLOSED", budget, forcible: false, work: Scope.close(scope, exit) })
})

// ── draining ──

const isReachable = (health: Health): boolean => health === "online" || health === "degraded"

/** Ends when there is no server to send anything to; at once when that is known. */
const unreachable = Effect.fnUntraced(function* (sync: Sync["Service"], events: Events["Service"]) {
  const subscription = yield* events.subscribe
  let { health } = yield* sync.status
  while (isReachable(health)) {
    const event = yield* PubSub.take(subscription)
    if (event._tag === "HealthChanged") health = event.health
  }
}, Effect.scoped)

/** Files named in one message. */
const namedFiles = 5

const describe = (late: ReadonlyArray<Unwritten>, tree: Tree["Service"]): string => {
  if (late.length === 0) return ""
  const operations = late.reduce((sum, file) => sum + file.operations, 0)
  const bytes = late.reduce((sum, file) => sum + file.bytes, 0)
  const names = late.slice(0, namedFiles).map(({ ino }) => tree.path(ino) ?? tree.get(ino)?.name ?? `item ${ino}`)
  const more = late.length > namedFiles ? ` and ${late.length - namedFiles} more files` : ""
  return `${operations} waiting writes (${ByteSize.format(ByteSize.bytes(bytes))}) to ${names.join(", ")}${more}`
}

/** What waits in the write queues after `limit` milliseconds. */
const flushWrites = (content: ContentStore["Service"], limit: number) =>
  Effect.catch(content.flushAll(limit), (error) =>
    Effect.as(Effect.logError(`the write queues could not be flushed: ${error.message}`), [])
  )

/**
 * Writes first, in at most half of the time: what they change may be sent as well. What is written keeps its promise
 * either way; the drain decides how much is at the server already.
 */
const drain = Effect.fnUntraced(function* (mounted: Mounted, budget: number) {
  const [lifecycle, events] = [yield* Lifecycle, yield* Events]
  const [sync, tree] = [Context.get(mounted, Sync), Context.get(mounted, Tree)]
  const content = Context.get(mounted, ContentStore)
  const write = Effect.gen(function* () {
    const late = yield* flushWrites(content, Math.floor(budget / 2))
    if (late.length > 0) yield* Effect.logWarning(`${describe(late, tree)} take long; they go on until the unmount`)
  })
  const upload = Effect.suspend(() => (tree.summary().intents > 0 ? sync.flush(rootIno, budget) : Effect.void))
  yield* lifecycle.stage({
    phase: "DRAINING",
    budget,
    work: Context.get(mounted, FuseSession)
      .drain(budget + lastMoments)
      .pipe(Effect.andThen(write), Effect.andThen(Effect.raceFirst(upload, unreachable(sync, events)))),
    left: Effect.map(flushWrites(content, 0), (late) => {
      const { intents } = tree.summary()
      const unsent = intents === 0 ? "" : `${intents} changes, sent at the next mount`
      return [describe(late, tree), unsent].filter((text) => text !== "").join("; ")
    })
  })
})

// ── unmounting ──

/** Writes that were taken from the queues before their turn: they are not made. */
const cancelledWrites = (mounted: Mounted): Effect.Effect<number> =>
  Effect.map(Context.get(mounted, ContentStore).writes, ({ total }) => total.cancelled)

const givenUpText = (count: number): string =>
  count === 0 ? "" : `${count} waiting writes, which were not made; their programs got ECONNABORTED`

/** Politely for three quarters of the budget; the session forces in the rest. False when force was needed. */
const unmount = Effect.fnUntraced(function* (mounted: Mounted, budget: number, givenUp: Effect.Effect<number>) {
  const lifecycle = yield* Lifecycle
  const force = yield* lifecycle.isForced
  const report = yield* lifecycle.stage({
    phase: "UNMOUNTING",
    budget: force ? lastMoments : budget,
    forcible: !force,
    work: Context.get(mounted, FuseSession).unmount({ deadline: force ? 0 : (budget * 3) / 4, force }),
    left: Effect.map(givenUp, givenUpText)
  })
  return Option.isSome(report) && report.value.outcome !== "forced"
})

/** By force while the mount still has its path: afterwards nobody who waits in it could be sent away. */
const tearDown = Effect.fnUntraced(function* (mounted: Mounted, mountpoint: string, givenUp: Effect.Effect<number>) {
  const lifecycle = yield* Lifecycle
  const work = Context.get(mounted, FuseSession).unmount({ deadline: 0, force: true })
  const left = Effect.map(givenUp, givenUpText)
  const done = yield* lifecycle.stage({ phase: "UNMOUNTING", budget: lastMoments, forcible: false, work, left })
  if (Option.isNone(done)) yield* Effect.ignore(detach(mountpoint), { log: true })
})

/**
 * One mount: the binding's session, the fibers that answer it and the one that invalidates the kernel's caches, in one
 * scope.
 *
 * Model: the mount exists as long as the scope. Its end is the binding's shutdown (native/README.md, "Ending"): from
 * `drain` on changes are refused, `unmount` takes the mount away (plainly while nobody uses it, by force after the
 * deadline) while requests are still answered, and only then the remaining fibers end. The limits hold natively, even
 * while this thread does not turn. Somebody else may unmount, too: `closed` tells.
 *
 * Assumption: this process never touches its own mountpoint; the proof of readiness is a child process.
 */
import type {
  FeatureSwitches,
  SessionStats,
  ShutdownOptions,
  UnmountOptions,
  UnmountReport
} from "@onemount/fuse-native"
import { Session } from "@onemount/fuse-native"
import { Cause, Context, Deferred, Effect, Exit, Layer, PubSub, Scope } from "effect"
import { ContentStore } from "../content/ContentStore.ts"
import { Events, type Health } from "../events/Events.ts"
import { Filesystem } from "../filesystem/Filesystem.ts"
import { supervise } from "../lifecycle/supervise.ts"
import { runScript } from "../platform/Processes.ts"
import { Sync } from "../sync/Sync.ts"
import { fold } from "../tree/fold.ts"
import { Tree } from "../tree/Tree.ts"
import * as Dispatch from "./Dispatch.ts"
import { featuresOf, type MountFeatures, usual } from "./features.ts"
import { FuseError } from "./FuseError.ts"
import { Handles } from "./Handles.ts"
import { notificationsFor, reopened } from "./Invalidation.ts"
import { NodeTable } from "./NodeTable.ts"
import * as Shares from "./Shares.ts"

export interface FuseSessionOptions {
  /** An existing directory, absolute. */
  readonly mountpoint: string
  /** Source in /proc/self/mountinfo, default `onemount`. */
  readonly fsName?: string
  readonly allowOther?: boolean
  readonly readOnly?: boolean
  /** The kernel may serve files that are wholly here itself, where it and we can; default true. */
  readonly passthrough?: boolean
  /** Features of the binding to switch on or off. */
  readonly features?: FeatureSwitches
  /** How long a busy mount is asked politely when the scope closes, in milliseconds; default 8,000. */
  readonly unmountDeadline?: number
  /** Limit for the first read through the mount, in milliseconds; default 5,000. */
  readonly readyTimeout?: number
  /** How long the kernel may keep entries, attributes and absences, in seconds. */
  readonly timeouts?: {
    /** While changes are pushed; default a day. */
    readonly fresh: number
    /** While the server cannot be heard; default 1. */
    readonly stale: number
  }
}

export interface FuseStats {
  readonly session: SessionStats
  /** Inodes the kernel holds. */
  readonly nodes: number
  /** Files the kernel has open, those that the binding opened by itself included. */
  readonly handles: number
  /** Requests that did not end at once. */
  readonly running: ReadonlyArray<Dispatch.RunningRequest>
}

export class FuseSession extends Context.Service<
  FuseSession,
  {
    readonly mountpoint: string
    /** Done with the reason when the connection ended, whoever ended it. */
    readonly closed: Deferred.Deferred<string>
    readonly stats: Effect.Effect<FuseStats>
    /** What kernel and libfuse offer, and what of it the mount uses. */
    features(): Partial<MountFeatures>
    /**
     * Refuses what would begin a change (EBUSY); what runs and what is open may finish. When nobody unmounts within
     * `limit` milliseconds, the binding does.
     */
    drain(limit: number): Effect.Effect<void>
    /** Unmounts now; further calls get the first one's report. */
    unmount(options: UnmountOptions): Effect.Effect<UnmountReport>
  }
>()("onemount/fuse/FuseSession") {
  static readonly layer = (options: FuseSessionOptions) => Layer.effect(FuseSession, make(options))
}

const make = Effect.fn("FuseSession.make")(function* (options: FuseSessionOptions) {
  const tree = yield* Tree
  const content = yield* ContentStore
  const filesystem = yield* Filesystem
  const closed = yield* Deferred.make<string>()
  const nodes = new NodeTable({ fold, kernel: () => session })
  const handles = new Handles()
  const timeout = yield* cacheTimeout(options.timeouts ?? { fresh: 86_400, stale: 1 })
  // What serves the mount lives in a scope made before it: it ends after the unmount, which still needs it.
  const serving = yield* Scope.fork(yield* Effect.scope)
  // Subscribed before the kernel can ask anything: what changes from here on reaches it.
  const changes = yield* Scope.provide(PubSub.subscribe(tree.changes), serving)
  const shares = yield* Scope.provide(Shares.make({ filesystem, session: () => session }), serving)
  const dispatch = yield* Dispatch.make({
    filesystem,
    nodes,
    handles,
    shares,
    timeout,
    session: () => session,
    onClosed: (reason) => Deferred.doneUnsafe(closed, Exit.succeed(reason))
  }).pipe(Scope.provide(serving))

  const deadline = options.unmountDeadline ?? 8_000
  const shutdown = (mounted: Session, how: ShutdownOptions) =>
    mounted.shutdown({
      ...how,
      onEvent: ({ type }) => {
        if (type === "complete") Deferred.doneUnsafe(closed, Exit.succeed("unmounted"))
      }
    })
  const unmount = (mounted: Session, how: UnmountOptions) =>
    Effect.promise(() =>
      mounted.phase === "running"
        ? shutdown(mounted, { reason: "unmount", unmount: how.deadline, force: how.force ?? false })
        : mounted.unmount(how)
    )
  const session: Session = yield* Effect.acquireRelease(
    mount(options, content, () => dispatch.drain()),
    (mounted) => Effect.flatMap(unmount(mounted, { deadline }), logReport)
  )

  const notify = Effect.map(PubSub.take(changes), (batch) => {
    for (const ino of reopened(batch)) shares.withdraw(ino)
    const notifications = notificationsFor(nodes, batch)
    if (!Deferred.isDoneUnsafe(closed)) session.notify(notifications)
  })
  const invalidate = Effect.forever(notify, { disableYield: true }).pipe(
    // Without invalidations the caches would lie: the mount goes with them.
    Effect.tapCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.andThen(
            Effect.logError("kernel caches cannot be kept up to date: unmounting", cause),
            unmount(session, { deadline: 0, force: true })
          )
    )
  )
  yield* Scope.provide(
    supervise({ name: "invalidations", owner: "FuseSession", onCrash: "escalate" }, invalidate),
    serving
  )
  yield* Scope.provide(content.onShortage(shares.recall), serving)
  yield* ready(options)

  return FuseSession.of({
    mountpoint: options.mountpoint,
    closed,
    stats: Effect.sync(() => {
      const counted = session.stats()
      return { session: counted, nodes: counted.native.held, handles: counted.handles, running: dispatch.running() }
    }),
    features: () => featuresOf(session) ?? {},
    drain: (limit) =>
      Effect.sync(() => {
        void shutdown(session, { reason: "drain", drain: limit, unmount: deadline })
        shares.stop()
      }),
    unmount: (how) => unmount(session, how)
  })
})

const logReport = ({ abandoned, outcome, phases, reason }: UnmountReport) =>
  (outcome === "forced" ? Effect.logWarning : Effect.logDebug)(`mount ended (${outcome}: ${reason})`).pipe(
    Effect.annotateLogs({ ...phases, abandoned })
  )

const mount = (options: FuseSessionOptions, content: ContentStore["Service"], onRequests: () => void) =>
  Effect.try({
    try: () =>
      Session.mount(
        {
          mountpoint: options.mountpoint,
          fsName: options.fsName ?? "onemount",
          subtype: "onemount",
          allowOther: options.allowOther ?? false,
          readOnly: options.readOnly ?? false,
          passthrough: options.passthrough ?? true,
          features: { ...usual, ...options.features }
        },
        content.table,
        onRequests
      ),
    catch: (cause) => refused(options.mountpoint, cause)
  })

const refused = (mountpoint: string, cause: unknown): FuseError => {
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : ""
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new FuseError({ reason: "Refused", mountpoint, code, detail })
}

const isStale = (health: Health) => health === "offline" || health === "signed-out"

/** A day while the server's changes reach us, a second while they do not. */
const cacheTimeout = Effect.fnUntraced(function* (timeouts: { readonly fresh: number; readonly stale: number }) {
  const sync = yield* Sync
  const events = yield* Events
  const subscription = yield* events.subscribe
  let current = isStale((yield* sync.status).health) ? timeouts.stale : timeouts.fresh
  const follow = Effect.map(PubSub.take(subscription), (event) => {
    if (event._tag === "HealthChanged") current = isStale(event.health) ? timeouts.stale : timeouts.fresh
  })
  yield* supervise({ name: "cache timeouts", owner: "FuseSession" }, Effect.forever(follow))
  return () => current
})

const lookScript = `
try { require("node:fs").opendirSync(process.argv[1]).readSync() }
catch (error) { process.stderr.write(error.message); process.exit(1) }`

/** Reads through the mount from another process: when it returns, the whole way works. */
const ready = Effect.fnUntraced(function* (options: FuseSessionOptions) {
  const { mountpoint, readyTimeout = 5_000 } = options
  const silent = (detail: string) => new FuseError({ reason: "Silent", mountpoint, code: "", detail })
  const read = yield* runScript(lookScript, [`${mountpoint}/.`], { timeout: readyTimeout })
  if (read.timedOut) return yield* silent(`mounted, but a first read did not return within ${readyTimeout} ms`)
  if (read.code !== 0) return yield* silent(`mounted, but a first read failed: ${read.stderr.trim()}`)
})

/**
 * The life of the daemon: RUNNING → DRAINING → UNMOUNTING → CLOSED, never back.
 *
 * Model: anybody may ask for the end (`stop`: a signal, a command, a crashed worker), the first one counts. The owner
 * of the mount then runs its stages; each has a budget and all together have one, measured from the request. A stage
 * that overruns is interrupted, recorded and left behind: what it could not finish is on disk. `force` (a second
 * signal) ends all waiting at once. Long-lived fibers are registered by name and owner, so that a crash is logged and
 * answered instead of being silent.
 *
 * Assumption: stages run in finalizers, where the fiber is interrupted already and interruption is off. So their work
 * runs in fibers of its own and only the wait for it is bounded.
 */
import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Option, Ref } from "effect"
import { Events } from "../events/Events.ts"
import { FiberRegistry, type FiberStatus, makeRegistry, type Registry } from "./supervise.ts"

/** In this order, never back. */
export type Phase = "RUNNING" | "DRAINING" | "UNMOUNTING" | "CLOSED"

/** Why the daemon is to end. */
export interface StopRequest {
  /** For people: `SIGTERM`, `onemount unmount`, `push loop crashed`. */
  readonly reason: string
  /** The daemon ends because something broke: exit status 1. */
  readonly failed: boolean
}

/** How a stage went. */
export interface StageReport {
  readonly phase: Phase
  readonly outcome: "done" | "timed out" | "forced" | "failed"
  readonly durationMs: number
  /** What it left undone, in words; empty when nothing. */
  readonly left: string
}

/** One step of the end. */
export interface Stage<A> {
  readonly phase: Exclude<Phase, "RUNNING">
  /** Milliseconds; cut to what is left of the total. */
  readonly budget: number
  readonly work: Effect.Effect<A>
  /** False: `force` does not cut it short (the unmount itself, closing the database). Default true. */
  readonly forcible?: boolean
  /** Asked after the work; empty when nothing is left. */
  readonly left?: Effect.Effect<string>
}

export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    readonly phase: Effect.Effect<Phase>
    /** Asks for the end; later requests have no effect but `failed` sticks. */
    stop(request: StopRequest): Effect.Effect<void>
    /** Waits for the request. */
    readonly stopping: Effect.Effect<StopRequest>
    /** No stage waits any longer. */
    readonly force: Effect.Effect<void>
    readonly isForced: Effect.Effect<boolean>
    /** Enters a phase and works in it within its budget; none when it overran, was forced or died. */
    stage<A>(stage: Stage<A>): Effect.Effect<Option.Option<A>>
    readonly stages: Effect.Effect<ReadonlyArray<StageReport>>
    /** `supervise` for whoever holds the service; what is built below it finds the same registry in its context. */
    readonly supervise: Registry["supervise"]
    /** Every long-lived fiber that was forked below this lifecycle, see `supervise`. */
    readonly fibers: Effect.Effect<ReadonlyArray<FiberStatus>>
  }
>()("onemount/lifecycle/Lifecycle") {
  /** `total`: limit for all stages together in milliseconds, asked for when the end begins. */
  static readonly layer = (total: Effect.Effect<number>): Layer.Layer<Lifecycle, never, Events> =>
    Layer.effectContext(make(total))
}

const make = Effect.fnUntraced(function* (total: Effect.Effect<number>) {
  const events = yield* Events
  const phase = yield* Ref.make<Phase>("RUNNING")
  const stages = yield* Ref.make<ReadonlyArray<StageReport>>([])
  const request = yield* Deferred.make<StopRequest>()
  const stopped = yield* Ref.make(false)
  const broken = yield* Ref.make(false)
  const forced = yield* Deferred.make<void>()
  const deadline = yield* Ref.make(Number.POSITIVE_INFINITY)

  const stop = Effect.fn("Lifecycle.stop")(function* (asked: StopRequest) {
    if (asked.failed) yield* Ref.set(broken, true)
    if (yield* Ref.getAndSet(stopped, true)) return
    // Before anybody wakes up: the stages count from here.
    yield* Ref.set(deadline, (yield* Clock.currentTimeMillis) + (yield* total))
    yield* Effect.logInfo(`stopping: ${asked.reason}`)
    yield* Deferred.succeed(request, asked)
  }, Effect.uninterruptible)

  const enter = Effect.fnUntraced(function* (next: Phase) {
    const before = yield* Ref.getAndSet(phase, next)
    if (before !== next) yield* events.publish({ _tag: "PhaseChanged", phase: next })
  })

  const record = Effect.fnUntraced(function* (report: StageReport) {
    yield* Ref.update(stages, (all) => [...all, report])
    const rest = report.left === "" ? "" : `, left: ${report.left}`
    const line = `${report.phase} ${report.outcome} after ${report.durationMs} ms${rest}`
    yield* report.outcome === "done" ? Effect.logInfo(line) : Effect.logWarning(line)
  })

  const stage = Effect.fn("Lifecycle.stage")(function* <A>({
    phase: next,
    budget,
    work,
    left,
    forcible = true
  }: Stage<A>) {
    yield* enter(next)
    const started = yield* Clock.currentTimeMillis
    const limit = Math.max(0, Math.min(budget, (yield* Ref.get(deadline)) - started))
    const { exit, outcome } = yield* bounded(work, limit, forcible ? Deferred.await(forced) : Effect.never)
    if (outcome === "failed" && exit !== undefined && Exit.isFailure(exit)) {
      yield* Effect.logError(`${next} failed`, exit.cause)
    }
    const undone = left === undefined ? "" : yield* left
    yield* record({ phase: next, outcome, durationMs: (yield* Clock.currentTimeMillis) - started, left: undone })
    return exit !== undefined && Exit.isSuccess(exit) ? Option.some(exit.value) : Option.none<A>()
  })

  const registry = makeRegistry((name) => stop({ reason: `${name} crashed`, failed: true }))

  const lifecycle = Lifecycle.of({
    phase: Ref.get(phase),
    stop,
    stopping: Effect.gen(function* () {
      const { reason } = yield* Deferred.await(request)
      return { reason, failed: yield* Ref.get(broken) }
    }),
    force: Effect.asVoid(Deferred.succeed(forced, undefined)),
    isForced: Deferred.isDone(forced),
    stage,
    stages: Ref.get(stages),
    supervise: registry.supervise,
    fibers: registry.fibers
  })
  return Context.add(Context.make(Lifecycle, lifecycle), FiberRegistry, registry)
})

/** How long an overrunning stage may still clean up after its interruption, in milliseconds. */
const interruptGrace = 250

const bounded = Effect.fnUntraced(function* <A>(work: Effect.Effect<A>, limit: number, forced: Effect.Effect<void>) {
  const fiber = yield* Effect.forkDetach(work, { startImmediately: true, uninterruptible: false })
  const finished = yield* Fiber.await(fiber).pipe(
    Effect.map((exit) => ({ exit, outcome: Exit.isSuccess(exit) ? ("done" as const) : ("failed" as const) })),
    Effect.raceFirst(Effect.as(forced, { exit: undefined, outcome: "forced" as const })),
    Effect.timeoutOption(limit)
  )
  const result = Option.getOrElse(finished, () => ({ exit: undefined, outcome: "timed out" as const }))
  if (result.exit === undefined) {
    fiber.interruptUnsafe()
    yield* Effect.timeoutOption(Fiber.await(fiber), interruptGrace)
  }
  return result
})

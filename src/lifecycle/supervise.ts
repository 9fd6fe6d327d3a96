/**
 * Long-lived fibers by name and owner. A forked fiber that fails is silent by itself; here its cause is logged and it
 * is restarted with a growing pause, or its failure ends the daemon.
 *
 * Whoever forks one calls `supervise`; the registry it lands in comes with the context. A daemon has that of its
 * Lifecycle, which lists the fibers and is stopped by an escalation. What runs without a daemon has one that does
 * nothing but supervise.
 */
import { Cause, Clock, Context, Duration, Effect, Exit, Random, type Scope } from "effect"

/** `waiting`: it crashed and is started again soon. */
export interface FiberStatus {
  readonly name: string
  /** The service that forked it. */
  readonly owner: string
  readonly state: "running" | "waiting" | "ended"
  readonly restarts: number
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly lastError: string | null
}

/** Who it is, for people, and what its crash means. */
export interface SuperviseOptions {
  readonly name: string
  readonly owner: string
  /** `restart` (default): pause and start again. `escalate`: the daemon cannot go on without it. */
  readonly onCrash?: "restart" | "escalate"
}

/** Pause before the nth restart: 1 s doubling to a minute, with jitter so that fibers do not march in step. */
const firstPause = 1000
const longestPause = 60_000

/** A fiber that ran this long is healthy again: its next crash starts with the shortest pause. */
const healthyAfter = 5 * 60_000

/** Forks fibers and lists them while their scopes live. */
export interface Registry {
  supervise<R>(
    options: SuperviseOptions,
    effect: Effect.Effect<unknown, unknown, R>
  ): Effect.Effect<void, never, R | Scope.Scope>
  readonly fibers: Effect.Effect<ReadonlyArray<FiberStatus>>
}

/** `escalate` is told what crashed that the daemon cannot go on without. */
export const makeRegistry = (escalate: (name: string) => Effect.Effect<void>): Registry => {
  const fibers = new Set<{ status: FiberStatus }>()

  const supervise = Effect.fnUntraced(function* <R>(
    { name, owner, onCrash = "restart" }: SuperviseOptions,
    effect: Effect.Effect<unknown, unknown, R>
  ): Effect.fn.Return<void, never, R | Scope.Scope> {
    const since = yield* Clock.currentTimeMillis
    const entry = { status: { name, owner, state: "running", restarts: 0, since, lastError: null } as FiberStatus }
    const update = (change: Partial<FiberStatus>) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        entry.status = { ...entry.status, since: now, ...change }
      })

    const loop = Effect.gen(function* () {
      for (let crashes = 0; ; crashes++) {
        const started = yield* Clock.currentTimeMillis
        const exit = yield* Effect.exit(effect)
        if (Exit.isSuccess(exit)) return
        if (Cause.hasInterruptsOnly(exit.cause)) return yield* exit
        yield* update({ state: "waiting", restarts: entry.status.restarts + 1, lastError: summary(exit.cause) })
        yield* Effect.logError(`${owner}: ${name} crashed`, exit.cause)
        if (onCrash === "escalate") return yield* escalate(`${owner}: ${name}`)
        if ((yield* Clock.currentTimeMillis) - started > healthyAfter) crashes = 0
        yield* Effect.sleep(Duration.millis(yield* pause(crashes)))
        yield* update({ state: "running" })
      }
    })

    fibers.add(entry)
    yield* Effect.addFinalizer(() => Effect.sync(() => fibers.delete(entry)))
    yield* Effect.forkScoped(Effect.ensuring(loop, update({ state: "ended" })))
  })

  return {
    supervise,
    fibers: Effect.sync(() => Array.from(fibers, (entry) => entry.status))
  }
}

/** Where `supervise` registers. */
export const FiberRegistry = Context.Reference<Registry>("onemount/lifecycle/FiberRegistry", {
  defaultValue: () => makeRegistry(() => Effect.void)
})

/**
 * Forks `effect` for the life of the scope. When it crashes, the cause is logged and it is restarted after a growing
 * pause, or the daemon stops (`escalate`).
 */
export const supervise = <R>(
  options: SuperviseOptions,
  effect: Effect.Effect<unknown, unknown, R>
): Effect.Effect<void, never, R | Scope.Scope> =>
  Effect.flatMap(FiberRegistry, (registry) => registry.supervise(options, effect))

const pause = (crashes: number): Effect.Effect<number> =>
  Effect.map(Random.next, (jitter) =>
    Math.round(Math.min(longestPause, firstPause * 2 ** crashes) * (0.5 + jitter / 2))
  )

const summary = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

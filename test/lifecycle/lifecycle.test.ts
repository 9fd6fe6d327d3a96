import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option, PubSub, Ref } from "effect"
import { TestClock } from "effect/testing"
import { Events, type OneMountEvent } from "../../src/events/Events.ts"
import { Lifecycle } from "../../src/lifecycle/Lifecycle.ts"
import { supervise } from "../../src/lifecycle/supervise.ts"

const layer = Lifecycle.layer(Effect.succeed(15_000)).pipe(Layer.provideMerge(Events.layer))
const stop = { reason: "SIGTERM", failed: false }

/** Runs a stage while the clock moves. */
const timed = <A, E, R>(stage: Effect.Effect<A, E, R>, milliseconds: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(stage, { startImmediately: true })
    yield* TestClock.adjust(milliseconds)
    return yield* Fiber.join(fiber)
  })

describe("phases", () => {
  it.effect("are published in order, once each, and report how they went", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      const subscription = yield* Effect.flatMap(Events, (events) => events.subscribe)
      assert.strictEqual(yield* lifecycle.phase, "RUNNING")
      yield* lifecycle.stop(stop)
      yield* timed(
        lifecycle.stage({
          phase: "DRAINING",
          budget: 5000,
          work: Effect.sleep(1200),
          left: Effect.succeed("3 changes")
        }),
        1200
      )
      yield* lifecycle.stage({ phase: "UNMOUNTING", budget: 8000, work: Effect.void })
      yield* lifecycle.stage({ phase: "CLOSED", budget: 2000, work: Effect.void })
      const events = yield* PubSub.takeAll(subscription)
      const phases = events.flatMap((event: OneMountEvent) => (event._tag === "PhaseChanged" ? [event.phase] : []))
      assert.deepStrictEqual(phases, ["DRAINING", "UNMOUNTING", "CLOSED"])
      assert.deepStrictEqual(yield* lifecycle.stages, [
        { phase: "DRAINING", outcome: "done", durationMs: 1200, left: "3 changes" },
        { phase: "UNMOUNTING", outcome: "done", durationMs: 0, left: "" },
        { phase: "CLOSED", outcome: "done", durationMs: 0, left: "" }
      ])
    }).pipe(Effect.provide(layer))
  )

  it.effect("end with their budget, and their work is interrupted", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      const interrupted = yield* Ref.make(false)
      yield* lifecycle.stop(stop)
      const work = Effect.onInterrupt(Effect.never, () => Ref.set(interrupted, true))
      const result = yield* timed(lifecycle.stage({ phase: "DRAINING", budget: 5000, work }), 5000)
      assert.isTrue(Option.isNone(result))
      assert.isTrue(yield* Ref.get(interrupted))
      assert.strictEqual((yield* lifecycle.stages)[0]?.outcome, "timed out")
    }).pipe(Effect.provide(layer))
  )

  it.effect("work that cannot be interrupted is left behind", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* lifecycle.stop(stop)
      const stage = lifecycle.stage({ phase: "DRAINING", budget: 100, work: Effect.uninterruptible(Effect.never) })
      assert.isTrue(Option.isNone(yield* timed(stage, 1000)))
    }).pipe(Effect.provide(layer))
  )

  it.effect("share the total, counted from the request", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* lifecycle.stop(stop)
      yield* TestClock.adjust(14_000)
      yield* timed(lifecycle.stage({ phase: "UNMOUNTING", budget: 8000, work: Effect.never }), 1000)
      assert.strictEqual((yield* lifecycle.stages)[0]?.durationMs, 1000)
    }).pipe(Effect.provide(layer))
  )

  it.effect("run inside the finalizers of an interrupted fiber", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      const drained = yield* Ref.make(false)
      const daemon = Effect.onExit(Effect.never, () =>
        lifecycle.stage({
          phase: "DRAINING",
          budget: 5000,
          work: Effect.andThen(Effect.sleep(700), Ref.set(drained, true))
        })
      )
      const fiber = yield* Effect.forkChild(daemon, { startImmediately: true })
      yield* lifecycle.stop(stop)
      const ending = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust(700)
      yield* Fiber.join(ending)
      assert.isTrue(yield* Ref.get(drained))
    }).pipe(Effect.provide(layer))
  )
})

describe("force", () => {
  it.effect("cuts a running stage short and every later one that allows it", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* lifecycle.stop(stop)
      const draining = yield* Effect.forkChild(
        lifecycle.stage({ phase: "DRAINING", budget: 5000, work: Effect.never }),
        { startImmediately: true }
      )
      yield* lifecycle.force
      assert.isTrue(Option.isNone(yield* Fiber.join(draining)))
      assert.strictEqual((yield* lifecycle.stages)[0]?.outcome, "forced")
      const closed = lifecycle.stage({ phase: "CLOSED", budget: 2000, forcible: false, work: Effect.sleep(500) })
      assert.isTrue(Option.isSome(yield* timed(closed, 500)))
    }).pipe(Effect.provide(layer))
  )
})

describe("stop", () => {
  it.effect("the first reason counts, and a failure sticks", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* lifecycle.stop(stop)
      yield* lifecycle.stop({ reason: "push loop crashed", failed: true })
      assert.deepStrictEqual(yield* lifecycle.stopping, { reason: "SIGTERM", failed: true })
    }).pipe(Effect.provide(layer))
  )
})

describe("supervise", () => {
  it.effect("restarts what crashes, after growing pauses, and shows it", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      const runs = yield* Ref.make(0)
      const crash = Effect.andThen(
        Ref.update(runs, (n) => n + 1),
        Effect.die(new Error("boom"))
      )
      yield* supervise({ name: "poll", owner: "Sync" }, crash)
      yield* Effect.yieldNow
      const first = yield* lifecycle.fibers
      assert.deepInclude(first[0], { name: "poll", owner: "Sync", state: "waiting", restarts: 1, lastError: "boom" })
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Ref.get(runs), 2)
      // Pauses have jitter: the first takes 0.5 to 1 s, the second 1 to 2 s.
      yield* TestClock.adjust(499)
      assert.strictEqual(yield* Ref.get(runs), 2)
      yield* TestClock.adjust(1501)
      assert.strictEqual(yield* Ref.get(runs), 3)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("escalates what the daemon cannot do without", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* supervise({ name: "notifier", owner: "Fuse", onCrash: "escalate" }, Effect.fail("gone"))
      assert.deepStrictEqual(yield* lifecycle.stopping, { reason: "Fuse: notifier crashed", failed: true })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("ends with its scope and leaves the registry", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      const ended = yield* Deferred.make<void>()
      const work = Effect.onInterrupt(Effect.never, () => Deferred.succeed(ended, undefined))
      yield* Effect.scoped(Effect.andThen(supervise({ name: "poll", owner: "Sync" }, work), Effect.yieldNow))
      yield* Deferred.await(ended)
      assert.deepStrictEqual(yield* lifecycle.fibers, [])
    }).pipe(Effect.provide(layer))
  )
})

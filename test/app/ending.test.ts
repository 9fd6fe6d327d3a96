/** The stages at the end of a mount, over a mount that is a handful of stated answers; time is TestClock's. */
import { assert, describe, it } from "@effect/vitest"
import type { UnmountReport, WriteStats } from "@onemount/fuse-native"
import { Context, Effect, Fiber, Layer, Ref } from "effect"
import { TestClock } from "effect/testing"
import { endMount } from "../../src/app/ending.ts"
import { Config } from "../../src/config/Config.ts"
import { ContentStore, type Unwritten } from "../../src/content/ContentStore.ts"
import { Events } from "../../src/events/Events.ts"
import { FuseSession } from "../../src/fuse/FuseSession.ts"
import { Lifecycle } from "../../src/lifecycle/Lifecycle.ts"
import { Sync } from "../../src/sync/Sync.ts"
import { Ino } from "../../src/tree/Item.ts"
import { Tree } from "../../src/tree/Tree.ts"

/** The members that the end asks for; any other one would be a TypeError, which fails the test. */
const partly = <I, S>(service: Context.Service<I, S>, members: Partial<S>): Layer.Layer<I> =>
  Layer.succeed(service, members as S)

const report: UnmountReport = {
  outcome: "graceful",
  asked: "drain",
  reason: "unmounted",
  durationMs: 1,
  phases: { draining: 0, unmounting: 1, closing: 0 },
  drained: true,
  abandoned: 0
}

const figures: WriteStats["total"] = {
  operations: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  bytes: 0,
  deferred: 0,
  queued: 0,
  queuedBytes: 0,
  queuedMax: 0,
  p50Us: 0,
  p99Us: 0,
  maxUs: 0
}

interface Scene {
  /** Milliseconds until the write queues are empty. */
  readonly writing: number
  readonly outcome: UnmountReport["outcome"]
  /** Writes that the unmount takes from the queues. */
  readonly givenUp: number
}

/** Ends a mount and tells what was called, at which milliseconds. */
const ending = Effect.fnUntraced(function* ({ writing, outcome, givenUp }: Scene) {
  const calls = yield* Ref.make<ReadonlyArray<string>>([])
  const cancelled = yield* Ref.make(7)
  const note = (call: string) =>
    Effect.flatMap(
      Effect.clockWith((clock) => clock.currentTimeMillis),
      (now) => Ref.update(calls, (all) => [...all, `${now} ${call}`])
    )
  const late: ReadonlyArray<Unwritten> = [{ ino: Ino(2), operations: 3, bytes: 2048 }]
  const flushAll = Effect.fnUntraced(function* (limit: number) {
    if (limit === 0) return (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) < writing ? late : []
    yield* note(`flush writes within ${limit}`)
    yield* Effect.sleep(Math.min(limit, writing))
    return writing > limit ? late : []
  })
  const services = Layer.mergeAll(
    partly(FuseSession, {
      drain: (limit) => note(`drain within ${limit}`),
      unmount: ({ force = false }) =>
        Effect.andThen(
          Effect.andThen(
            note(force ? "force" : "unmount"),
            Ref.update(cancelled, (count) => count + (force ? 0 : givenUp))
          ),
          Effect.succeed({ ...report, outcome })
        )
    }),
    partly(ContentStore, {
      flushAll,
      writes: Effect.map(Ref.get(cancelled), (count) => ({
        total: { ...figures, cancelled: count },
        handles: [],
        activeHandles: 0,
        dirtyBytes: 0
      }))
    }),
    partly(Tree, {
      summary: () => ({ intents: 1, parked: 0, bytes: 0, oldest: null }),
      path: () => "/notes.txt"
    }),
    partly(Sync, {
      flush: () => Effect.as(note("upload"), []),
      status: Effect.succeed({ health: "online" as const, detail: "", cursorAge: 0 })
    })
  )
  const lifecycle = yield* Lifecycle
  yield* lifecycle.stop({ reason: "SIGTERM", failed: false })
  const context = yield* Layer.build(services)
  const fiber = yield* Effect.forkChild(endMount(context, "/mnt/test"), { startImmediately: true })
  yield* TestClock.adjust(15_000)
  const ended = yield* Fiber.join(fiber)
  return { ended, calls: yield* Ref.get(calls), stages: yield* lifecycle.stages }
})

const layer = Layer.mergeAll(
  Lifecycle.layer(Effect.succeed(15_000)).pipe(Layer.provideMerge(Events.layer)),
  Config.layer({ flags: [], env: { HOME: "/nowhere" }, file: undefined })
)

describe("the end of a mount", () => {
  it.effect("has the waiting writes made before it sends", () =>
    Effect.gen(function* () {
      const { calls, ended, stages } = yield* ending({ writing: 400, outcome: "graceful", givenUp: 0 })
      assert.deepStrictEqual(calls, ["0 drain within 7000", "0 flush writes within 2500", "400 upload", "400 unmount"])
      assert.deepStrictEqual(ended, { forced: false, unwritten: 0 })
      assert.deepStrictEqual(
        stages.map(({ phase, outcome, left }) => [phase, outcome, left]),
        [
          ["DRAINING", "done", "1 changes, sent at the next mount"],
          ["UNMOUNTING", "done", ""]
        ]
      )
    }).pipe(Effect.provide(layer), Effect.scoped)
  )

  it.effect("leaves half of the time to uploads, and says what was late and what was given up", () =>
    Effect.gen(function* () {
      const { calls, ended, stages } = yield* ending({ writing: 60_000, outcome: "forced", givenUp: 3 })
      assert.deepStrictEqual(calls.slice(1, 4), ["0 flush writes within 2500", "2500 upload", "2500 unmount"])
      assert.deepStrictEqual(ended, { forced: true, unwritten: 3 })
      const [draining, unmounting] = stages
      assert.strictEqual(draining?.left, "3 waiting writes (2 KiB) to /notes.txt; 1 changes, sent at the next mount")
      assert.match(unmounting?.left ?? "", /^3 waiting writes, which were not made; their programs got ECONNABORTED$/)
    }).pipe(Effect.provide(layer), Effect.scoped)
  )
})

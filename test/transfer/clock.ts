/** Virtual time for tests whose work is partly real (files, native threads). */
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"

/** Real time for real work between two steps of virtual time, in ms: files and native threads know no test clock. */
const breath = 3

const breathe = Effect.callback<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), breath)
  return Effect.sync(() => clearTimeout(timer))
})

export interface Passing {
  /** Virtual ms after which the test fails; default 600,000. */
  readonly limit?: number
  /** Longest step, in virtual ms; default 1,000. */
  readonly step?: number
}

/** Runs `effect` while virtual time passes, first in small steps, until it ended. */
export const passing = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { limit = 600_000, step = 1_000 }: Passing = {}
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    let passed = 0
    for (let next = 10; ; next = Math.min(step, next * 1.5)) {
      yield* breathe
      if (fiber.pollUnsafe() !== undefined) return yield* Fiber.join(fiber)
      if (passed >= limit) break
      const advance = Math.ceil(Math.min(next, limit - passed))
      yield* TestClock.adjust(advance)
      passed += advance
    }
    yield* Fiber.interrupt(fiber)
    return yield* Effect.die(new Error(`nothing happened within ${limit} ms of virtual time`))
  })

/** Waits, while time passes, until `check` holds. */
export const eventually = <E, R>(check: Effect.Effect<boolean, E, R>, options?: Passing): Effect.Effect<void, E, R> => {
  const wait: Effect.Effect<void, E, R> = Effect.flatMap(check, (holds) =>
    holds ? Effect.void : Effect.andThen(Effect.sleep(1_000), wait)
  )
  return passing(wait, options)
}

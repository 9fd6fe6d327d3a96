/** Virtual time for tests whose work is partly real (files, native threads). */
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"

/** Lets everything that is not waiting for the clock happen: real I/O included. */
const breathe = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/**
 * Runs `effect` while time passes in steps of `step` ms as soon as nothing else is left to do, up to `limit` ms. An
 * effect that has not ended by then is interrupted and the test fails.
 */
export const passing = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { limit = 600_000, step = 100 }: { readonly limit?: number; readonly step?: number } = {}
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let passed = 0; passed < limit; passed += step) {
      for (let turn = 0; turn < 3; turn++) yield* breathe
      if (fiber.pollUnsafe() !== undefined) return yield* Fiber.join(fiber)
      yield* TestClock.adjust(step)
    }
    yield* Fiber.interrupt(fiber)
    return yield* Effect.die(new Error(`nothing happened within ${limit} ms of virtual time`))
  })

/** Waits, while time passes, until `check` holds. */
export const eventually = <E, R>(check: Effect.Effect<boolean, E, R>, limit?: number): Effect.Effect<void, E, R> => {
  const wait: Effect.Effect<void, E, R> = Effect.flatMap(check, (holds) =>
    holds ? Effect.void : Effect.andThen(Effect.sleep(50), wait)
  )
  return passing(wait, limit === undefined ? {} : { limit })
}

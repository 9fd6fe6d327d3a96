/** Virtual time for code that also waits on real promises (web streams): small steps, each after a real turn. */
import { Effect, Fiber, type Result } from "effect"
import { TestClock } from "effect/testing"

/** Lets everything run that needs no time to pass. Web streams take a few turns of the event loop. */
export const settle = TestClock.withLive(Effect.repeat(Effect.sleep(0), { times: 3 }))

/** The result of an effect that gets as much virtual time as it wants, in steps of `step` milliseconds. */
export const unhurried = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  step = 100
): Effect.Effect<Result.Result<A, E>, never, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.result(effect))
    yield* settle
    while (fiber.pollUnsafe() === undefined) {
      yield* TestClock.adjust(step)
      yield* settle
    }
    return yield* Fiber.join(fiber)
  })

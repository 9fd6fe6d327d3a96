/**
 * Long-lived fibers fail silently unless somebody looks. A supervised loop logs what ended it and starts again.
 */
import { Cause, Effect } from "effect"

const firstPause = 1_000
const longestPause = 60_000

/**
 * Runs `loop` for ever. A failure or defect is logged with its cause and the loop starts again after a pause of 1 s
 * that doubles up to 60 s; only interruption ends it.
 */
export const supervised = <A, E, R>(name: string, loop: Effect.Effect<A, E, R>): Effect.Effect<never, never, R> => {
  let pause = firstPause
  return Effect.forever(
    Effect.catchCause(loop, (cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
      const wait = pause
      pause = Math.min(longestPause, pause * 2)
      return Effect.andThen(Effect.logError(`${name} ended and starts again in ${wait} ms`, cause), Effect.sleep(wait))
    })
  )
}

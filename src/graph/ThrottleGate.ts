/**
 * One gate before every request of a client. A throttled answer closes it for everybody until Retry-After is over;
 * without that header the wait doubles from answer to answer, with jitter. Answers to requests that were under way
 * when the gate closed say nothing new, so a burst of them counts once. Waiting callers leave one after the other.
 */
import { Clock, Effect, Random } from "effect"
import { graphError } from "./failures.ts"
import { type GraphError, Throttled } from "./GraphError.ts"
import type { GraphLimits } from "./GraphConfig.ts"

/** Which closing of the gate a request came after. */
export type Passage = number

/** One for all requests of a client. */
export interface ThrottleGate {
  /** Waits while closed, at most `throttleWait` in all; then fails with Throttled. */
  pass(operation: string): Effect.Effect<Passage, GraphError>
  /** A throttled answer: closes the gate; succeeds with the wait until it opens, in milliseconds. */
  close(passage: Passage, retryAfter: number | null): Effect.Effect<number>
  /** Any other answer: the next throttling without Retry-After starts at the bottom again. */
  open(passage: Passage): void
}

export const makeThrottleGate = (limits: GraphLimits): ThrottleGate => {
  let until = Number.NEGATIVE_INFINITY
  let seen = Number.NEGATIVE_INFINITY
  let closings: Passage = 0
  let strikes = 0

  /** The time; the gate moves with a clock that is set back, so that it is not closed for longer. */
  const currentTime = Effect.map(Clock.currentTimeMillis, (now) => {
    until -= Math.max(0, seen - now)
    seen = now
    return now
  })

  const pass = Effect.fnUntraced(function* (operation: string) {
    let waited = 0
    while (true) {
      const now = yield* currentTime
      const wait = until - now
      if (wait <= 0) return closings
      if (waited + wait > limits.throttleWait) {
        return yield* graphError(operation, new Throttled({ retryAfter: wait }))
      }
      const pause = Math.ceil(wait + (yield* Random.next) * Math.min(limits.throttleSpread, wait / 4))
      yield* Effect.sleep(pause)
      waited += pause
    }
  })

  const close = Effect.fnUntraced(function* (passage: Passage, retryAfter: number | null) {
    const now = yield* currentTime
    const news = passage === closings
    if (news) {
      closings++
      strikes++
    }
    if (retryAfter !== null) {
      until = Math.max(until, now + retryAfter)
    } else if (news) {
      const bound = Math.min(limits.throttleCap, limits.throttleBase * 2 ** (strikes - 1))
      until = Math.max(until, now + Math.round(bound * (0.5 + (yield* Random.next) / 2)))
    }
    return Math.max(0, until - now)
  })

  return {
    pass,
    close,
    open: (passage) => {
      if (passage === closings) strikes = 0
    }
  }
}

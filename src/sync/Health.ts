/**
 * How the cloud side is doing, as one small machine fed by the outcome of every Graph call that sync makes.
 *
 * Any answer of the server means online; no connection is offline; failures of a reachable server are degraded; a
 * missing sign-in is signed-out. Every state ends by itself with the next answer.
 */
import { Deferred, Effect } from "effect"
import { Events, type Health as HealthState } from "../events/Events.ts"
import type { GraphError } from "../graph/GraphError.ts"

export interface Health {
  readonly state: () => HealthState
  /** Why, in words a person can use; empty when online. */
  readonly detail: () => string
  readonly succeeded: Effect.Effect<void>
  readonly failed: (error: GraphError) => Effect.Effect<void>
  /** Waits until mutations make sense: online or degraded. */
  readonly awaitUsable: Effect.Effect<void>
}

interface Condition {
  readonly state: HealthState
  readonly detail: string
}

const online: Condition = { state: "online", detail: "" }

/** What a failed call says about the cloud; a refusal is an answer like any other. */
export const conditionOf = (error: GraphError): Condition => {
  if (error.reason._tag === "Unauthenticated") {
    return { state: "signed-out", detail: "the sign-in is not valid any more: sign in again" }
  }
  if (error.offline) return { state: "offline", detail: `the server cannot be reached (${error.message})` }
  if (error.reason._tag === "Throttled") return { state: "degraded", detail: "the server asks to wait" }
  if (error.reason._tag === "Locked" || !error.transient) return online
  return { state: "degraded", detail: `the server has a problem (${error.message})` }
}

const isUsable = (state: HealthState): boolean => state === "online" || state === "degraded"

export const makeHealth = Effect.gen(function* () {
  const events = yield* Events
  let condition: Condition = { state: "starting", detail: "waiting for the server's first answer" }
  let usable = Deferred.makeUnsafe<void>()

  const become = (next: Condition): Effect.Effect<void> =>
    Effect.suspend(() => {
      const previous = condition.state
      condition = next
      if (next.state === previous) return Effect.void
      if (isUsable(next.state)) Deferred.doneUnsafe(usable, Effect.void)
      else if (isUsable(previous)) usable = Deferred.makeUnsafe()
      return events.publish({ _tag: "HealthChanged", health: next.state, detail: next.detail })
    })

  const health: Health = {
    state: () => condition.state,
    detail: () => condition.detail,
    succeeded: become(online),
    failed: (error) => become(conditionOf(error)),
    awaitUsable: Effect.suspend(() => (isUsable(condition.state) ? Effect.void : Deferred.await(usable)))
  }
  return health
})

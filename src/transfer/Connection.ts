/** Whether the cloud can be reached at all, as the health events tell: decides how long a blocked reader waits. */
import { Effect, PubSub, type Scope } from "effect"
import { Events } from "../events/Events.ts"
import { supervise } from "../lifecycle/supervise.ts"

export interface Connection {
  /** The last health event said `offline`. */
  readonly offline: () => boolean
}

/** Follows the event stream for as long as the scope is open; starts as not offline. */
export const makeConnection: Effect.Effect<Connection, never, Events | Scope.Scope> = Effect.gen(function* () {
  const events = yield* Events
  const subscription = yield* events.subscribe
  let offline = false
  const follow = Effect.map(PubSub.take(subscription), (event) => {
    if (event._tag === "HealthChanged") offline = event.health === "offline"
  })
  yield* supervise({ name: "connection", owner: "Transfers" }, Effect.forever(follow))
  return { offline: () => offline }
})

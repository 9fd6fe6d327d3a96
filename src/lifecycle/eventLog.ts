/** The events a person may have to act on, as log lines; phases log themselves. */
import { Effect, Layer, PubSub } from "effect"
import { Events, type OneMountEvent } from "../events/Events.ts"
import { supervise } from "./supervise.ts"

const logged = (event: OneMountEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "HealthChanged":
      return Effect.logInfo(`server: ${event.health}${event.detail === "" ? "" : ` (${event.detail})`}`)
    case "Conflict":
      return Effect.logWarning(
        `conflict at ${event.path}: ${event.detail}${event.copy === null ? "" : `; the local edit is ${event.copy}`}`
      )
    case "TransferFailed":
      return Effect.logWarning(`transfer of ${event.name} failed: ${event.detail}`, { ino: event.ino })
    case "IntentParked":
      return Effect.logWarning(`${event.name} is not sent until somebody acts: ${event.detail}`, { ino: event.ino })
    case "CacheRebuilt":
      return Effect.logWarning(`the local database was rebuilt: ${event.detail}`)
    default:
      return Effect.logDebug(event._tag, event)
  }
}

/** Logs the events while the layer lives. */
export const layer: Layer.Layer<never, never, Events> = Layer.effectDiscard(
  Effect.gen(function* () {
    const events = yield* Events
    const subscription = yield* events.subscribe
    const loop = Effect.forever(Effect.flatMap(PubSub.take(subscription), logged))
    yield* supervise({ name: "event log", owner: "lifecycle" }, loop)
  })
)

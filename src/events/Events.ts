/**
 * The one stream of what happens, for people and tools. Publishers never wait: each subscriber has a bounded sliding
 * buffer, a slow one loses its oldest events.
 */
import { Context, Effect, Layer, PubSub, type Scope } from "effect"

export type OneMountEvent =
  | { readonly _tag: "PhaseChanged"; readonly phase: "RUNNING" | "DRAINING" | "UNMOUNTING" | "CLOSED" }
  | { readonly _tag: "HealthChanged"; readonly health: Health; readonly detail: string }
  | { readonly _tag: "DeltaApplied"; readonly items: number }
  | { readonly _tag: "Conflict"; readonly path: string; readonly copy: string | null; readonly detail: string }
  | { readonly _tag: "Uploaded"; readonly ino: number; readonly name: string; readonly bytes: number }
  | { readonly _tag: "Downloaded"; readonly ino: number; readonly name: string; readonly bytes: number }
  | { readonly _tag: "TransferFailed"; readonly ino: number; readonly name: string; readonly detail: string }
  | { readonly _tag: "IntentParked"; readonly ino: number; readonly name: string; readonly detail: string }
  | { readonly _tag: "CacheRebuilt"; readonly detail: string }

/** How the cloud side is doing. It never gives up: `offline` ends by itself. */
export type Health = "starting" | "online" | "degraded" | "offline" | "signed-out"

export class Events extends Context.Service<
  Events,
  {
    publish(event: OneMountEvent): Effect.Effect<void>
    readonly subscribe: Effect.Effect<PubSub.Subscription<OneMountEvent>, never, Scope.Scope>
  }
>()("onemount/events/Events") {
  static readonly layer = Layer.effect(
    Events,
    Effect.gen(function* () {
      const pubsub = yield* PubSub.sliding<OneMountEvent>(1000)
      return Events.of({
        publish: (event) => Effect.asVoid(PubSub.publish(pubsub, event)),
        subscribe: PubSub.subscribe(pubsub)
      })
    })
  )
}

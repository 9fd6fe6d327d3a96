/**
 * What the drive sends of its own accord: events on notification sockets and to webhooks. Each is in the request log, as
 * a PUSH of a made-up path, and meets faults like a request does.
 */
import { Context, Effect, Layer, Stream } from "effect"
import { ConnectionCut } from "./Exchange.ts"
import { Faults } from "./Faults.ts"
import { RequestLog } from "./RequestLog.ts"

export type Push = "/push/socket/connect" | "/push/socket/ping" | "/push/socket/event" | "/push/webhook/event"

export class Pushes extends Context.Service<
  Pushes,
  {
    /** Runs `send`, unless a fault loses it; later or twice when one says so. Fails when one breaks the connection. */
    through<E, R>(push: Push, send: Effect.Effect<unknown, E, R>): Effect.Effect<void, E | ConnectionCut, R>
  }
>()("onemount/graph-server/Pushes") {
  static readonly layer = Layer.effect(
    Pushes,
    Effect.gen(function* () {
      const faults = yield* Faults
      const log = yield* RequestLog
      return Pushes.of({
        through: Effect.fnUntraced(function* (push, send) {
          const request = { method: "PUSH", origin: "", url: push, headers: {}, body: Stream.empty }
          const entry = log.open(request)
          const hit = faults.take(request)
          if (hit !== undefined) entry.befall(hit.name)
          if (hit?.action._tag === "Refuse") {
            entry.end("cut")
            return yield* new ConnectionCut({ message: "The connection was broken by a scripted fault." })
          }
          if (hit?.action._tag === "DropReply") {
            entry.end("cut")
            return
          }
          if (hit?.action._tag === "Delay") yield* Effect.sleep(hit.action.duration)
          if (hit?.action._tag === "Hang") yield* hit.released
          yield* send
          if (hit?.action._tag === "Repeat") yield* send
          entry.end(200)
        })
      })
    })
  )
}

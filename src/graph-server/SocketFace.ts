/**
 * Notifications over a WebSocket: Engine.IO 4 (packets are a digit and a payload) and in it Socket.IO with the namespace
 * /notifications. Changes within `checkEvery` of each other are one event.
 */
import { Clock, Deferred, Effect } from "effect"
import type * as Socket from "effect/socket/Socket"
import { CloseEvent } from "effect/socket/Socket"
import { timestamp } from "./DriveItemShape.ts"
import type { Listener } from "./DriveServer.ts"
import type { Subscription } from "./Notifications.ts"

export const socketPath = "/socket.io/"

/** Milliseconds between looks at the log: one step in an index. */
const checkEvery = 200

const namespace = "/notifications"

/** Serves one connection until the client leaves or is silent, or the subscription expires. */
export const serveSocket = Effect.fnUntraced(
  function* (socket: Socket.Socket, { subscription, newest, pushes, settings }: Listener) {
    const [reader, writer] = [yield* socket.reader, yield* socket.writer]
    const { id: sid, expires } = subscription
    const { pingInterval, pingTimeout } = settings
    const joined = yield* Deferred.make<void>()
    // Changes made while the client connects must not be lost: it asked delta before.
    let seen = newest()
    let pongs = 0

    const open = { sid, upgrades: [], pingInterval, pingTimeout, maxPayload: 1_000_000 }
    yield* writer.write(`0${JSON.stringify(open)}`)

    const welcome = pushes
      .through(
        "/push/socket/connect",
        Effect.andThen(writer.write(`40${namespace},${JSON.stringify({ sid })}`), Deferred.succeed(joined, undefined))
      )
      .pipe(Effect.catchTag("ConnectionCut", ({ message }) => writer.write(refusal(namespace, message))))

    /** True when the client says goodbye. */
    const handle = Effect.fnUntraced(function* (packet: string) {
      if (packet === "3") pongs++
      else if (packet.startsWith(`40${namespace}`)) yield* welcome
      else if (packet.startsWith("40/")) {
        yield* writer.write(refusal(packet.slice(2).replace(/,.*$/s, ""), "Invalid namespace"))
      } else if (packet.startsWith("40")) yield* writer.write(`40${JSON.stringify({ sid })}`)
      return packet === "1" || packet.startsWith("41")
    })

    const receive = Effect.gen(function* () {
      for (;;) {
        for (const packet of yield* reader.pull) {
          if (yield* handle(typeof packet === "string" ? packet : Buffer.from(packet).toString())) return
        }
      }
    })

    const heartbeat = Effect.gen(function* () {
      for (;;) {
        yield* Effect.sleep(pingInterval)
        const before = pongs
        yield* pushes.through("/push/socket/ping", writer.write("2"))
        yield* Effect.sleep(pingTimeout)
        if (pongs === before) return
      }
    })

    const push = Effect.gen(function* () {
      yield* Deferred.await(joined)
      for (;;) {
        const now = newest()
        if (now > seen) {
          seen = now
          yield* pushes.through("/push/socket/event", writer.write(eventOf(subscription)))
        }
        yield* Effect.sleep(checkEvery)
      }
    })

    const left = expires - (yield* Clock.currentTimeMillis)
    const expire = Effect.andThen(Effect.sleep(left), writer.write(`41${namespace}`))
    const ended = Effect.raceAllFirst([receive, heartbeat, push, expire])
    yield* Effect.catchTag(ended, "ConnectionCut", ({ message }) => Effect.logDebug(message))
    yield* writer.write(new CloseEvent(1000))
  },
  Effect.scoped,
  // A connection that breaks needs no answer: the client comes back and asks delta.
  Effect.catch((error) => Effect.logDebug("A notification socket broke", error))
)

const refusal = (name: string, message: string): string => `44${name},${JSON.stringify({ message })}`

const eventOf = ({ id, expires, resource }: Subscription): string => {
  const notification = { subscriptionId: id, expirationDateTime: timestamp(expires), resource }
  return `42${namespace},${JSON.stringify(["notification", JSON.stringify(notification)])}`
}

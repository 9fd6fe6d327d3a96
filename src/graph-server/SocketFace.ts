/**
 * Notifications over a WebSocket: Engine.IO 4 (packets are a digit and a payload) and in it Socket.IO with the namespace
 * /notifications. Changes within `checkEvery` of each other are one event.
 */
import { Clock, Deferred, Effect } from "effect"
import type * as Socket from "effect/socket/Socket"
import { CloseEvent } from "effect/socket/Socket"
import { timestamp } from "./DriveItemShape.ts"
import type { Notifications, Subscription } from "./Notifications.ts"

export const socketPath = "/socket.io/"

/** Milliseconds, the defaults of Socket.IO. */
const pingInterval = 25_000
const pingTimeout = 20_000
/** How often the log is looked at: one step in an index. */
const checkEvery = 200

const namespace = "/notifications"

/** Serves one connection until the client leaves or is silent, or the subscription expires. */
export const serveSocket = Effect.fnUntraced(
  function* (socket: Socket.Socket, subscription: Subscription, newest: Notifications["Service"]["newest"]) {
    const [reader, writer] = [yield* socket.reader, yield* socket.writer]
    const { id: sid, expires } = subscription
    const joined = yield* Deferred.make<void>()
    // Changes made while the client connects must not be lost: it asked delta before.
    let seen = newest()
    let pongs = 0

    const open = { sid, upgrades: [], pingInterval, pingTimeout, maxPayload: 1_000_000 }
    yield* writer.write(`0${JSON.stringify(open)}`)

    /** True when the client says goodbye. */
    const handle = Effect.fnUntraced(function* (packet: string) {
      if (packet === "3") pongs++
      else if (packet.startsWith(`40${namespace}`)) {
        yield* writer.write(`40${namespace},${JSON.stringify({ sid })}`)
        yield* Deferred.succeed(joined, undefined)
      } else if (packet.startsWith("40/")) {
        yield* writer.write(
          `44${packet.slice(2).replace(/,.*$/, "")},${JSON.stringify({ message: "Invalid namespace" })}`
        )
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
        yield* writer.write("2")
        yield* Effect.sleep(pingTimeout)
        if (pongs === before) return
      }
    })

    const push = Effect.gen(function* () {
      yield* Deferred.await(joined)
      for (;;) {
        const now = newest()
        if (now > seen) yield* writer.write(eventOf(subscription))
        seen = now
        yield* Effect.sleep(checkEvery)
      }
    })

    const left = expires - (yield* Clock.currentTimeMillis)
    const expire = Effect.andThen(Effect.sleep(left), writer.write(`41${namespace}`))
    yield* Effect.raceAllFirst([receive, heartbeat, push, expire])
    yield* writer.write(new CloseEvent(1000))
  },
  Effect.scoped,
  // A connection that breaks needs no answer: the client comes back and asks delta.
  Effect.catch((error) => Effect.logDebug("A notification socket broke", error))
)

const eventOf = ({ id, expires, resource }: Subscription): string => {
  const notification = { subscriptionId: id, expirationDateTime: timestamp(expires), resource }
  return `42${namespace},${JSON.stringify(["notification", JSON.stringify(notification)])}`
}

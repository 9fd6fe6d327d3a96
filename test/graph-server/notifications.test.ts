import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue, Schedule } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { drive, get, inject, put } from "./api.ts"

const socketUrl = "/me/drive/root/subscriptions/socketIo"

/** A WebSocket whose packets queue up; the queue ends with "closed". */
const connect = (url: string) =>
  Effect.gen(function* () {
    const packets = yield* Queue.unbounded<string>()
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => new WebSocket(url)),
      (opened) => Effect.sync(() => opened.close())
    )
    socket.addEventListener("message", ({ data }) => void Queue.offerUnsafe(packets, String(data)))
    socket.addEventListener("close", () => void Queue.offerUnsafe(packets, "closed"))
    const next = Queue.take(packets).pipe(Effect.timeout("5 seconds"))
    return { next, send: (text: string) => Effect.sync(() => socket.send(text)) }
  })

/** Where clients connect: the query of the notification URL below /socket.io/, whatever its path is. */
const subscribed = Effect.gen(function* () {
  const listening = yield* GraphServer.serveHttp()
  const { token } = yield* GraphServer.DriveTokens
  const headers = { authorization: `Bearer ${token}` }
  const reply = yield* Effect.promise(() => fetch(`${listening.url}/v1.0${socketUrl}`, { headers }))
  const body = (yield* Effect.promise(() => reply.json())) as { readonly notificationUrl: string; readonly id: string }
  const { host, search } = new URL(body.notificationUrl)
  return { id: body.id, url: `ws://${host}/socket.io/?EIO=4&transport=websocket&${search.slice(1)}` }
})

const joined = Effect.gen(function* () {
  const { url, id } = yield* subscribed
  const client = yield* connect(url)
  assert.match(yield* client.next, /^0\{"sid":".*"pingInterval":25000/)
  yield* client.send("40")
  assert.match(yield* client.next, /^40\{"sid"/)
  yield* client.send("40/notifications,")
  assert.match(yield* client.next, /^40\/notifications,\{"sid"/)
  return { ...client, id }
})

/** Until so many events have been decided about. */
const pushed = (count: number) =>
  Effect.gen(function* () {
    const log = yield* GraphServer.RequestLog
    const events = log.count("PUSH", /event/)
    yield* Effect.repeat(events, { until: (seen: number) => seen >= count, schedule: Schedule.spaced("20 millis") })
  }).pipe(Effect.timeout("5 seconds"))

describe("notifications", () => {
  it.live("arrive within a second of a change, once for changes made together", () =>
    Effect.gen(function* () {
      const { next, id } = yield* joined
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.putFile("/a", "x")
      const packet = yield* next.pipe(Effect.timeout("1 second"))
      assert.isTrue(packet.startsWith("42/notifications,"), packet)
      const [name, text] = JSON.parse(packet.slice("42/notifications,".length)) as [string, string]
      const { subscriptionId, resource } = JSON.parse(text) as Record<string, string>
      assert.deepStrictEqual([name, subscriptionId, resource], ["notification", id, `/drives/${admin.driveId}/root`])
      yield* admin.createFolder("/b")
      yield* admin.createFolder("/c")
      assert.isTrue((yield* next.pipe(Effect.timeout("1 second"))).startsWith("42/"))
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("end with the client's goodbye, and know one namespace", () =>
    Effect.gen(function* () {
      const { next, send } = yield* joined
      yield* send("40/elsewhere,")
      assert.match(yield* next, /^44\/elsewhere,/)
      yield* send("41/notifications,")
      assert.strictEqual(yield* next, "closed")
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("end when the subscription does", () =>
    Effect.gen(function* () {
      const { next } = yield* joined
      assert.strictEqual(yield* next, "41/notifications")
      assert.strictEqual(yield* next, "closed")
    }).pipe(Effect.provide(GraphServer.layerMemory({ settings: { subscriptionLifetime: 700 } })))
  )

  it.live("are refused to those without a subscription", () =>
    Effect.gen(function* () {
      const { url } = yield* subscribed
      const { next } = yield* connect(url.replace(/token=[^.]+/, "token=forged"))
      assert.strictEqual(yield* next, "closed")
      const plain = yield* Effect.promise(() => fetch(url.replace("ws:", "http:")))
      assert.strictEqual(plain.status, 400)
    }).pipe(Effect.provide(GraphServer.layerMemory()))
  )

  it.live("are lost, doubled, late, refused and broken on purpose", () =>
    Effect.gen(function* () {
      yield* inject("socketRefused")
      const { url } = yield* subscribed
      const { next, send } = yield* connect(url)
      assert.match(yield* next, /^0/)
      yield* send("40/notifications,")
      assert.match(yield* next, /^44\/notifications,\{"message"/)
      yield* send("40/notifications,")
      assert.match(yield* next, /^40\/notifications/)
      yield* inject("pushLost")
      yield* put("/me/drive/root:/a:/content", "1")
      yield* pushed(1)
      yield* inject("pushDoubled")
      yield* put("/me/drive/root:/a:/content", "2")
      assert.deepStrictEqual([(yield* next).slice(0, 2), (yield* next).slice(0, 2)], ["42", "42"])
      yield* inject("socketClosed")
      yield* put("/me/drive/root:/a:/content", "3")
      assert.strictEqual(yield* next, "closed")
      const log = yield* GraphServer.RequestLog
      const events = (yield* log.entries).filter(({ url }) => url === "/push/socket/event")
      assert.deepStrictEqual(
        events.map(({ status }) => status),
        ["cut", 200, "cut"]
      )
    }).pipe(Effect.provide(drive()))
  )

  it.live("come without pings when they are silent", () =>
    Effect.gen(function* () {
      yield* inject("socketSilent")
      const { url } = yield* subscribed
      const { next } = yield* connect(url)
      assert.match(yield* next, /"pingInterval":100/)
      assert.strictEqual(yield* next, "closed")
    }).pipe(Effect.provide(drive({ settings: { pingInterval: 100, pingTimeout: 100 } })))
  )

  it.effect("live for a minute when they are short-lived", () =>
    Effect.gen(function* () {
      yield* inject("socketShortLived")
      assert.strictEqual((yield* get(socketUrl)).body.expirationDateTime, "1970-01-01T00:01:00Z")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are offered for the root only, for an hour", () =>
    Effect.gen(function* () {
      const { body } = yield* get(socketUrl)
      assert.strictEqual(body.expirationDateTime, "1970-01-01T01:00:00Z")
      yield* put("/me/drive/root:/a:/content", "x")
      assert.strictEqual((yield* get("/me/drive/root:/a:/subscriptions/socketIo")).status, 501)
      assert.strictEqual((yield* get("/me/drive/root/subscriptions/other")).status, 501)
    }).pipe(Effect.provide(drive()))
  )
})

import { createServer, type IncomingMessage } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue, Schedule } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { drive, get, inject, patch, post, put, remove } from "./api.ts"

interface Notification {
  readonly subscriptionId: string
  readonly clientState?: string
  readonly resource: string
}

/** What arrives at a receiver; answers are its own to give. */
const receiver = (answer: (body: string, token: string | null) => { status: number; body: string }) =>
  Effect.gen(function* () {
    const received = yield* Queue.unbounded<Notification>()
    const server = createServer((request: IncomingMessage, response) => {
      let body = ""
      request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk))
      request.on("end", () => {
        const token = new URL(request.url ?? "", "http://x").searchParams.get("validationToken")
        const reply = answer(body, token)
        if (token === null && reply.status < 300) {
          const { value } = JSON.parse(body) as { readonly value: ReadonlyArray<Notification> }
          for (const notification of value) Queue.offerUnsafe(received, notification)
        }
        response.writeHead(reply.status, { "content-type": "text/plain", connection: "close" }).end(reply.body)
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    const { port } = server.address() as { readonly port: number }
    const next = Queue.take(received).pipe(Effect.timeout("10 seconds"))
    return { url: `http://127.0.0.1:${port}/hook`, next, received }
  })

const wellBehaved = receiver((_, token) => ({ status: token === null ? 202 : 200, body: token ?? "" }))

const inMinutes = (minutes: number) =>
  Effect.clockWith((clock) =>
    Effect.succeed(new Date(clock.currentTimeMillisUnsafe() + minutes * 60_000).toISOString())
  )

const subscribe = Effect.fnUntraced(function* (url: string, changes: Record<string, unknown> = {}) {
  const expirationDateTime = yield* inMinutes(60)
  const body = { changeType: "updated", notificationUrl: url, resource: "/me/drive/root", expirationDateTime }
  return yield* post("/subscriptions", { ...body, ...changes })
})

describe("webhooks", () => {
  it.live("prove themselves, and hear of a change within a second", () =>
    Effect.gen(function* () {
      const { url, next } = yield* wellBehaved
      const { status, body } = yield* subscribe(url, { clientState: "secret" })
      assert.strictEqual(status, 201)
      yield* (yield* GraphServer.DriveAdmin).putFile("/a", "x")
      const { subscriptionId, clientState, resource } = yield* next.pipe(Effect.timeout("1 second"))
      assert.deepStrictEqual([subscriptionId, clientState, resource], [body.id, "secret", "me/drive/root"])
      assert.deepStrictEqual(
        (yield* get("/subscriptions")).body.value.map(({ id }) => id),
        [body.id]
      )
      assert.strictEqual((yield* subscribe(url)).status, 409)
      assert.strictEqual((yield* remove(`/subscriptions/${body.id}`)).status, 204)
      assert.strictEqual((yield* get(`/subscriptions/${body.id}`)).status, 404)
      assert.strictEqual((yield* subscribe(url)).status, 201)
    }).pipe(Effect.scoped, Effect.provide(drive()))
  )

  it.live("watch one folder of a personal drive, and the drives of others", () =>
    Effect.gen(function* () {
      const { url, next, received } = yield* wellBehaved
      const { driveId, admin: theirs } = yield* (yield* GraphServer.Drives).add({
        label: { name: "OneDrive", owner: "ada@example.org" }
      })
      const admin = yield* GraphServer.DriveAdmin
      yield* admin.createFolder("/in")
      yield* admin.createFolder("/out")
      const inside = yield* subscribe(url, { resource: "/me/drive/root:/in" })
      const remote = yield* subscribe(url, { resource: `/drives/${driveId}/root` })
      yield* admin.putFile("/out/a", "x")
      yield* theirs.putFile("/b", "x")
      assert.strictEqual((yield* next).subscriptionId, remote.body.id)
      yield* admin.putFile("/in/c", "x")
      assert.strictEqual((yield* next).subscriptionId, inside.body.id)
      assert.strictEqual(yield* Queue.size(received), 0)
    }).pipe(Effect.scoped, Effect.provide(drive()))
  )

  it.live("are refused when the receiver does not prove itself, and tried again when it fails later", () =>
    Effect.gen(function* () {
      const wrong = yield* receiver(() => ({ status: 200, body: "something else" }))
      const refused = yield* subscribe(wrong.url)
      assert.deepStrictEqual([refused.status, refused.body.error.code], [400, "ValidationError"])
      assert.strictEqual((yield* subscribe("http://127.0.0.1:1/nobody")).status, 400)
      let failures = 0
      const flaky = yield* receiver((_, token) => {
        if (token !== null) return { status: 200, body: token }
        return failures++ === 0 ? { status: 503, body: "" } : { status: 202, body: "" }
      })
      yield* subscribe(flaky.url)
      yield* (yield* GraphServer.DriveAdmin).putFile("/a", "x")
      yield* flaky.next
      assert.strictEqual(failures, 2)
    }).pipe(Effect.scoped, Effect.provide(drive()))
  )

  it.live("have limits, and say which", () =>
    Effect.gen(function* () {
      const { url } = yield* wellBehaved
      const refused = (changes: Record<string, unknown>) => Effect.map(subscribe(url, changes), ({ status }) => status)
      assert.strictEqual(yield* refused({ changeType: "deleted" }), 400)
      assert.strictEqual(yield* refused({ clientState: "x".repeat(129) }), 400)
      assert.strictEqual(yield* refused({ resource: "/me/drive/root:/nowhere" }), 404)
      assert.strictEqual(yield* refused({ resource: "/me/drive" }), 400)
      assert.strictEqual(yield* refused({ resource: "/me/messages" }), 400)
      assert.strictEqual(yield* refused({ notificationUrl: "https://example.org/hook" }), 400)
      assert.strictEqual(yield* refused({ notificationUrl: "file:///etc/passwd" }), 400)
      assert.strictEqual(yield* refused({ expirationDateTime: "yesterday" }), 400)
      const spelled = new Date(yield* inMinutes(60)).toUTCString()
      assert.strictEqual(yield* refused({ expirationDateTime: spelled }), 400)
      assert.strictEqual(yield* refused({ expirationDateTime: yield* inMinutes(-1) }), 400)
      assert.strictEqual(yield* refused({ expirationDateTime: yield* inMinutes(42_301) }), 400)
      const short = yield* subscribe(url, { expirationDateTime: yield* inMinutes(1) })
      assert.isAbove(Date.parse(short.body.expirationDateTime), Date.parse(yield* inMinutes(44)))
      const until = yield* inMinutes(1000)
      const renewed = yield* patch(`/subscriptions/${short.body.id}`, { expirationDateTime: until })
      assert.deepStrictEqual([renewed.status, Date.parse(renewed.body.expirationDateTime)], [200, Date.parse(until)])
      assert.strictEqual((yield* patch("/subscriptions/none", { expirationDateTime: until })).status, 404)
      assert.strictEqual((yield* remove("/subscriptions/none")).status, 404)
    }).pipe(Effect.scoped, Effect.provide(drive()))
  )

  it.live("meet the faults of pushes, and are in the log", () =>
    Effect.gen(function* () {
      const { url, next, received } = yield* wellBehaved
      yield* subscribe(url)
      const log = yield* GraphServer.RequestLog
      const outcomes = Effect.map(log.entries, (entries) =>
        entries.filter(({ method }) => method === "PUSH").map(({ status }) => String(status))
      )
      const until = (expected: string) =>
        Effect.repeat(outcomes, {
          until: (seen: ReadonlyArray<string>) => seen.join() === expected,
          schedule: Schedule.spaced("20 millis")
        }).pipe(Effect.timeout("10 seconds"))
      yield* inject("pushLost")
      yield* put("/me/drive/root:/a:/content", "1")
      yield* until("cut")
      yield* inject("pushDoubled")
      yield* put("/me/drive/root:/a:/content", "2")
      yield* Effect.andThen(next, next)
      yield* until("cut,200")
      assert.strictEqual(yield* Queue.size(received), 0)
    }).pipe(Effect.scoped, Effect.provide(drive()))
  )
})

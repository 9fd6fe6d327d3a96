/**
 * One request in, one reply out. Every refusal is an error response of Graph's shape; what nobody foresaw is a 500 with
 * a request-id that the log repeats. Requests and replies pass the request log and the scripted faults on their way.
 */
import { Cause, Clock, Context, Effect, Layer, Stream } from "effect"
import { AdminApi, isAdmin } from "./AdminApi.ts"
import { type ApiError, attempt } from "./ApiError.ts"
import { batch, isBatch } from "./BatchRoutes.ts"
import { json, makeCall } from "./Call.ts"
import { authenticate, dispatch } from "./dispatch.ts"
import { Drives } from "./Drives.ts"
import type { DriveSettings } from "./DriveSettings.ts"
import { DriveTokens } from "./DriveTokens.ts"
import type { ConnectionCut, DriveRequest, DriveResponse } from "./Exchange.ts"
import { withFault } from "./faultActions.ts"
import { Faults } from "./Faults.ts"
import { loginHandler } from "./LoginRoutes.ts"
import type { Notifications, Subscription } from "./Notifications.ts"
import { Pushes } from "./Pushes.ts"
import { type OpenEntry, RequestLog } from "./RequestLog.ts"
import { SignIns } from "./SignIns.ts"
import { Weather } from "./Weather.ts"
import { Webhooks } from "./Webhooks.ts"

export class DriveServer extends Context.Service<
  DriveServer,
  {
    /** Answers every request; fails only where a fault was injected that cuts the connection. */
    handle(request: DriveRequest): Effect.Effect<DriveResponse, ConnectionCut>
    /** What a notification socket is for, by the query of its URL; undefined when that is forged or has expired. */
    listener(query: URLSearchParams, now: number): Listener | undefined
  }
>()("onemount/graph-server/DriveServer") {
  static readonly layer = Layer.effect(
    DriveServer,
    Effect.gen(function* () {
      const drives = yield* Drives
      const tokens = yield* DriveTokens
      const handlers = { drives, tokens, webhooks: yield* Webhooks }
      const login = { tokens, signIns: yield* SignIns }
      const pushes = yield* Pushes
      const faults = yield* Faults
      const log = yield* RequestLog
      const weather = yield* Weather
      const admin = yield* AdminApi
      let requests = 0

      const answer = Effect.fnUntraced(function* (request: DriveRequest) {
        const now = yield* Clock.currentTimeMillis
        const ids = requestIds(request, ++requests)
        const call = makeCall(request, now)
        const answered = Effect.suspend(() => {
          const signIn = loginHandler(call.path)?.(login, call)
          if (signIn !== undefined) return signIn
          if (!isBatch(call)) return dispatch(handlers, call)
          return Effect.andThen(
            attempt(() => authenticate(tokens, call)),
            batch(call, handle)
          )
        })
        return yield* answered.pipe(
          Effect.catch((error) => Effect.succeed(errorReply(error, ids, call.now))),
          Effect.catchCause((cause) => unforeseen(cause, ids, now)),
          Effect.map((response) => ({
            ...response,
            headers: { date: new Date(call.now).toUTCString(), ...ids, ...response.headers }
          }))
        )
      })

      const handle = Effect.fnUntraced(function* (
        request: DriveRequest
      ): Effect.fn.Return<DriveResponse, ConnectionCut> {
        if (isAdmin(request.url)) return yield* admin.handle(request)
        const entry = log.open(request)
        const respond = (paced: DriveRequest) => {
          const hit = faults.take(paced)
          if (hit !== undefined) entry.befall(hit.name)
          return withFault(hit, countReceived(paced, entry), { answer, bumpTag })
        }
        return yield* weather.around(request, respond).pipe(
          Effect.map((response) => finish(request, response, entry)),
          Effect.onError((cause) =>
            Effect.sync(() => entry.end(Cause.hasInterruptsOnly(cause) ? "interrupted" : "cut"))
          )
        )
      })

      /** The item that a reply shows gets another eTag. */
      const bumpTag = (body: Uint8Array): Effect.Effect<void> =>
        Effect.ignore(
          attempt(() => {
            const item = JSON.parse(Buffer.from(body).toString("utf8")) as Partial<Shown>
            if (item.id === undefined || item.parentReference === undefined) return
            const { model } = drives.require({ _tag: "Id", id: item.parentReference.driveId })
            model.touch(model.tags.parse(item.id) ?? 0)
          })
        )

      return DriveServer.of({
        handle,
        listener: (query, now) => {
          for (const { notifications, settings } of drives.list()) {
            const subscription = notifications.verify(query, now)
            if (subscription !== undefined) return { subscription, newest: notifications.newest, pushes, settings }
          }
          return undefined
        }
      })
    })
  )
}

interface Shown {
  readonly id: string
  readonly parentReference: { readonly driveId: string }
}

/** What a face with sockets serves to one subscriber. */
export interface Listener {
  readonly subscription: Subscription
  readonly newest: Notifications["Service"]["newest"]
  readonly pushes: Pushes["Service"]
  readonly settings: Pick<DriveSettings, "pingInterval" | "pingTimeout">
}

type RequestIds = { readonly "request-id": string; readonly "client-request-id": string }

/** Numbered, so that a log and a test can name the n-th request. */
const requestIds = ({ headers }: DriveRequest, number: number): RequestIds => {
  const id = `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`
  return { "request-id": id, "client-request-id": headers["client-request-id"] ?? id }
}

type Refusal = Pick<ApiError, "status" | "code" | "message" | "inner" | "headers">

const errorReply = ({ status, code, message, inner, headers }: Refusal, ids: RequestIds, now: number) => {
  const date = new Date(now).toISOString().slice(0, 19)
  const innerError = { ...(inner === undefined ? {} : { code: inner }), date, ...ids }
  return json(status, { error: { code, message, innerError } }, headers)
}

const unforeseen = (cause: Cause.Cause<never>, ids: RequestIds, now: number): Effect.Effect<DriveResponse> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
  const message = "An unspecified error has occurred."
  return Effect.logError(`Embedded drive: request ${ids["request-id"]} failed`, cause).pipe(
    Effect.as(errorReply({ status: 500, code: "generalException", message }, ids, now))
  )
}

const countReceived = (request: DriveRequest, entry: OpenEntry): DriveRequest => ({
  ...request,
  body: Stream.tap(request.body, (chunk) => Effect.sync(() => entry.receive(chunk.length)))
})

/** Logs the reply as far as it was sent; a reply to HEAD has no body. */
const finish = (request: DriveRequest, response: DriveResponse, entry: OpenEntry): DriveResponse => {
  entry.end(response.status)
  const { body } = response
  if (request.method === "HEAD") return { ...response, body: new Uint8Array(0) }
  if (body instanceof Uint8Array) {
    entry.send(body.length)
    return response
  }
  const counted = Stream.tap(body, (chunk) => Effect.sync(() => entry.send(chunk.length)))
  const marked = Stream.onError(counted, () => Effect.sync(() => entry.end("cut")))
  return { ...response, body: marked }
}

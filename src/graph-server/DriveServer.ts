/**
 * One request in, one reply out. Every refusal is an error response of Graph's shape; what nobody foresaw is a 500 with
 * a request-id that the log repeats. Requests and replies pass the request log and the scripted faults on their way.
 */
import { Cause, Clock, Context, Effect, Layer, Stream } from "effect"
import { AdminApi, isAdmin } from "./AdminApi.ts"
import type { ApiError } from "./ApiError.ts"
import { batch, isBatch } from "./BatchRoutes.ts"
import { json, makeCall } from "./Call.ts"
import { dispatch } from "./dispatch.ts"
import { driveParts } from "./DriveParts.ts"
import { DriveTokens } from "./DriveTokens.ts"
import { ConnectionCut, type DriveRequest, type DriveResponse, type HeaderRecord } from "./Exchange.ts"
import { type FaultHit, Faults } from "./Faults.ts"
import { editPage, faultReply, spoilBody } from "./faultReplies.ts"
import { loginHandler } from "./LoginRoutes.ts"
import type { Notifications } from "./Notifications.ts"
import { type OpenEntry, RequestLog } from "./RequestLog.ts"
import { SignIns } from "./SignIns.ts"
import { Weather } from "./Weather.ts"

export class DriveServer extends Context.Service<
  DriveServer,
  {
    /** Answers every request; fails only where a fault was injected that cuts the connection. */
    handle(request: DriveRequest): Effect.Effect<DriveResponse, ConnectionCut>
    /** What faces with sockets push changes from. */
    readonly notifications: Notifications["Service"]
  }
>()("onemount/graph-server/DriveServer") {
  static readonly layer = Layer.effect(
    DriveServer,
    Effect.gen(function* () {
      const parts = yield* driveParts
      const tokens = yield* DriveTokens
      const login = { tokens, signIns: yield* SignIns }
      const faults = yield* Faults
      const log = yield* RequestLog
      const weather = yield* Weather
      const admin = yield* AdminApi
      let requests = 0

      const answer = Effect.fnUntraced(function* (request: DriveRequest) {
        const now = yield* Clock.currentTimeMillis
        const ids = requestIds(request, ++requests)
        const call = makeCall(request, now)
        const answered =
          loginHandler(call.path)?.(login, call) ??
          (isBatch(call) ? batch(call, handle) : dispatch(parts, tokens, call))
        return yield* answered.pipe(
          Effect.catch((error) => Effect.succeed(errorReply(error, ids, now))),
          Effect.catchCause((cause) => unforeseen(cause, ids, now)),
          Effect.map((response) => ({
            ...response,
            headers: { date: new Date(now).toUTCString(), ...ids, ...response.headers }
          }))
        )
      })

      const handle = Effect.fnUntraced(function* (
        request: DriveRequest
      ): Effect.fn.Return<DriveResponse, ConnectionCut> {
        if (isAdmin(request.url)) return yield* admin.handle(request)
        const entry = log.open(request)
        const respond = (paced: DriveRequest) => withFault(faults.take(paced), countReceived(paced, entry), answer)
        return yield* weather.around(request, respond).pipe(
          Effect.map((response) => finish(request, response, entry)),
          Effect.onError((cause) =>
            Effect.sync(() => {
              entry.status = Cause.hasInterruptsOnly(cause) ? "interrupted" : "cut"
            })
          )
        )
      })

      return DriveServer.of({ handle, notifications: parts.notifications })
    })
  )
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

const withFault = (
  hit: FaultHit | undefined,
  request: DriveRequest,
  respond: (request: DriveRequest) => Effect.Effect<DriveResponse>
): Effect.Effect<DriveResponse, ConnectionCut> => {
  const answer = respond(request)
  if (hit === undefined) return answer
  const { action, released } = hit
  switch (action._tag) {
    case "Respond":
    case "Html":
      return Effect.succeed(faultReply(action, request.origin))
    case "Refuse":
      return Effect.fail(new ConnectionCut({ message: "The connection was refused by a scripted fault." }))
    case "DropReply":
      return Effect.andThen(
        answer,
        Effect.fail(new ConnectionCut({ message: "The reply was dropped by a scripted fault." }))
      )
    case "RespondAfter":
      return Effect.as(answer, faultReply({ _tag: "Html", status: action.status }, request.origin))
    case "IgnoreRange":
      return respond({ ...request, headers: withoutRange(request.headers) })
    case "EditPage":
      return Effect.map(answer, (response) => editPage(response, action, request.origin + request.url))
    case "Delay":
      return Effect.delay(answer, action.duration)
    case "Hang":
      return Effect.andThen(released, answer)
    case "CutBody":
    case "CorruptByte":
      return Effect.map(answer, (response) => spoilBody(response, action))
  }
}

const withoutRange = (headers: HeaderRecord): HeaderRecord =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name !== "range"))

const countReceived = (request: DriveRequest, entry: OpenEntry): DriveRequest => ({
  ...request,
  body: Stream.tap(request.body, (chunk) => Effect.sync(() => (entry.received += chunk.length)))
})

/** Logs the reply as far as it was sent; a reply to HEAD has no body. */
const finish = (request: DriveRequest, response: DriveResponse, entry: OpenEntry): DriveResponse => {
  entry.status = response.status
  const { body } = response
  if (request.method === "HEAD") return { ...response, body: new Uint8Array(0) }
  if (body instanceof Uint8Array) {
    entry.sent = body.length
    return response
  }
  const counted = Stream.tap(body, (chunk) => Effect.sync(() => (entry.sent += chunk.length)))
  const marked = Stream.onError(counted, () => Effect.sync(() => (entry.status = "cut")))
  return { ...response, body: marked }
}

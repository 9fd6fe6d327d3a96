/** Where a client learns how to be told of changes: by notification socket, or by webhook. */
import { Effect, Schema } from "effect"
import { type ApiError, attempt, invalidRequest, methodNotAllowed, notSupported } from "./ApiError.ts"
import { given, parseDateTime } from "./Bodies.ts"
import { type Call, contextUrl, empty, json, methodOf, readJson } from "./Call.ts"
import { identity, timestamp } from "./DriveItemShape.ts"
import { type DriveParts, find } from "./DriveParts.ts"
import type { Drives } from "./Drives.ts"
import type { DriveResponse } from "./Exchange.ts"
import { isLoopback } from "./Loopback.ts"
import type { ItemAddress } from "./Routing.ts"
import { subscriptionNotFound, type Webhook, type Webhooks } from "./Webhooks.ts"

type Reply = Effect.Effect<DriveResponse, ApiError>

// ── sockets ──

/** A new subscription with each call; the URL needs no token besides the one in it. */
export const subscribe = (parts: DriveParts, call: Call, address: ItemAddress, kind: string | undefined): Reply =>
  attempt(() => {
    if (kind?.toLowerCase() !== "socketio") throw notSupported("Only subscriptions/socketIo is supported.")
    if (find(parts, address).parent !== null) throw notSupported("Only the root of a drive can be subscribed to.")
    const { subscription, query } = parts.notifications.subscribe(call.now, call.quirks.subscriptionLifetime)
    return json(200, {
      "@odata.context": contextUrl(call, "subscriptions/$entity"),
      id: subscription.id,
      notificationUrl: `${call.request.origin}/notifications?${query}`,
      expirationDateTime: timestamp(subscription.expires),
      clientState: "",
      resource: subscription.resource
    })
  })

// ── webhooks ──

const Text = Schema.optionalKey(Schema.NullOr(Schema.String))
const NewSubscription = Schema.Struct({
  changeType: Schema.String,
  notificationUrl: Schema.String,
  resource: Schema.String,
  expirationDateTime: Schema.String,
  clientState: Text
})
const Renewal = Schema.Struct({ expirationDateTime: Schema.String })

const minute = 60_000
/** Minutes, for driveItem (Microsoft Graph, "Subscription lifetime"). */
const [shortest, longest] = [45, 42_300]
const longestState = 128

interface Parts {
  readonly drives: Drives["Service"]
  readonly webhooks: Webhooks["Service"]
}

/** /subscriptions, or one of them by its id. */
export const handleSubscriptions = ({ webhooks }: Parts, call: Call, id: string | undefined): Reply => {
  const method = methodOf(call)
  if (id === undefined) {
    if (method === "POST") return createWebhook(webhooks, call)
    if (method !== "GET") return Effect.fail(methodNotAllowed())
    return attempt(() =>
      json(200, {
        "@odata.context": contextUrl(call, "subscriptions"),
        value: webhooks.list(call.now).map(webhookShape)
      })
    )
  }
  switch (method) {
    case "GET":
      return attempt(() => {
        const hook = webhooks.list(call.now).find((known) => known.id === id)
        if (hook === undefined) throw subscriptionNotFound()
        return webhookReply(call, hook, 200)
      })
    case "PATCH":
      return Effect.gen(function* () {
        const { expirationDateTime } = yield* readJson(call, Renewal)
        const expires = yield* attempt(() => expiryOf(call, expirationDateTime))
        return webhookReply(call, yield* webhooks.renew(id, expires), 200)
      })
    case "DELETE":
      return Effect.as(webhooks.remove(id), empty(204))
    default:
      return Effect.fail(methodNotAllowed())
  }
}

const createWebhook = Effect.fnUntraced(function* (webhooks: Webhooks["Service"], call: Call) {
  const body = yield* readJson(call, NewSubscription)
  const wanted = yield* attempt(() => {
    if (body.changeType !== "updated") throw invalidRequest("changeType has to be updated.", "invalidParameterFormat")
    const state = given(body.clientState)
    if ((state?.length ?? 0) > longestState) {
      throw invalidRequest(`clientState has at most ${longestState} characters.`, "parameterIsTooLong")
    }
    return {
      resource: body.resource,
      url: checkUrl(body.notificationUrl),
      client_state: state ?? null,
      expires: expiryOf(call, body.expirationDateTime)
    }
  })
  return webhookReply(call, yield* webhooks.create(wanted), 201)
})

/** The service wants https and a public host; this one posts to its own machine only, with or without TLS. */
const checkUrl = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || !isLoopback(url.hostname)) {
    throw invalidRequest("notificationUrl has to be an http or https URL of this machine.", "invalidParameterFormat")
  }
  return url.href
}

const expiryOf = ({ now }: Call, text: string): number => {
  const expires = parseDateTime(text)
  if (expires === undefined || expires <= now) {
    throw invalidRequest("expirationDateTime has to be a time to come.", "invalidParameterFormat")
  }
  if (expires > now + longest * minute) {
    throw invalidRequest(`Subscription expiration can only be ${longest} minutes in the future.`)
  }
  return Math.max(expires, now + shortest * minute)
}

const webhookShape = (hook: Webhook) => ({
  id: hook.id,
  resource: hook.resource,
  changeType: "updated",
  notificationUrl: hook.url,
  expirationDateTime: timestamp(hook.expires),
  clientState: hook.client_state,
  creatorId: identity.user.id
})

const webhookReply = (call: Call, hook: Webhook, status: number): DriveResponse =>
  json(status, { "@odata.context": contextUrl(call, "subscriptions/$entity"), ...webhookShape(hook) })

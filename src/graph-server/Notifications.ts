/**
 * Change notifications by Socket.IO (Microsoft Graph, "Receive notifications through socket.io"): a subscription is a URL
 * that lets its holder listen until it expires; the URL carries all of it, so a restart ends no subscription. A
 * notification says that something changed and not what: the client asks delta.
 */
import { createHmac, randomUUID } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { DriveModel } from "./DriveModel.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { DriveStore, secretEquals } from "./DriveStore.ts"

export interface Subscription {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly expires: number
  readonly resource: string
}

export class Notifications extends Context.Service<
  Notifications,
  {
    /** A new subscription to the drive, and the query of the URL that carries it; `lifetime` in milliseconds. */
    subscribe(now: number, lifetime?: number): { readonly subscription: Subscription; readonly query: string }
    /** What a query grants; undefined when it is forged or has expired. */
    verify(query: URLSearchParams, now: number): Subscription | undefined
    /** The number of the newest change; grows with each. */
    newest(): number
  }
>()("onemount/graph-server/Notifications") {
  static readonly layer = Layer.effect(
    Notifications,
    Effect.gen(function* () {
      return makeNotifications(yield* DriveStore, yield* DriveModel, yield* DriveSettings)
    })
  )
}

const makeNotifications = (
  { secret }: DriveStore["Service"],
  { driveId, table }: DriveModel["Service"],
  { subscriptionLifetime }: DriveSettings
): Notifications["Service"] => {
  const resource = `/drives/${driveId}/root`
  const sign = (claim: string): string => createHmac("sha256", secret).update(`notify ${claim}`).digest("base64url")
  return Notifications.of({
    subscribe: (now, lifetime = subscriptionLifetime) => {
      const subscription = { id: randomUUID(), expires: now + lifetime, resource }
      const claim = `${subscription.id}.${subscription.expires}`
      const query = new URLSearchParams({ token: `${claim}.${sign(claim)}`, applicationId: "embedded" }).toString()
      return { subscription, query }
    },
    verify: (query, now) => {
      const [id = "", expires = "", proof = ""] = (query.get("token") ?? "").split(".")
      if (!secretEquals(proof, sign(`${id}.${expires}`)) || Number(expires) <= now) return undefined
      return { id, expires: Number(expires), resource }
    },
    newest: table.lastChange
  })
}

/** Where a client learns how to be told of changes. Webhooks need a public address and are not served. */
import type { Effect } from "effect"
import { type ApiError, attempt, notSupported } from "./ApiError.ts"
import { type Call, contextUrl, json } from "./Call.ts"
import { timestamp } from "./DriveItemShape.ts"
import { type DriveParts, find } from "./DriveParts.ts"
import type { DriveResponse } from "./Exchange.ts"
import type { ItemAddress } from "./Routing.ts"

/** A new subscription with each call; the URL needs no token besides the one in it. */
export const subscribe = (
  parts: DriveParts,
  call: Call,
  address: ItemAddress,
  kind: string | undefined
): Effect.Effect<DriveResponse, ApiError> =>
  attempt(() => {
    if (kind?.toLowerCase() !== "socketio") throw notSupported("Only subscriptions/socketIo is supported.")
    if (find(parts, address).parent !== null) throw notSupported("Only the root of a drive can be subscribed to.")
    const { subscription, query } = parts.notifications.subscribe(call.now)
    return json(200, {
      "@odata.context": contextUrl(call, "subscriptions/$entity"),
      id: subscription.id,
      notificationUrl: `${call.request.origin}/notifications?${query}`,
      expirationDateTime: timestamp(subscription.expires),
      clientState: "",
      resource: subscription.resource
    })
  })

/** From a call to the handler of its resource and method. */
import { Effect } from "effect"
import { ApiError, attempt, methodNotAllowed, notSupported, unauthenticated } from "./ApiError.ts"
import { type Call, methodOf } from "./Call.ts"
import { download, getContent, putContent } from "./ContentRoutes.ts"
import type { DriveParts } from "./DriveParts.ts"
import { getDrive, getDrives, getOwner, getSites } from "./DriveRoutes.ts"
import type { Drives } from "./Drives.ts"
import { transferPrefix } from "./DriveStore.ts"
import type { DriveTokens } from "./DriveTokens.ts"
import type { DriveResponse } from "./Exchange.ts"
import { copyItem, copyMonitor, itemVersions, purgeItem, restoreItem } from "./HistoryRoutes.ts"
import { getChildren, getDelta, getItem } from "./ReadRoutes.ts"
import { type ItemRoute, type Route, route, type TransferRoute, unknownSegment } from "./Routing.ts"
import { searchItems } from "./SearchRoutes.ts"
import { handleSubscriptions, subscribe } from "./SubscriptionRoutes.ts"
import {
  commitSession,
  createSession,
  deleteSession,
  getSession,
  putFragment,
  putFromSession
} from "./SessionRoutes.ts"
import { createLink, getSharedWithMe, invite, itemPermissions } from "./SharingRoutes.ts"
import { getThumbnails, thumbnailImage } from "./ThumbnailRoutes.ts"
import type { Webhooks } from "./Webhooks.ts"
import { createChild, deleteItem, patchItem } from "./WriteRoutes.ts"

type Reply = Effect.Effect<DriveResponse, ApiError>

/** Resources of an item that the API has and this drive does not serve. */
const unserved = new Set([
  "checkout",
  "checkin",
  "follow",
  "unfollow",
  "preview",
  "analytics",
  "listItem",
  "activities"
])

/** What requests are answered with. */
export interface Handlers {
  readonly drives: Drives["Service"]
  readonly webhooks: Webhooks["Service"]
  readonly tokens: DriveTokens["Service"]
}

export const dispatch = (handlers: Handlers, call: Call): Reply =>
  Effect.gen(function* () {
    const target = yield* attempt(() => {
      if (!call.path.startsWith(transferPrefix)) authenticate(handlers.tokens, call)
      return route(call.path)
    })
    return yield* handle(handlers, call, target)
  })

/** Throws 401. */
export const authenticate = (tokens: DriveTokens["Service"], { request, now }: Call): void => {
  const token = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1]
  if (token !== undefined && tokens.isValid(token, now)) return
  const { status, code, message } = unauthenticated(
    token === undefined ? "Access token is empty." : "Access token has expired or is not yet valid."
  )
  const authorize = `${request.origin}/common/oauth2/v2.0/authorize`
  const challenge = `Bearer realm="", authorization_uri="${authorize}", client_id="00000003-0000-0000-c000-000000000000"`
  const headers = { "www-authenticate": challenge }
  throw new ApiError({ status, code, message, headers })
}

const refuse = (method: string): Reply => Effect.fail(methodNotAllowed(`${method} is not allowed for this resource.`))

const handle = ({ drives, webhooks }: Handlers, call: Call, target: Route): Reply => {
  const method = methodOf(call)
  if (target._tag === "Transfer") return handleTransfer(drives, call, target)
  if (target._tag === "Subscriptions") return handleSubscriptions({ drives, webhooks }, call, target.id)
  if (target._tag === "Item") {
    return Effect.flatMap(
      attempt(() => drives.require(target.drive)),
      (parts) => handleItem(parts, call, target)
    )
  }
  if (method !== "GET") return refuse(method)
  switch (target._tag) {
    case "Owner":
      return getOwner(drives, call, target.owner)
    case "Drives":
      return getDrives(drives, call, target.owner)
    case "Sites":
      return getSites(drives, call)
    case "Drive":
      return Effect.flatMap(
        attempt(() => drives.require(target.drive)),
        (parts) => handleDrive(drives, parts, call, target.list)
      )
  }
}

const handleDrive = (drives: Drives["Service"], parts: DriveParts, call: Call, list: string | undefined): Reply => {
  if (list === undefined) return getDrive(parts, call)
  if (list === "sharedwithme") return getSharedWithMe(drives, parts, call)
  return Effect.fail(notSupported(`This drive does not support '${list}'.`))
}

const handleTransfer = (drives: Drives["Service"], call: Call, { key, purpose, segments }: TransferRoute): Reply =>
  Effect.gen(function* () {
    const parts = yield* attempt(() => drives.byKey(key))
    const strict = call.quirks.refusesAuthorization ?? parts.settings.refuseAuthorization
    if (strict && call.request.headers.authorization !== undefined) {
      return yield* unauthenticated("This URL carries its own permission; it takes no Authorization header.")
    }
    if (purpose === "upload") return yield* handleUpload(parts, call, segments.join("/"))
    const method = methodOf(call)
    if (method !== "GET") return yield* refuse(method)
    if (purpose === "download") return yield* download(parts, call, segments)
    if (purpose === "monitor") return yield* copyMonitor(parts, call, segments.join("/"))
    return yield* thumbnailImage(parts, call, segments)
  })

const handleItem = (parts: DriveParts, call: Call, target: ItemRoute): Reply => {
  const handlers = Object.hasOwn(itemHandlers, target.resource) ? itemHandlers[target.resource] : undefined
  const handler = handlers?.[methodOf(call)] ?? handlers?.["ANY"]
  if (handler === undefined) return refuseItem(methodOf(call), target.resource)
  if (target.rest.length > (segmentsBelow.get(target.resource) ?? 0)) {
    return Effect.fail(unknownSegment(target.rest.join("/")))
  }
  return handler(parts, call, target)
}

/** How many segments may follow a resource: "versions/2.0/content". None where it is not named. */
const segmentsBelow = new Map([
  ["subscriptions", 1],
  ["permissions", 1],
  ["versions", 2],
  ["thumbnails", 3]
])

type ItemHandler = (parts: DriveParts, call: Call, target: ItemRoute) => Reply

/** By resource and method; ANY where a handler looks at the method itself. */
const itemHandlers: Readonly<Record<string, Readonly<Record<string, ItemHandler>>>> = {
  "": {
    GET: (parts, call, { address }) => getItem(parts, call, address),
    PATCH: (parts, call, { address }) => patchItem(parts, call, address),
    PUT: (parts, call, { address }) => putFromSession(parts, call, address),
    DELETE: (parts, call, { address }) => deleteItem(parts, call, address)
  },
  children: {
    GET: (parts, call, { address }) => getChildren(parts, call, address),
    POST: (parts, call, { address }) => createChild(parts, call, address)
  },
  content: {
    GET: (parts, call, { address }) => getContent(parts, call, address),
    PUT: (parts, call, { address }) => putContent(parts, call, address)
  },
  createUploadSession: { POST: (parts, call, { address }) => createSession(parts, call, address) },
  delta: { GET: (parts, call, { address, argument }) => getDelta(parts, call, address, argument) },
  search: { GET: (parts, call, { address, argument }) => searchItems(parts, call, address, argument) },
  subscriptions: { GET: (parts, call, { address, rest }) => subscribe(parts, call, address, rest[0]) },
  thumbnails: { GET: (parts, call, { address, rest }) => getThumbnails(parts, call, address, rest) },
  copy: { POST: (parts, call, { address }) => copyItem(parts, call, address) },
  versions: { ANY: (parts, call, { address, rest }) => itemVersions(parts, call, address, rest) },
  restore: { POST: (parts, call, { address }) => restoreItem(parts, call, address) },
  permanentDelete: { POST: (parts, call, { address }) => purgeItem(parts, call, address) },
  createLink: { POST: (parts, call, { address }) => createLink(parts, call, address) },
  invite: { POST: (parts, call, { address }) => invite(parts, call, address) },
  permissions: { ANY: (parts, call, { address, rest }) => itemPermissions(parts, call, address, rest[0]) }
}

const refuseItem = (method: string, resource: string): Reply => {
  if (Object.hasOwn(itemHandlers, resource)) return refuse(method)
  if (unserved.has(resource)) return Effect.fail(notSupported(`This drive does not support '${resource}'.`))
  return Effect.fail(unknownSegment(resource))
}

const handleUpload = (parts: DriveParts, call: Call, id: string): Reply =>
  call.quirks.endsSession === true
    ? Effect.andThen(Effect.ignore(parts.sessions.cancel(id)), answerUpload(parts, call, id))
    : answerUpload(parts, call, id)

const answerUpload = (parts: DriveParts, call: Call, id: string): Reply => {
  switch (methodOf(call)) {
    case "PUT":
      return putFragment(parts, call, id)
    case "GET":
      return getSession(parts, call, id)
    case "DELETE":
      return deleteSession(parts, id)
    case "POST":
      return commitSession(parts, call, id)
    default:
      return refuse(call.request.method)
  }
}

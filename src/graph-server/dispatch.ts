/** From a call to the handler of its resource and method. */
import { Effect } from "effect"
import { ApiError, attempt, invalidRequest, methodNotAllowed, notSupported, unauthenticated } from "./ApiError.ts"
import type { Call } from "./Call.ts"
import { download, getContent, putContent } from "./ContentRoutes.ts"
import { type DriveParts, ensureSpecial } from "./DriveParts.ts"
import type { DriveTokens } from "./DriveTokens.ts"
import type { DriveResponse } from "./Exchange.ts"
import { copyItem, copyMonitor, itemVersions, purgeItem, restoreItem } from "./HistoryRoutes.ts"
import { checkDrive, getChildren, getDelta, getDrive, getDrives, getItem, getUser } from "./ReadRoutes.ts"
import { type Route, route } from "./Routing.ts"
import { searchItems } from "./SearchRoutes.ts"
import { subscribe } from "./SubscriptionRoutes.ts"
import { createSession, deleteSession, getSession, putFragment } from "./SessionRoutes.ts"
import { createLink, invite, itemPermissions } from "./SharingRoutes.ts"
import { getThumbnails, thumbnailImage } from "./ThumbnailRoutes.ts"
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

export const dispatch = (parts: DriveParts, tokens: DriveTokens["Service"], call: Call): Reply =>
  Effect.gen(function* () {
    const target = yield* attempt(() => {
      if (!call.path.startsWith("/transfer/")) authenticate(tokens, call)
      return route(call.path)
    })
    return yield* handle(parts, call, target)
  })

const authenticate = (tokens: DriveTokens["Service"], { request, now }: Call): void => {
  const token = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1]
  if (token !== undefined && tokens.isValid(token, now)) return
  const { status, code, message } = unauthenticated(
    token === undefined ? "Access token is empty." : "Access token has expired or is not yet valid."
  )
  const headers = { "www-authenticate": 'Bearer realm="", client_id="00000003-0000-0000-c000-000000000000"' }
  throw new ApiError({ status, code, message, headers })
}

const refuse = (method: string): Reply => Effect.fail(methodNotAllowed(`${method} is not allowed for this resource.`))

/** HEAD is answered like GET; the server leaves the body out. */
const methodOf = ({ request }: Call): string => (request.method === "HEAD" ? "GET" : request.method)

const handle = (parts: DriveParts, call: Call, target: Route): Reply => {
  const method = methodOf(call)
  switch (target._tag) {
    case "Me":
      return method === "GET" ? getUser(call) : refuse(method)
    case "Drives":
      return method === "GET" ? getDrives(parts, call) : refuse(method)
    case "Drive":
      return attempt(() => checkDrive(parts, target.driveId)).pipe(
        Effect.andThen(method === "GET" ? getDrive(parts, call) : refuse(method))
      )
    case "Item":
      return attempt(() => checkDrive(parts, target.driveId)).pipe(Effect.andThen(handleItem(parts, call, target)))
    case "Download":
      return method === "GET" ? download(parts, call, target.segments) : refuse(method)
    case "Monitor":
      return method === "GET" ? copyMonitor(parts, call, target.claim) : refuse(method)
    case "Thumbnail":
      return method === "GET" ? thumbnailImage(parts, call, target.segments) : refuse(method)
    case "Upload":
      return handleUpload(parts, call, target.sessionId)
  }
}

type ItemRoute = Extract<Route, { _tag: "Item" }>

const handleItem = (parts: DriveParts, call: Call, target: ItemRoute): Reply => {
  const handlers = Object.hasOwn(itemHandlers, target.resource) ? itemHandlers[target.resource] : undefined
  const handler = handlers?.[methodOf(call)] ?? handlers?.["ANY"]
  if (handler === undefined) return refuseItem(methodOf(call), target.resource)
  const { start } = target.address
  if (!start.startsWith("special:") || methodOf(call) === "GET") return handler(parts, call, target)
  return Effect.andThen(
    attempt(() => ensureSpecial(parts, start, call.now)),
    handler(parts, call, target)
  )
}

type ItemHandler = (parts: DriveParts, call: Call, target: ItemRoute) => Reply

/** By resource and method; ANY where a handler looks at the method itself. */
const itemHandlers: Readonly<Record<string, Readonly<Record<string, ItemHandler>>>> = {
  "": {
    GET: (parts, call, { address }) => getItem(parts, call, address),
    PATCH: (parts, call, { address }) => patchItem(parts, call, address),
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
  return Effect.fail(invalidRequest(`Resource not found for the segment '${resource}'.`, "invalidPath"))
}

const handleUpload = (parts: DriveParts, call: Call, id: string): Reply => {
  switch (methodOf(call)) {
    case "PUT":
      return putFragment(parts, call, id)
    case "GET":
      return getSession(parts, call, id)
    case "DELETE":
      return deleteSession(parts, id)
    default:
      return refuse(call.request.method)
  }
}

/** From a call to the handler of its resource and method. */
import { Effect } from "effect"
import { ApiError, attempt, invalidRequest, methodNotAllowed, notSupported, unauthenticated } from "./ApiError.ts"
import { type Call, json } from "./Call.ts"
import { download, getContent, putContent } from "./ContentRoutes.ts"
import type { DriveParts } from "./DriveParts.ts"
import type { DriveTokens } from "./DriveTokens.ts"
import type { DriveResponse } from "./Exchange.ts"
import { checkDrive, getChildren, getDelta, getDrive, getDrives, getItem, getUser } from "./ReadRoutes.ts"
import { type Route, route } from "./Routing.ts"
import { createSession, deleteSession, getSession, putFragment } from "./SessionRoutes.ts"
import { createChild, deleteItem, patchItem } from "./WriteRoutes.ts"

type Reply = Effect.Effect<DriveResponse, ApiError>

/** Resources of an item that the API has and this drive does not serve. */
const unserved = new Set([
  "copy",
  "createLink",
  "invite",
  "permissions",
  "restore",
  "permanentDelete",
  "versions",
  "checkout",
  "checkin",
  "subscriptions/socketIo"
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
    case "Upload":
      return handleUpload(parts, call, target.sessionId)
  }
}

const handleItem = (parts: DriveParts, call: Call, target: Extract<Route, { _tag: "Item" }>): Reply => {
  const { address, resource } = target
  switch (`${methodOf(call)} ${resource}`) {
    case "GET ":
      return getItem(parts, call, address)
    case "PATCH ":
      return patchItem(parts, call, address)
    case "DELETE ":
      return deleteItem(parts, call, address)
    case "GET children":
      return getChildren(parts, call, address)
    case "POST children":
      return createChild(parts, call, address)
    case "GET content":
      return getContent(parts, call, address)
    case "PUT content":
      return putContent(parts, call, address)
    case "POST createUploadSession":
      return createSession(parts, call, address)
    case "GET delta":
      return getDelta(parts, call, address, target.token)
    case "GET thumbnails":
      return Effect.succeed(json(200, { value: [] }))
    default:
      return refuseItem(methodOf(call), resource)
  }
}

const served = new Set(["", "children", "content", "createUploadSession", "delta", "thumbnails"])

const refuseItem = (method: string, resource: string): Reply => {
  if (served.has(resource)) return refuse(method)
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

/**
 * From a raw path to what it addresses (Microsoft Graph, "Addressing resources in a drive"). Routing happens on the raw
 * path, decoding afterwards: "%2F" inside a path address separates like "/", "%21" in an id is "!", and nothing may
 * normalise ".", ".." or empty segments away before we have seen them.
 */
import { invalidRequest, itemNotFound } from "./ApiError.ts"
import { isOwner } from "./DriveItemShape.ts"
import { maxPathLength } from "./DriveName.ts"

/**
 * An item by the id where the address starts ("root" for the root, "special:documents", "share:TOKEN") and the names
 * from there.
 */
export interface ItemAddress {
  readonly start: string
  readonly names: ReadonlyArray<string>
}

export type Route =
  | { readonly _tag: "Me" }
  | { readonly _tag: "Drives" }
  /** `driveId` is undefined under /me/drive. */
  | { readonly _tag: "Drive"; readonly driveId: string | undefined }
  | {
      readonly _tag: "Item"
      readonly driveId: string | undefined
      readonly address: ItemAddress
      /** "" for the item itself, else "children", "content", "delta", ... */
      readonly resource: string
      /** What follows the resource: ["2.0", "content"] in "versions/2.0/content". */
      readonly rest: ReadonlyArray<string>
      /** The argument of the function form: delta(token='...'), search(q='...'). */
      readonly argument: string | undefined
    }
  | { readonly _tag: "Monitor"; readonly claim: string }
  | { readonly _tag: "Thumbnail"; readonly segments: ReadonlyArray<string> }
  | { readonly _tag: "Download"; readonly segments: ReadonlyArray<string> }
  | { readonly _tag: "Upload"; readonly sessionId: string }

export const apiPrefix = "/v1.0"
export const downloadPrefix = "/transfer/download/"
export const uploadPrefix = "/transfer/upload/"
export const monitorPrefix = "/transfer/monitor/"
export const thumbnailPrefix = "/transfer/thumbnail/"

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalidRequest(`Bad percent-encoding in the path: ${text}`, "invalidPath")
  }
}

/** Throws 400 or 404 when the path addresses nothing this API has. `path` is without query. */
export const route = (path: string): Route => {
  if (path.startsWith(downloadPrefix)) {
    return { _tag: "Download", segments: path.slice(downloadPrefix.length).split("/").map(decode) }
  }
  if (path.startsWith(uploadPrefix)) return { _tag: "Upload", sessionId: decode(path.slice(uploadPrefix.length)) }
  if (path.startsWith(monitorPrefix)) return { _tag: "Monitor", claim: decode(path.slice(monitorPrefix.length)) }
  if (path.startsWith(thumbnailPrefix)) {
    return { _tag: "Thumbnail", segments: path.slice(thumbnailPrefix.length).split("/").map(decode) }
  }
  const shared = /^\/v1\.0\/shares\/([^/:]+)(?:\/(?:driveItem|root)(?=[/:]|$))?(.*)$/s.exec(path)
  if (shared !== null) return belowItem(undefined, `share:${decode(shared[1] ?? "")}`, shared[2] ?? "")
  const match = headPattern.exec(path)
  if (match === null) throw unknownSegment(path)
  const [, head = "", user, id, tail = ""] = match
  if (user !== undefined && !isOwner(decode(user))) throw itemNotFound("The user could not be found.")
  if (/^(me|users\/[^/]+)$/.test(head)) return leaf({ _tag: "Me" }, tail)
  if (/^(me|users.*)\/drives$/.test(head)) return leaf({ _tag: "Drives" }, tail)
  return belowDrive(id === undefined ? undefined : decode(id), tail)
}

/** The user, their drives, their drive, or a drive by its id; then the rest. */
const headPattern = /^\/v1\.0\/((?:me|users\/([^/:]+))(?:\/drives|\/drive)?|drives\/([^/:]+))(?=[/:]|$)(.*)$/s

const unknownSegment = (text: string) => invalidRequest(`Resource not found for the segment '${text}'.`, "invalidPath")

const leaf = (value: Route, tail: string): Route => {
  if (/^\/*$/.test(tail)) return value
  throw unknownSegment(tail)
}

const belowDrive = (driveId: string | undefined, tail: string): Route => {
  if (/^\/*$/.test(tail)) return { _tag: "Drive", driveId }
  if (tail.startsWith("/search(")) return belowItem(driveId, "root", tail)
  const match = /^\/(?:root|items\/([^/:]+)|special\/([^/:]+))(?=[/:]|$)(.*)$/s.exec(tail)
  if (match === null) throw unknownSegment(tail)
  const [, id, special, rest = ""] = match
  return belowItem(driveId, special === undefined ? decode(id ?? "root") : `special:${decode(special)}`, rest)
}

/** `rest` is "", "/sub", ":/path", ":/path:", ":/path:/sub", and a few sloppy forms that real clients send. */
const belowItem = (driveId: string | undefined, start: string, rest: string): Route => {
  if (!rest.startsWith(":")) return item(driveId, { start, names: [] }, rest)
  const end = rest.indexOf(":", 1)
  const path = end < 0 ? rest.slice(1) : rest.slice(1, end)
  return item(driveId, { start, names: namesOf(path) }, end < 0 ? "" : rest.slice(end + 1))
}

const namesOf = (raw: string): ReadonlyArray<string> => {
  const path = decode(raw)
  if (path.length > maxPathLength + 2) throw invalidRequest("The path is too long.", "pathIsTooLong")
  const names = path.split("/").filter((name) => name !== "" && name !== ".")
  if (names.includes("..")) throw invalidRequest("The path cannot contain '..'.", "invalidPath")
  if (path.includes("\0")) throw itemNotFound()
  return names
}

const functionCall = /^([\w.]+)\(\w+='(.*)'\)$/s

const item = (driveId: string | undefined, address: ItemAddress, raw: string): Route => {
  const path = raw.replace(/^\/+|\/+$/g, "")
  const call = functionCall.exec(decode(path))
  const [first = "", ...rest] = call === null ? path.split("/").map(decode) : [call[1] ?? ""]
  const resource = first.replace(/^microsoft\.graph\./, "")
  return { _tag: "Item", driveId, address, resource, rest, argument: call?.[2]?.replaceAll("''", "'") }
}

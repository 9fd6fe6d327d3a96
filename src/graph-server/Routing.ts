/**
 * From a raw path to what it addresses (Microsoft Graph, "Addressing resources in a drive"). Routing happens on the raw
 * path, decoding afterwards: "%2F" inside a path address separates like "/", "%21" in an id is "!", and nothing may
 * normalise ".", ".." or empty segments away before we have seen them.
 */
import { invalidRequest, itemNotFound } from "./ApiError.ts"
import { maxPathLength } from "./DriveName.ts"

/** An item by the id where the address starts ("root" for the root) and the names from there. */
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
      /** The token of the function form, delta(token='...'). */
      readonly token: string | undefined
    }
  | { readonly _tag: "Download"; readonly segments: ReadonlyArray<string> }
  | { readonly _tag: "Upload"; readonly sessionId: string }

export const apiPrefix = "/v1.0"
export const downloadPrefix = "/transfer/download/"
export const uploadPrefix = "/transfer/upload/"

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
  const match = /^\/v1\.0\/(me\/drives|me\/drive|me|drives\/([^/:]+))(?=[/:]|$)(.*)$/s.exec(path)
  if (match === null) throw unknownSegment(path)
  const [, head, id, tail = ""] = match
  if (head === "me") return leaf({ _tag: "Me" }, tail)
  if (head === "me/drives") return leaf({ _tag: "Drives" }, tail)
  return belowDrive(id === undefined ? undefined : decode(id), tail)
}

const unknownSegment = (text: string) => invalidRequest(`Resource not found for the segment '${text}'.`, "invalidPath")

const leaf = (value: Route, tail: string): Route => {
  if (/^\/*$/.test(tail)) return value
  throw unknownSegment(tail)
}

const belowDrive = (driveId: string | undefined, tail: string): Route => {
  if (/^\/*$/.test(tail)) return { _tag: "Drive", driveId }
  const match = /^\/(root|items\/([^/:]+))(?=[/:]|$)(.*)$/s.exec(tail)
  if (match === null) throw unknownSegment(tail)
  const [, , id, rest = ""] = match
  return belowItem(driveId, id === undefined ? "root" : decode(id), rest)
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

const functionCall = /^([\w.]+)\(token='([^']*)'\)$/

const item = (driveId: string | undefined, address: ItemAddress, raw: string): Route => {
  const resource = decode(raw.replace(/^\/+|\/+$/g, ""))
  const call = functionCall.exec(resource)
  const name = (call?.[1] ?? resource).replace(/^microsoft\.graph\./, "")
  return { _tag: "Item", driveId, address, resource: name, token: call?.[2] }
}

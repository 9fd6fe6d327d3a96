/**
 * From a raw path to what it addresses (Microsoft Graph, "Addressing resources in a drive"). Routing happens on the raw
 * path, decoding afterwards: "%2F" inside a path address separates like "/", "%21" in an id is "!", and nothing may
 * normalise ".", ".." or empty segments away before we have seen them.
 */
import { invalidRequest, itemNotFound } from "./ApiError.ts"
import { maxPathLength } from "./DriveName.ts"
import { transferPrefix } from "./DriveStore.ts"

/**
 * An item by the id where the address starts ("root" for the root, "special:documents", "share:TOKEN") and the names
 * from there.
 */
export interface ItemAddress {
  readonly start: string
  readonly names: ReadonlyArray<string>
}

/** Which drive is meant: the caller's own, one by its id, or the first one of a user or site. */
export type DriveChoice =
  | { readonly _tag: "Own" }
  | { readonly _tag: "Id"; readonly id: string }
  | { readonly _tag: "User"; readonly user: string }
  | { readonly _tag: "Site"; readonly site: string }
  /** The one that has what a sharing token is for. */
  | { readonly _tag: "Shared"; readonly token: string }

export interface ItemRoute {
  readonly _tag: "Item"
  readonly drive: DriveChoice
  readonly address: ItemAddress
  /** "" for the item itself, else "children", "content", "delta", ... */
  readonly resource: string
  /** What follows the resource: ["2.0", "content"] in "versions/2.0/content". */
  readonly rest: ReadonlyArray<string>
  /** The argument of the function form: delta(token='...'), search(q='...'). */
  readonly argument: string | undefined
}

export type Route =
  /** The user or site itself. */
  | { readonly _tag: "Owner"; readonly owner: DriveChoice }
  | { readonly _tag: "Drives"; readonly owner: DriveChoice }
  | { readonly _tag: "Sites" }
  | { readonly _tag: "Subscriptions"; readonly id: string | undefined }
  /** The drive itself, or a list of items that are not below one folder: "sharedwithme", "recent", ... */
  | { readonly _tag: "Drive"; readonly drive: DriveChoice; readonly list: string | undefined }
  | ItemRoute
  | TransferRoute

/** URLs that carry their own permission; `key` names the drive when it is not the first of the process. */
export interface TransferRoute {
  readonly _tag: "Transfer"
  readonly key: string | undefined
  readonly purpose: TransferPurpose
  readonly segments: ReadonlyArray<string>
}

export type TransferPurpose = "download" | "upload" | "monitor" | "thumbnail"

export const apiPrefix = "/v1.0"

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalidRequest(`Bad percent-encoding in the path: ${text}`, "invalidPath")
  }
}

/** Throws 400 or 404 when the path addresses nothing this API has. `path` is without query. */
export const route = (path: string): Route => {
  if (path.startsWith(transferPrefix)) return transfer(path)
  const shared = /^\/v1\.0\/shares\/([^/:]+)(?:\/(?:driveItem|root)(?=[/:]|$))?(.*)$/s.exec(path)
  if (shared !== null) {
    const token = decode(shared[1] ?? "")
    return belowItem({ _tag: "Shared", token }, `share:${token}`, shared[2] ?? "")
  }
  if (/^\/v1\.0\/sites\/*$/.test(path)) return { _tag: "Sites" }
  const subscription = /^\/v1\.0\/subscriptions(?:\/([^/]+))?\/*$/.exec(path)
  if (subscription !== null) {
    return { _tag: "Subscriptions", id: subscription[1] === undefined ? undefined : decode(subscription[1]) }
  }
  const byId = /^\/v1\.0\/(?:me\/)?drives\/([^/:]+)(?=[/:]|$)(.*)$/s.exec(path)
  if (byId !== null) return belowDrive({ _tag: "Id", id: decode(byId[1] ?? "") }, byId[2] ?? "")
  const owned = ownerPattern.exec(path)
  if (owned === null) throw unknownSegment(path)
  const [, user, site, what, tail = ""] = owned
  const owner = ownerOf(user, site)
  if (what === "drive") return belowDrive(owner, tail)
  return leaf({ _tag: what === "drives" ? "Drives" : "Owner", owner }, tail)
}

const transfer = (path: string): TransferRoute => {
  const match = /^\/transfer\/(?:drives\/(\d+)\/)?(download|upload|monitor|thumbnail)\/(.*)$/s.exec(path)
  if (match === null) throw unknownSegment(path)
  const [, key, purpose, rest = ""] = match
  return { _tag: "Transfer", key, purpose: purpose as TransferPurpose, segments: rest.split("/").map(decode) }
}

/** A site is addressed by id, or by host and path: "host:/sites/name", with a closing colon before what follows. */
const ownerPattern =
  /^\/v1\.0\/(?:me|users\/([^/:]+)|sites\/([^/:]+(?::\/[^:]*(?::(?=\/|$))?)?))(?:\/(drives|drive))?(?=[/:]|$)(.*)$/s

const ownerOf = (user: string | undefined, site: string | undefined): DriveChoice => {
  if (user !== undefined) return { _tag: "User", user: decode(user) }
  return site === undefined ? { _tag: "Own" } : { _tag: "Site", site: decode(site) }
}

export const unknownSegment = (text: string) =>
  invalidRequest(`Resource not found for the segment '${text}'.`, "invalidPath")

const leaf = (value: Route, tail: string): Route => {
  if (/^\/*$/.test(tail)) return value
  throw unknownSegment(tail)
}

const driveLists = /^\/(?:microsoft\.graph\.)?(sharedWithMe|recent|following|bundles|activities|list)(?:\(\))?\/*$/i

const belowDrive = (drive: DriveChoice, tail: string): Route => {
  if (/^\/*$/.test(tail)) return { _tag: "Drive", drive, list: undefined }
  const list = driveLists.exec(tail)?.[1]
  if (list !== undefined) return { _tag: "Drive", drive, list: list.toLowerCase() }
  if (tail.startsWith("/search(")) return belowItem(drive, "root", tail)
  const match = /^\/(?:root|items\/([^/:]+)|special\/([^/:]+))(?=[/:]|$)(.*)$/s.exec(tail)
  if (match === null) throw unknownSegment(tail)
  const [, id, special, rest = ""] = match
  return belowItem(drive, special === undefined ? itemId(decode(id ?? "root")) : `special:${decode(special)}`, rest)
}

/** An id that a client gave. Starts with a colon in them are ours to make; no item has such an id. Throws 404. */
export const itemId = (text: string): string => {
  if (text.includes(":")) throw itemNotFound()
  return text
}

/** `rest` is "", "/sub", ":/path", ":/path:", ":/path:/sub", and a few sloppy forms that real clients send. */
const belowItem = (drive: DriveChoice, start: string, rest: string): Route => {
  if (!rest.startsWith(":")) return item(drive, { start, names: [] }, rest)
  const end = rest.indexOf(":", 1)
  const path = end < 0 ? rest.slice(1) : rest.slice(1, end)
  return item(drive, { start, names: namesOf(path) }, end < 0 ? "" : rest.slice(end + 1))
}

const namesOf = (raw: string): ReadonlyArray<string> => {
  const path = decode(raw)
  if (path.length > maxPathLength + 2) throw invalidRequest("The path is too long.", "pathIsTooLong")
  const names = path.split("/").filter((name) => name !== "" && name !== ".")
  if (names.includes("..")) throw invalidRequest("The path cannot contain '..'.", "invalidPath")
  if (path.includes("\0")) throw itemNotFound()
  return names
}

const functionCall = /^([\w.]+)\((?:\w+='(.*)')?\)$/s

const item = (drive: DriveChoice, address: ItemAddress, raw: string): Route => {
  const path = raw.replace(/^\/+|\/+$/g, "")
  const call = functionCall.exec(decode(path))
  const [first = "", ...rest] = call === null ? path.split("/").map(decode) : [call[1] ?? ""]
  const resource = first.replace(/^microsoft\.graph\./, "")
  return { _tag: "Item", drive, address, resource, rest, argument: call?.[2]?.replaceAll("''", "'") }
}

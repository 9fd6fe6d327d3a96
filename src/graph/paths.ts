/** URLs of the drive. Every id and name becomes exactly one path segment, whatever it holds. */
import type { ItemId } from "./DriveItem.ts"
import type { UploadTarget } from "./GraphClient.ts"
import type { GraphConfigShape } from "./GraphConfig.ts"

/** Half of a surrogate pair: no UTF-8, no URL. */
const loneSurrogate = /[\uD800-\uDFFF]/gu

/** Percent-encodes all but RFC 3986 unreserved characters and `!`, which ids hold and every client sends raw. */
export const segment = (text: string): string =>
  encodeURIComponent(text.replace(loneSurrogate, "\uFFFD")).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`
  )

/** Names that no path can carry: URL parsers resolve dots (even encoded ones), a slash would split the segment. */
export const isPathSafe = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !/[/\0]|[\uD800-\uDFFF]/u.test(name)

export interface DrivePaths {
  readonly me: string
  readonly drive: string
  readonly root: string
  readonly delta: string
  item(id: ItemId): string
  child(parent: ItemId, name: string): string
  children(parent: ItemId): string
  content(id: ItemId): string
  /** `suffix` is `content` or `createUploadSession`. */
  target(target: UploadTarget, suffix: string): string
}

export const makePaths = (config: GraphConfigShape): DrivePaths => {
  const base = config.baseUrl.replace(/\/+$/, "")
  const drive = `${base}/${config.drivePath}`
  const item = (id: ItemId) => `${drive}/items/${segment(id)}`
  const child = (parent: ItemId, name: string) => `${item(parent)}:/${segment(name)}`
  return {
    me: `${base}/me`,
    drive,
    root: `${drive}/root`,
    delta: `${drive}/root/delta`,
    item,
    child,
    children: (parent) => `${item(parent)}/children`,
    content: (id) => `${item(id)}/content`,
    target: (target, suffix) =>
      target._tag === "New" ? `${child(target.parent, target.name)}:/${suffix}` : `${item(target.id)}/${suffix}`
  }
}

/** The origin of an absolute http(s) URL, undefined for anything else. */
export const originOf = (url: string): string | undefined => {
  const parsed = URL.parse(url)
  return parsed !== null && (parsed.protocol === "https:" || parsed.protocol === "http:") ? parsed.origin : undefined
}

/** SharePoint sites in a small form: the root, and those that a drive is a library of. (Microsoft Graph, site resource.) */
import { createHash } from "node:crypto"
import type { Json } from "./DriveItemShape.ts"

const siteHost = "embedded.sharepoint.invalid"

const guidOf = (text: string): string =>
  createHash("sha256")
    .update(`site ${text}`)
    .digest("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5")

/** "" is the root site. */
const siteId = (name: string): string => `${siteHost},${guidOf(name)},${guidOf(`web ${name}`)}`

/** Whether a site's name is what an address says: its id, "root", a host, or "host:/sites/name". */
export const siteIs = (name: string | undefined, address: string): boolean => {
  if (name === undefined) return false
  const path = /^([^:]+):\/(?:sites|teams)\/([^/:]+)\/*:?$/i.exec(address)
  if (path !== null) return path[1]?.toLowerCase() === siteHost && path[2]?.toLowerCase() === name.toLowerCase()
  if (name === "") return address === "root" || address.toLowerCase() === siteHost || address === siteId("")
  return address === siteId(name)
}

/** Microsoft Graph, site resource type; "" is the root site. */
export const siteShape = (name: string): Json => ({
  id: siteId(name),
  name: name === "" ? "root" : name,
  displayName: name === "" ? "Communication site" : name,
  webUrl: `https://${siteHost}${name === "" ? "" : `/sites/${encodeURIComponent(name)}`}`,
  siteCollection: { hostname: siteHost },
  ...(name === "" ? { root: {} } : {})
})

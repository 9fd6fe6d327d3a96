/** Pre-authenticated download URLs: whoever has one may read that content, and nothing else, until it expires. */
import { hash } from "node:crypto"
import { itemNotFound } from "./ApiError.ts"
import type { DriveSettings } from "./DriveSettings.ts"
import { secretEquals, type DriveStore } from "./DriveStore.ts"
import type { ItemRow } from "./ItemTable.ts"

export interface DownloadLinks {
  url(origin: string, row: ItemRow, content: number, now: number): string
  /** The path segments of such a URL that say and prove what it grants. */
  claim(row: ItemRow, content: number, now: number): string
  /** What the path segments of a URL grant; throws 404 for a forged or expired one. */
  verify(segments: ReadonlyArray<string>, now: number): { readonly content: number; readonly name: string }
}

export const makeDownloadLinks = (
  { secret, transferRoot }: DriveStore["Service"],
  settings: DriveSettings
): DownloadLinks => {
  // Nested as in HMAC, so that nothing can be appended to a claim; a page of items has a thousand of them, and two
  // hashes in one call each cost half of what node:crypto's HMAC object does.
  const key = Buffer.from(secret).toString("hex")
  const sign = (claim: string): string => hash("sha256", key + hash("sha256", key + claim), "base64url")
  const claim: DownloadLinks["claim"] = (row, content, now) => {
    const expires = now + settings.downloadUrlLifetime
    const signature = sign(`${content}/${expires}/${row.name}`)
    return `${content}/${expires}/${signature}/${encodeURIComponent(row.name)}`
  }
  return {
    claim,
    url: (origin, row, content, now) => `${origin}${transferRoot}download/${claim(row, content, now)}`,
    verify: ([content = "", expires = "", signature = "", name = ""], now) => {
      if (!secretEquals(signature, sign(`${content}/${expires}/${name}`)) || Number(expires) <= now) {
        throw itemNotFound("The download URL is not valid or has expired.")
      }
      return { content: Number(content), name }
    }
  }
}

/** The drive's limits and habits, as the real service has them; tests shrink them. Durations in milliseconds, sizes in bytes. */
import { Context } from "effect"

export interface DriveSettings {
  /** How long a pre-authenticated download URL works. */
  readonly downloadUrlLifetime: number
  /** How long an upload session lives after its last fragment. */
  readonly uploadSessionLifetime: number
  /** How long replaced or deleted content is still served to those who hold a URL of it. */
  readonly contentRetention: number
  /** How long an access token works after a sign-in or refresh. */
  readonly accessTokenLifetime: number
  readonly refreshTokenLifetime: number
  /** Largest content of a simple PUT. */
  readonly simpleUploadLimit: number
  /** Largest fragment of an upload session. */
  readonly fragmentLimit: number
  /** Items on a page when the request has no $top. */
  readonly pageSize: number
  /** Whether parentReference.path is percent-encoded: personal drives do, business drives do not. */
  readonly encodePaths: boolean
}

export const defaultSettings: DriveSettings = {
  downloadUrlLifetime: 60 * 60 * 1000,
  uploadSessionLifetime: 3 * 24 * 60 * 60 * 1000,
  contentRetention: 5 * 60 * 1000,
  accessTokenLifetime: 60 * 60 * 1000,
  refreshTokenLifetime: 90 * 24 * 60 * 60 * 1000,
  simpleUploadLimit: 250 * 1024 * 1024,
  fragmentLimit: 60 * 1024 * 1024,
  pageSize: 200,
  encodePaths: true
}

export const DriveSettings = Context.Reference<DriveSettings>("onemount/graph-server/DriveSettings", {
  defaultValue: () => defaultSettings
})

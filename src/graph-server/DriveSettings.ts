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
  /** How long a subscription to notifications lives. */
  readonly subscriptionLifetime: number
  /** Notification sockets: time between pings, and how long their answer may take. */
  readonly pingInterval: number
  readonly pingTimeout: number
  /** Earlier contents that are kept of a file. */
  readonly versionLimit: number
  /** How long deleted items can be restored; 0 keeps no recycle bin. */
  readonly binRetention: number
  /** How long a server-side copy says that it is in progress. */
  readonly copyDuration: number
  /** Largest content of a simple PUT. */
  readonly simpleUploadLimit: number
  /** Largest fragment of an upload session. */
  readonly fragmentLimit: number
  /** Items on a page when the request has no $top. */
  readonly pageSize: number
  /** Whether parentReference.path is percent-encoded: undefined does as the kind of drive does: personal yes, business no. */
  readonly encodePaths: boolean | undefined
  /** Whether content for a path makes the folders that are missing on the way; reports differ. */
  readonly createParents: boolean
  /** Whether a personal drive makes sha1Hash as well, as all of them did until 2023. */
  readonly sha1Hash: boolean
  /** Whether the part of a fragment that arrived before the connection broke is kept. */
  readonly keepPartialFragments: boolean
  /** Whether upload and download URLs answer 401 to an Authorization header, as some of the service's hosts do. */
  readonly refuseAuthorization: boolean
  /**
   * Whether the server changes Office files after their upload: other bytes, a further version. Undefined does as
   * SharePoint does: in the libraries of sites yes, in people's own drives no.
   */
  readonly rewriteOffice: boolean | undefined
}

export const defaultSettings: DriveSettings = {
  downloadUrlLifetime: 60 * 60 * 1000,
  uploadSessionLifetime: 3 * 24 * 60 * 60 * 1000,
  contentRetention: 5 * 60 * 1000,
  accessTokenLifetime: 60 * 60 * 1000,
  refreshTokenLifetime: 90 * 24 * 60 * 60 * 1000,
  subscriptionLifetime: 60 * 60 * 1000,
  // The defaults of Socket.IO.
  pingInterval: 25_000,
  pingTimeout: 20_000,
  versionLimit: 25,
  binRetention: 30 * 24 * 60 * 60 * 1000,
  copyDuration: 0,
  simpleUploadLimit: 250 * 1024 * 1024,
  fragmentLimit: 60 * 1024 * 1024,
  pageSize: 200,
  encodePaths: undefined,
  createParents: false,
  sha1Hash: false,
  keepPartialFragments: false,
  refuseAuthorization: false,
  rewriteOffice: undefined
}

export const DriveSettings = Context.Reference<DriveSettings>("onemount/graph-server/DriveSettings", {
  defaultValue: () => defaultSettings
})

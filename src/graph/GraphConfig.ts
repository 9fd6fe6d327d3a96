/** Where the Graph is, who we say we are, and every limit of the client in one table. */
import { Context } from "effect"

/** Times in milliseconds, sizes in bytes. */
export interface GraphLimits {
  /** No byte of an answer for this long ends the request (`TimedOut`). */
  readonly idleTimeout: number
  /** A call whose answer is JSON ends after this long in all; uploads get `body / minimumUploadRate` on top. */
  readonly callTimeout: number
  /** Slowest upload that still counts as progress, bytes per second. */
  readonly minimumUploadRate: number
  /** Attempts per call, the first included; for downloads: attempts in a row that brought no byte. */
  readonly attempts: number
  /** Full jitter: a retry waits a random time below `min(retryCap, retryBase * 2^n)`. */
  readonly retryBase: number
  readonly retryCap: number
  /** First wait for a throttled answer without Retry-After; doubles up to `throttleCap`. */
  readonly throttleBase: number
  readonly throttleCap: number
  /** Longest Retry-After that is believed. */
  readonly throttleMax: number
  /** A caller waits at most this long at the closed gate, then fails with `Throttled`. */
  readonly throttleWait: number
  /** Callers leave the reopened gate spread over a quarter of the wait, at most this long. */
  readonly throttleSpread: number
  /** A pre-authenticated download URL is used again for this long (Graph promises "a few minutes"). */
  readonly downloadUrlLifetime: number
  readonly downloadUrlCapacity: number
  /** Expiry assumed for a session whose answer names none: what SharePoint's sliding window gives. */
  readonly sessionLifetime: number
  /** Largest JSON answer that is read. */
  readonly answerSize: number
  /** Children per page; Graph clips at about a thousand. */
  readonly pageSize: number
}

/** Which API and drive, and the limits of its client. */
export interface GraphConfigShape {
  /** Absolute, without a trailing slash. */
  readonly baseUrl: string
  /** The drive below `baseUrl`: `me/drive` or `drives/{drive-id}`. */
  readonly drivePath: string
  readonly userAgent: string
  readonly limits: GraphLimits
}

/** The form SharePoint asks for in its throttling guidance: `NONISV|Company|App/Version`. */
export const userAgent = (version: string): string => `NONISV|OneMount|OneMount/${version}`

/** Times in milliseconds, sizes in bytes. */
export const defaultLimits: GraphLimits = {
  idleTimeout: 30_000,
  callTimeout: 60_000,
  minimumUploadRate: 32 * 1024,
  attempts: 4,
  retryBase: 1_000,
  retryCap: 30_000,
  throttleBase: 2_000,
  throttleCap: 5 * 60_000,
  throttleMax: 60 * 60_000,
  throttleWait: 60_000,
  throttleSpread: 5_000,
  downloadUrlLifetime: 4 * 60_000,
  downloadUrlCapacity: 1_000,
  sessionLifetime: 15 * 60_000,
  answerSize: 32 * 1024 * 1024,
  pageSize: 999
}

/** The signed-in user's own drive at Microsoft. */
export const defaultGraphConfig: GraphConfigShape = {
  baseUrl: "https://graph.microsoft.com/v1.0",
  drivePath: "me/drive",
  userAgent: userAgent("0.1.0"),
  limits: defaultLimits
}

export const GraphConfig = Context.Reference<GraphConfigShape>("onemount/graph/GraphConfig", {
  defaultValue: () => defaultGraphConfig
})

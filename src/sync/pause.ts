/** Waiting times of the push loop, and the words for what waits for a person. */
import { Effect, Random } from "effect"
import type { ContentError } from "../content/ContentError.ts"
import type { GraphError } from "../graph/GraphError.ts"
import type { TreeError } from "../tree/TreeError.ts"

export type SyncError = GraphError | ContentError | TreeError

const firstPause = 1_000
const longestPause = 5 * 60_000

/** Exponential back-off with full jitter between half and all of 1 s · 2^attempts, at most 5 min; in milliseconds. */
export const backOff = (attempts: number): Effect.Effect<number> =>
  Effect.map(Random.next, (random) => {
    const longest = Math.min(longestPause, firstPause * 2 ** Math.min(attempts, 16))
    return Math.round(longest * (0.5 + random / 2))
  })

/** Parked until the drive has room again; recognised by its text after a restart. */
export const quotaReason = "the drive is full: free space or buy more, this change is sent when there is room"

/** Why a refusal will not pass by itself, in words a person can act on; undefined when it may pass. */
export const parkReason = (error: SyncError): string | undefined => {
  if (error._tag !== "GraphError") return undefined
  const { reason } = error
  switch (reason._tag) {
    case "QuotaExceeded":
      return quotaReason
    case "Forbidden":
      return `the server does not allow this (${reason.code}): the folder may be read-only or shared without the right to edit`
    case "TooLarge":
      return `too large for this drive, or its path is too long (${reason.code}): shorten the path or split the file`
    case "InvalidRequest":
      return `the server refuses this name or change (${reason.code}: ${reason.detail}): rename the item to try again`
    default:
      return undefined
  }
}

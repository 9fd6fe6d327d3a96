/**
 * What a client may ask for in a minute: resource units, and bytes. Both are token buckets that refill all the time. Who
 * asks again before the Retry-After of a refusal is over is blocked, when the scenario says so.
 */
import { json } from "./Call.ts"
import type { DriveResponse, HeaderRecord } from "./Exchange.ts"
import type { Scenario } from "./Scenario.ts"

export interface Throttle {
  /** Takes `cost` units: headers for the reply, or the refusal. `now` in milliseconds since the epoch. */
  spend(cost: number, isTransfer: boolean, now: number): DriveResponse | HeaderRecord
  /** Counts bytes that went over the wire. */
  carry(bytes: number): void
}

interface Bucket {
  readonly left: number
  readonly at: number
}

const minute = 60_000

const refill = ({ left, at }: Bucket, limit: number, now: number): Bucket => ({
  left: Math.min(limit, left + (Math.max(0, now - at) / minute) * limit),
  at: now
})

export const makeThrottle = (limits: Scenario["throttle"], since: number): Throttle => {
  if (limits === null) return { spend: () => ({}), carry: () => {} }
  const { unitsPerMinute, retryAfter, block = 0, bytesPerMinute } = limits
  let units: Bucket = { left: unitsPerMinute, at: since }
  let bytes: Bucket = { left: bytesPerMinute ?? 0, at: since }
  /** Until when a refused client has to wait, and until when one is blocked. */
  let [refusedUntil, blockedUntil] = [0, 0]

  const wait: HeaderRecord = retryAfter === 0 ? {} : { "retry-after": String(retryAfter) }

  const rate = (left: number, reset: number): HeaderRecord => ({
    "ratelimit-limit": String(unitsPerMinute),
    "ratelimit-remaining": String(Math.floor(left)),
    "ratelimit-reset": String(reset)
  })

  const refuse = (now: number, status: number, headers: HeaderRecord): DriveResponse => {
    refusedUntil = now + retryAfter * 1000
    return refusal(status, "activityLimitReached", headers)
  }

  return {
    carry: (count) => {
      bytes = { ...bytes, left: bytes.left - count }
    },
    spend: (cost, isTransfer, now) => {
      if (block > 0 && (now < blockedUntil || (cost > 0 && now < refusedUntil))) {
        blockedUntil = Math.max(blockedUntil, now + block * 1000)
        return refusal(503, "serviceNotAvailable", { "retry-after": String(Math.ceil((blockedUntil - now) / 1000)) })
      }
      if (bytesPerMinute !== undefined) {
        bytes = refill(bytes, bytesPerMinute, now)
        if (isTransfer && bytes.left <= 0) return refuse(now, 509, wait)
      }
      if (cost === 0) return {}
      const filled = refill(units, unitsPerMinute, now)
      const reset = Math.ceil(((unitsPerMinute - filled.left) / unitsPerMinute) * 60)
      if (filled.left < cost) {
        units = filled
        return refuse(now, 429, { ...rate(0, reset), ...wait })
      }
      units = { left: filled.left - cost, at: now }
      return units.left <= unitsPerMinute * 0.2 ? rate(units.left, reset) : {}
    }
  }
}

const refusal = (status: number, code: string, headers: HeaderRecord): DriveResponse => {
  const message = status === 503 ? "The client has been blocked for a while." : "The app or user has been throttled."
  const innerError = status === 503 ? {} : { innerError: { code: "throttledRequest" } }
  return json(status, { error: { code, message, ...innerError } }, headers)
}

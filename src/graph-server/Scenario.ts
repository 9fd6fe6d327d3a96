/**
 * How the drive behaves as a service: how long answers take, how fast bodies flow, and how much a client may ask for.
 * Times are milliseconds, rates bytes per second per connection.
 */
import { Schema } from "effect"

const Latency = Schema.Struct({
  /** Half of the calls take at most this long. */
  median: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 600_000 })),
  /** 95 of a hundred take at most this long; in between it is log-normal. */
  p95: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 600_000 })),
  /** 99 of a hundred: a tail that is longer than log-normal. Absent continues as before. */
  p99: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 600_000 })))
})

const Throttle = Schema.Struct({
  /** Resource units per minute (Microsoft Graph, "Avoid getting throttled in SharePoint Online"). */
  unitsPerMinute: Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 1e9 })),
  /** Seconds that Retry-After tells; 0 leaves the header out. */
  retryAfter: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400 })),
  /** Seconds of 503 for a client that asks again before Retry-After is over; absent or 0 forgives. */
  block: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400 }))),
  /** Bytes of bodies per minute, both ways; past it transfers answer 509. Absent is unlimited. */
  bytesPerMinute: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 1e15 })))
})

export const Scenario = Schema.Struct({
  /** Calls for metadata and changes. */
  metadata: Latency,
  /** Pages of a delta that lists everything, per item asked for; those of changes count as metadata. */
  enumerationPerItem: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 60_000 })),
  /** Until the first byte of a download or the first of an upload is taken. */
  transfer: Latency,
  /** 0 is unlimited. */
  downloadRate: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1e12 })),
  uploadRate: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1e12 })),
  /** Of all connections together, both ways. Absent or 0 is unlimited. */
  totalRate: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1e12 }))),
  /** A change shows in delta after a random time of at most so many milliseconds. */
  visibility: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 3_600_000 }))),
  throttle: Schema.NullOr(Throttle)
})
export type Scenario = typeof Scenario.Type

const mebibyte = 1024 * 1024
const none = { median: 0, p95: 0 }

export const presets = {
  /** As fast as it goes. */
  none: { metadata: none, enumerationPerItem: 0, transfer: none, downloadRate: 0, uploadRate: 0, throttle: null },
  /** A server in the same building. */
  lan: {
    metadata: { median: 3, p95: 8 },
    enumerationPerItem: 0,
    transfer: { median: 5, p95: 12 },
    downloadRate: 100 * mebibyte,
    uploadRate: 100 * mebibyte,
    throttle: null
  },
  /** The public service on a good line, as reported. */
  realistic: {
    metadata: { median: 120, p95: 400, p99: 1500 },
    enumerationPerItem: 8,
    transfer: { median: 200, p95: 600 },
    downloadRate: 7 * mebibyte,
    uploadRate: 2.5 * mebibyte,
    totalRate: 30 * mebibyte,
    visibility: 3_000,
    throttle: { unitsPerMinute: 1250, retryAfter: 30 }
  },
  /** Far away and thin. */
  satellite: {
    metadata: { median: 750, p95: 1500 },
    enumerationPerItem: 10,
    transfer: { median: 900, p95: 2000 },
    downloadRate: 1.2 * mebibyte,
    uploadRate: 0.25 * mebibyte,
    visibility: 3_000,
    throttle: { unitsPerMinute: 1250, retryAfter: 30 }
  },
  /** Everybody comes in at nine: slow, and soon throttled. */
  "office-monday": {
    metadata: { median: 350, p95: 2500 },
    enumerationPerItem: 12,
    transfer: { median: 500, p95: 4000 },
    downloadRate: 2 * mebibyte,
    uploadRate: 0.8 * mebibyte,
    visibility: 20_000,
    throttle: { unitsPerMinute: 300, retryAfter: 120, block: 300 }
  }
} as const satisfies Record<string, Scenario>

export type Preset = keyof typeof presets

export const isPreset = (name: string): name is Preset => Object.hasOwn(presets, name)

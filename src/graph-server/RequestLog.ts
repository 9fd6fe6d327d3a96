/** What was asked and answered, for tests to assert on. Keeps the newest entries only, and counts all of them. */
import { Context, Effect, Layer } from "effect"
import type { DriveRequest } from "./Exchange.ts"

/** How a request ended without a status: the connection was cut, or the client went away first. */
export type LoggedStatus = number | "pending" | "cut" | "interrupted"

/** One request and what came of it. */
export interface LoggedRequest {
  readonly method: string
  /** Raw path and query. */
  readonly url: string
  readonly status: LoggedStatus
  /** Bytes of the bodies that went over the wire so far. */
  readonly received: number
  readonly sent: number
  /** The scripted fault that befell it. */
  readonly fault?: string
}

/** Sums since the start; what the log has forgotten is in them. */
export interface RequestCounters {
  readonly requests: number
  /** Requests by their `LoggedStatus`. */
  readonly byStatus: Readonly<Record<string, number>>
  readonly bytesReceived: number
  readonly bytesSent: number
}

/** The entry of a request that is being served. */
export interface OpenEntry {
  readonly receive: (bytes: number) => void
  readonly send: (bytes: number) => void
  readonly befall: (fault: string) => void
  /** May be said again: a reply that was begun can still break off. */
  readonly end: (status: LoggedStatus) => void
}

const capacity = 10_000

export class RequestLog extends Context.Service<
  RequestLog,
  {
    /** Oldest first, at most 20,000. */
    readonly entries: Effect.Effect<ReadonlyArray<LoggedRequest>>
    /** How many of the kept entries match; method in upper case. */
    count(method: string, url?: RegExp): Effect.Effect<number>
    readonly counters: Effect.Effect<RequestCounters>
    /** Requests since the start, the forgotten ones included. */
    readonly total: Effect.Effect<number>
    /** Forgets the entries; the counters go on. */
    readonly clear: Effect.Effect<void>
    open(request: DriveRequest): OpenEntry
  }
>()("onemount/graph-server/RequestLog") {
  static readonly layer = Layer.sync(RequestLog, () => makeRequestLog())
}

type Entry = { -readonly [Key in keyof LoggedRequest]: LoggedRequest[Key] }

const makeRequestLog = (): RequestLog["Service"] => {
  const entries: Array<Entry> = []
  const byStatus = new Map<LoggedStatus, number>()
  const sums = { requests: 0, bytesReceived: 0, bytesSent: 0 }

  const add = (status: LoggedStatus, count: number): void => {
    const sum = (byStatus.get(status) ?? 0) + count
    if (sum === 0) byStatus.delete(status)
    else byStatus.set(status, sum)
  }

  return RequestLog.of({
    entries: Effect.sync(() => entries.map((entry) => ({ ...entry }))),
    count: (method, url) =>
      Effect.sync(() => entries.filter((entry) => entry.method === method && (url?.test(entry.url) ?? true)).length),
    counters: Effect.sync(() => ({ ...sums, byStatus: Object.fromEntries(byStatus) })),
    total: Effect.sync(() => sums.requests),
    clear: Effect.sync(() => void entries.splice(0)),
    open: ({ method, url }) => {
      const entry: Entry = { method, url, status: "pending", received: 0, sent: 0 }
      sums.requests++
      add("pending", 1)
      entries.push(entry)
      // Dropping half at a time keeps the cost of forgetting constant per request.
      if (entries.length > 2 * capacity) entries.splice(0, entries.length - capacity)
      return {
        receive: (bytes) => {
          entry.received += bytes
          sums.bytesReceived += bytes
        },
        send: (bytes) => {
          entry.sent += bytes
          sums.bytesSent += bytes
        },
        befall: (fault) => {
          entry.fault = fault
        },
        end: (status) => {
          add(entry.status, -1)
          add(status, 1)
          entry.status = status
        }
      }
    }
  })
}

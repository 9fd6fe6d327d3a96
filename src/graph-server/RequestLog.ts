/** What was asked and answered, for tests to assert on. Keeps the newest entries only. */
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
}

/** The entry of a request that is being served. */
export interface OpenEntry {
  status: LoggedStatus
  received: number
  sent: number
}

const capacity = 10_000

export class RequestLog extends Context.Service<
  RequestLog,
  {
    /** Oldest first, at most 10,000. */
    readonly entries: Effect.Effect<ReadonlyArray<LoggedRequest>>
    /** How many of the kept entries match; method in upper case. */
    count(method: string, url?: RegExp): Effect.Effect<number>
    /** Requests since the start, the forgotten ones included. */
    readonly total: Effect.Effect<number>
    readonly clear: Effect.Effect<void>
    open(request: DriveRequest): OpenEntry
  }
>()("onemount/graph-server/RequestLog") {
  static readonly layer = Layer.sync(RequestLog, () => {
    const entries: Array<LoggedRequest> = []
    let total = 0
    return RequestLog.of({
      entries: Effect.sync(() => entries.map((entry) => ({ ...entry }))),
      count: (method, url) =>
        Effect.sync(() => entries.filter((entry) => entry.method === method && (url?.test(entry.url) ?? true)).length),
      total: Effect.sync(() => total),
      clear: Effect.sync(() => void entries.splice(0)),
      open: ({ method, url }) => {
        total++
        const entry = { method, url, status: "pending" as LoggedStatus, received: 0, sent: 0 }
        entries.push(entry)
        // Dropping half at a time keeps the cost of forgetting constant per request.
        if (entries.length > 2 * capacity) entries.splice(0, entries.length - capacity)
        return entry
      }
    })
  })
}

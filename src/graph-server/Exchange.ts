/** One request and its reply, independent of how they travel: in process or over HTTP. */
import { Schema, type Stream } from "effect"

/** Header names in lower case. */
export type HeaderRecord = Readonly<Record<string, string>>

export interface DriveRequest {
  /** Upper case. */
  readonly method: string
  /** Scheme and authority the client came in under, without a trailing slash; links in replies start with it. */
  readonly origin: string
  /** Path and query exactly as sent, never normalised or decoded. */
  readonly url: string
  readonly headers: HeaderRecord
  /** Whether it came from another machine. */
  readonly isRemote?: boolean
  /** A failure of this stream means that the client went away. */
  readonly body: Stream.Stream<Uint8Array, unknown>
}

export interface DriveResponse {
  readonly status: number
  readonly headers: HeaderRecord
  readonly body: Uint8Array | Stream.Stream<Uint8Array, ConnectionCut>
}

/** The connection ends before the reply is complete: a scripted fault, or content that cannot be read. */
export class ConnectionCut extends Schema.TaggedError<ConnectionCut>()("ConnectionCut", {
  message: Schema.String
}) {}

/** One request and its reply, independent of how they travel: in process or over HTTP. */
import { Schema, type Stream } from "effect"

/** Header names in lower case. */
export type HeaderRecord = Readonly<Record<string, string>>

/** What a 410 says: take the server's state, or upload what the server does not list; each has two names. */
export const resyncKinds = [
  "resyncApplyDifferences",
  "resyncUploadDifferences",
  "resyncChangesApplyDifferences",
  "resyncChangesUploadDifferences"
] as const

export type ResyncKind = (typeof resyncKinds)[number]

/** What a fault makes the drive do differently for one request. */
export interface Quirks {
  /** Shows things as they were so many milliseconds ago: delta and search. */
  readonly lag?: number
  /** How far the drive's clock is off, in milliseconds, in everything the reply says. */
  readonly skew?: number
  /** How long a subscription to a notification socket lives, in milliseconds. */
  readonly subscriptionLifetime?: number
  /** Items on a page, whatever was asked for. */
  readonly pageLimit?: number
  /** Delta says that its token is too old, in one of the ways it has to say so. */
  readonly resync?: ResyncKind
  /** Files that were changed within the last so many milliseconds have no hash yet. */
  readonly hashDelay?: number
  /** The upload session is over before its request is looked at. */
  readonly endsSession?: boolean
  /** The last fragment finds its name taken; the bytes stay, as with any such conflict. */
  readonly refusesCommit?: boolean
  /** The server changes an Office file after its upload (DriveSettings.rewriteOffice). */
  readonly rewritesOffice?: boolean
  /** Keeps the part of an upload fragment that arrived, although the connection broke. */
  readonly keepsPart?: boolean
  /** A download URL leads to what the item holds now, not to what it held when the URL was made. */
  readonly currentContent?: boolean
  /** Upload and download URLs refuse an Authorization header, as some of the service's hosts do. */
  readonly refusesAuthorization?: boolean
}

/** One request, whichever face it came by. */
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
  /** Whether it is a part of a batch. */
  readonly isPart?: boolean
  readonly quirks?: Quirks
  /** A failure of this stream means that the client went away. */
  readonly body: Stream.Stream<Uint8Array, unknown>
}

/** Its reply; a stream is read once, while it is sent. */
export interface DriveResponse {
  readonly status: number
  readonly headers: HeaderRecord
  readonly body: Uint8Array | Stream.Stream<Uint8Array, ConnectionCut>
}

/** The connection ends before the reply is complete: a scripted fault, or content that cannot be read. */
export class ConnectionCut extends Schema.TaggedError<ConnectionCut>()("ConnectionCut", {
  message: Schema.String
}) {}

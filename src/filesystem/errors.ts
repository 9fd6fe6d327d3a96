/** How the errors of the layers below look to a filesystem call. */
import type { ContentError } from "../content/ContentError.ts"
import type { GraphError } from "../graph/GraphError.ts"
import type { TreeError } from "../tree/TreeError.ts"
import { FsError, type FsErrorReason } from "./FsError.ts"

const ofTree: Record<TreeError["reason"], FsErrorReason> = {
  NotFound: "NotFound",
  Exists: "Exists",
  NotDirectory: "NotDirectory",
  IsDirectory: "IsDirectory",
  NotEmpty: "NotEmpty",
  // rename(2): a directory into itself or below is EINVAL; ELOOP is for symbolic links.
  Loop: "InvalidArgument",
  NotLocal: "CrossDevice",
  NoSpace: "NoSpace",
  Storage: "Io"
}

const ofContent: Record<ContentError["reason"], FsErrorReason> = {
  Gone: "Stale",
  NoSpace: "NoSpace",
  Incomplete: "Io",
  Corrupt: "Io",
  Stale: "Stale",
  Io: "Io",
  Unsupported: "NotSupported"
}

const ofGraph: Record<GraphError["reason"]["_tag"], FsErrorReason> = {
  Unauthenticated: "AccessDenied",
  Forbidden: "AccessDenied",
  // The directory is gone at the server, which does not mean that an entry of it is absent.
  NotFound: "Stale",
  NameExists: "Exists",
  PreconditionFailed: "Busy",
  RangeInvalid: "Io",
  ResyncRequired: "Busy",
  Throttled: "Busy",
  QuotaExceeded: "NoSpace",
  Locked: "Busy",
  TooLarge: "PathTooLong",
  InvalidRequest: "Io",
  SessionGone: "Io",
  Unreachable: "Offline",
  TimedOut: "TimedOut",
  ServerFailure: "Io",
  Malformed: "Io"
}

const failure = (reason: FsErrorReason, cause: Error): FsError => new FsError({ reason, detail: cause.message })

export const fromTree = (error: TreeError): FsError => failure(ofTree[error.reason], error)

export const fromContent = (error: ContentError): FsError => failure(ofContent[error.reason], error)

/** A listing that had to be asked for: what the server or the tree made of it. */
export const fromListing = (error: GraphError | TreeError): FsError =>
  error._tag === "TreeError" ? fromTree(error) : failure(ofGraph[error.reason._tag], error)

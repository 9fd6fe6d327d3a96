/** What a reader is told when its bytes cannot be had. Values of errno(3) on this machine. */
import { constants } from "node:os"
import type { ContentError } from "../content/ContentError.ts"
import type { GraphError } from "../graph/GraphError.ts"
import type { TreeError } from "../tree/TreeError.ts"

export type TransferError = GraphError | ContentError | TreeError

export const { EIO, ESTALE, ENETUNREACH } = constants.errno

/**
 * ESTALE: the version is gone. ENETUNREACH: no connection. EACCES: signed out or no right. ENOSPC: no room here. EIO:
 * everything else, wrong bytes above all.
 */
export const errnoOf = (error: TransferError): number => {
  if (error._tag === "GraphError") return errnoOfGraph(error)
  switch (error.reason) {
    case "NoSpace":
      return constants.errno.ENOSPC
    case "Gone":
    case "Stale":
    case "NotFound":
      return ESTALE
    default:
      return EIO
  }
}

const errnoOfGraph = (error: GraphError): number => {
  switch (error.reason._tag) {
    case "NotFound":
    case "PreconditionFailed":
      return ESTALE
    case "Unreachable":
      return ENETUNREACH
    case "Unauthenticated":
    case "Forbidden":
      return constants.errno.EACCES
    default:
      return EIO
  }
}

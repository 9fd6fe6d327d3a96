/**
 * The first meeting with a drive. A known drive mounts without its server; one that was never listed would be a folder
 * that answers every look with an error, so it is refused with the reason instead.
 */
import { Effect, Layer, Schema } from "effect"
import type { GraphError } from "../graph/GraphError.ts"
import { rootIno } from "../tree/Item.ts"
import { Sync } from "./Sync.ts"

/**
 * Why nothing can be shown of a drive. `SignIn`: the token is refused. `Unreachable`: no connection or no answer.
 * `NotADrive`: what answers is something else. `Refused`: the server has a problem, or the tree could not be written.
 */
export class FirstContactError extends Schema.TaggedError<FirstContactError>()("FirstContactError", {
  reason: Schema.Literals(["SignIn", "Unreachable", "NotADrive", "Refused"]),
  message: Schema.String
}) {}

export interface FirstContactOptions {
  /** Where the drive is, for people. */
  readonly url: string
  /** Longest wait for the listing, in milliseconds. */
  readonly limit: number
}

/** Lists the root unless it is known. */
export const layer = ({ limit, url }: FirstContactOptions): Layer.Layer<never, FirstContactError, Sync> =>
  Layer.effectDiscard(
    Effect.flatMap(Sync, (sync) => sync.loadChildren(rootIno)).pipe(
      Effect.mapError((error) =>
        error._tag === "GraphError" ? explain(url, error) : refused("Refused", `${url} cannot be listed`, error.message)
      ),
      Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(silent(url, limit)) })
    )
  )

const silent = (url: string, limit: number): FirstContactError =>
  refused(
    "Unreachable",
    `nothing is known of this drive yet, and ${url} did not list it within ${limit / 1000} s`,
    "check the address and the connection, then mount again"
  )

const refused = (reason: FirstContactError["reason"], what: string, advice: string): FirstContactError =>
  new FirstContactError({ reason, message: `${what}: ${advice}` })

const explain = (url: string, error: GraphError): FirstContactError => {
  const again = "then mount again"
  if (error.reason._tag === "Unauthenticated") {
    return refused("SignIn", `${url} refuses the token`, `put a fresh one into the token file, ${again}`)
  }
  if (error.offline) {
    const what = `nothing is known of this drive yet, and ${url} cannot be reached (${error.message})`
    return refused("Unreachable", what, `check the address and the connection, ${again}`)
  }
  if (error.reason._tag === "Malformed" || error.reason._tag === "NotFound") {
    const what = `what answers at ${url} is not the Graph API of a drive (${error.message})`
    return refused("NotADrive", what, `check the address (--graph-url, graph.url), ${again}`)
  }
  return refused("Refused", `the server at ${url} does not list the drive (${error.message})`, "mount again later")
}

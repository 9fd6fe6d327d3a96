/** How failures of the binding, the disk, the database and the tree look to users of the content store. */
import { Effect } from "effect"
import { FuseError } from "@onemount/fuse-native"
import { fromCause } from "../platform/SqliteError.ts"
import type { TreeError } from "../tree/TreeError.ts"
import { ContentError } from "./ContentError.ts"

const reasons: Readonly<Record<string, ContentError["reason"]>> = {
  ENOSPC: "NoSpace",
  EDQUOT: "NoSpace",
  EBADF: "Gone",
  ENODEV: "Gone",
  // One number on Linux, two names.
  EOPNOTSUPP: "Unsupported",
  ENOTSUP: "Unsupported"
}

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** Undefined for what neither the system nor SQLite caused: a mistake of ours. */
export const fromThrown = (what: string, cause: unknown): ContentError | undefined => {
  if (cause instanceof ContentError) return cause
  const sqlite = fromCause("the database", cause)
  if (sqlite !== undefined) {
    return new ContentError({
      reason: sqlite.reason === "Full" ? "NoSpace" : "Io",
      detail: `${what}: ${sqlite.message}`
    })
  }
  const code = codeOf(cause)
  if (code === undefined || !(cause instanceof FuseError || code.startsWith("E"))) return undefined
  const message = cause instanceof Error ? cause.message : code
  return new ContentError({ reason: reasons[code] ?? "Io", detail: `${what}: ${message}` })
}

const fail = (what: string, cause: unknown): Effect.Effect<never, ContentError> => {
  const error = fromThrown(what, cause)
  return error === undefined ? Effect.die(cause) : Effect.fail(error)
}

/** Runs synchronous work on files, table or database; `what` names it in errors. */
export const attempt = <A>(what: string, f: () => A): Effect.Effect<A, ContentError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(f())
    } catch (cause) {
      return fail(what, cause)
    }
  })

/** As `attempt`, for a wait that may be left: what it waits for needs nothing of the caller. */
export const attemptWait = <A>(what: string, f: () => Promise<A>): Effect.Effect<A, ContentError> =>
  Effect.catch(Effect.tryPromise({ try: f, catch: (cause) => ({ cause }) }), ({ cause }) => fail(what, cause))

/** As `attempt`, for work off the JavaScript thread. It is not interrupted: its buffers and files stay in use. */
export const attemptPromise = <A>(what: string, f: () => Promise<A>): Effect.Effect<A, ContentError> =>
  Effect.uninterruptible(attemptWait(what, f))

export const fromTree = (error: TreeError): ContentError => {
  const reason = error.reason === "NoSpace" ? "NoSpace" : error.reason === "NotFound" ? "Gone" : "Io"
  return new ContentError({ reason, detail: error.message })
}

/**
 * Power-loss safety: what only the redo log has is committed, then the write-ahead log synced, off the main thread and
 * grouped. SQLite itself syncs the database file before it reuses that log, so it is all that may be missing on the disk.
 */
import { open } from "node:fs/promises"
import { Effect, Exit, Semaphore } from "effect"
import type { Database } from "../platform/Sqlite.ts"
import { TreeError } from "./TreeError.ts"

const syncFile = (path: string): Effect.Effect<void, TreeError> =>
  Effect.tryPromise({
    try: () => open(path, "r").then((file) => file.sync().finally(() => file.close())),
    catch: (cause) => new TreeError({ reason: "Storage", detail: `cannot sync ${path}: ${String(cause)}` })
  })

/**
 * Callers that come while a sync runs share the next one, which starts after they called. All that a sync covers get
 * its result: after a failed fsync the kernel may report success for pages that it dropped (fsync(2), NOTES).
 */
export const makeGroupedSync = (sync: Effect.Effect<void, TreeError>): Effect.Effect<Effect.Effect<void, TreeError>> =>
  Effect.map(Semaphore.make(1), (semaphore) => {
    let requested = 0
    let covered = 0
    let outcome: Exit.Exit<void, TreeError> = Exit.void
    return Effect.suspend(() => {
      const ticket = ++requested
      const leadOrShare = Effect.suspend(() => {
        if (ticket <= covered) return outcome
        const upTo = requested
        return Effect.onExit(sync, (exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit) && Exit.hasInterrupts(exit)) return
            covered = upTo
            outcome = exit
          })
        )
      })
      return semaphore.withPermit(leadOrShare)
    })
  })

export const makeFlushToDisk = (db: Database): Effect.Effect<Effect.Effect<void, TreeError>> => {
  const commit = Effect.mapError(db.commit, ({ message, reason }) => {
    return new TreeError({ reason: reason === "Full" ? "NoSpace" : "Storage", detail: message })
  })
  return makeGroupedSync(Effect.andThen(commit, syncFile(`${db.path}-wal`)))
}

/**
 * One download job: bytes of one version from the server into one body.
 *
 * Every request names the version (cTag) it wants, so bytes of two versions never meet. A whole job keeps its bytes
 * in memory until length and hash are right; a range job fills what arrives and continues after a transient failure
 * where it stopped. A job ends when nothing came for the limit, not when it took long.
 */
import { Cause, Clock, Effect, Stream } from "effect"
import { ContentError } from "../content/ContentError.ts"
import type { ContentStore } from "../content/ContentStore.ts"
import type { GraphClient } from "../graph/GraphClient.ts"
import { GraphError, TimedOut, Unreachable } from "../graph/GraphError.ts"
import { quickXorHash } from "../platform/QuickXorHash.ts"
import type { TransferError } from "./errno.ts"
import type { Job } from "./JobQueue.ts"
import type { Version } from "./versions.ts"

export interface JobContext {
  readonly graph: GraphClient["Service"]
  readonly content: ContentStore["Service"]
  readonly offline: () => boolean
  /** Longest time without a byte before the job fails, in milliseconds. */
  readonly patience: number
}

/** Patience while there is no connection, in milliseconds. */
const offlinePatience = 1_000
const firstPause = 500
const longestPause = 5_000

export const runJob = Effect.fnUntraced(function* (context: JobContext, job: Job, version: Version) {
  const progress = { at: yield* Clock.currentTimeMillis }
  const transfer = job.whole
    ? downloadWhole(context, job, version, progress)
    : downloadRange(context, job, version, progress)
  return yield* Effect.raceFirst(transfer, watchdog(context, progress))
})

interface Progress {
  at: number
  failure?: GraphError
}

/** Fails when no byte came for longer than the patience. */
const watchdog = Effect.fnUntraced(function* (
  context: JobContext,
  progress: Progress
): Effect.fn.Return<never, GraphError> {
  while (true) {
    const limit = context.offline() ? Math.min(offlinePatience, context.patience) : context.patience
    const now = yield* Clock.currentTimeMillis
    // A clock that was set back would make the patience as much longer.
    progress.at = Math.min(progress.at, now)
    const idle = now - progress.at
    if (idle >= limit) return yield* progress.failure ?? silence(context, limit)
    yield* Effect.sleep(Math.min(limit - idle, offlinePatience))
  }
})

const silence = (context: JobContext, limit: number): GraphError =>
  new GraphError({
    operation: "download",
    status: 0,
    requestId: "",
    reason: context.offline() ? new Unreachable({ detail: "offline", sent: false }) : new TimedOut({ limit })
  })

/** Repeats `attempt` after transient failures; the watchdog ends it. */
const persistently = <A, E>(
  context: JobContext,
  progress: Progress,
  attempt: Effect.Effect<A, E | GraphError>
): Effect.Effect<A, E | GraphError> => {
  const loop = (pause: number): Effect.Effect<A, E | GraphError> =>
    Effect.catch(attempt, (error) => {
      if (!(error instanceof GraphError) || !error.transient) return Effect.fail(error)
      if (error.offline && context.offline()) return Effect.fail(error)
      progress.failure = error
      return Effect.andThen(Effect.sleep(pause), loop(Math.min(longestPause, pause * 2)))
    })
  return loop(firstPause)
}

const downloadRange = (context: JobContext, job: Job, version: Version, progress: Progress) =>
  persistently(
    context,
    progress,
    Effect.suspend(() => {
      const range = { offset: job.offset, length: job.end - job.offset }
      if (range.length === 0) return Effect.void
      return Stream.runForEach(
        context.graph.download(version.id, version.cTag, range),
        Effect.fnUntraced(function* (bytes) {
          yield* context.content.fill(job.body.content, job.offset, bytes)
          job.offset += bytes.length
          progress.at = yield* Clock.currentTimeMillis
        })
      )
    })
  )

/** Wrong bytes get one more try: a proxy's page or a torn transfer is not the server's word. */
const downloadWhole = (context: JobContext, job: Job, version: Version, progress: Progress) =>
  Effect.gen(function* () {
    const bytes = yield* Effect.catchIf(
      fetchVerified(context, version, progress),
      (error) => error._tag === "ContentError" && error.reason === "Corrupt",
      () => fetchVerified(context, version, progress)
    )
    yield* fillMissing(context, job, bytes)
    job.offset = job.end
  })

const fetchVerified = Effect.fnUntraced(function* (
  context: JobContext,
  version: Version,
  progress: Progress
): Effect.fn.Return<Uint8Array, GraphError | ContentError> {
  const bytes = yield* persistently(context, progress, fetchAll(context, version, progress))
  const hash = version.hash === null ? null : quickXorHash(bytes)
  if (hash === version.hash) return bytes
  return yield* new ContentError({ reason: "Corrupt", detail: `hash is ${hash}, the server says ${version.hash}` })
})

const fetchAll = Effect.fnUntraced(function* (context: JobContext, version: Version, progress: Progress) {
  const bytes = new Uint8Array(version.size)
  if (version.size === 0) return bytes
  let position = 0
  yield* Stream.runForEach(
    context.graph.download(version.id, version.cTag, { offset: 0, length: version.size }),
    Effect.fnUntraced(function* (chunk) {
      if (position + chunk.length > bytes.length) return yield* wrongLength(version, position + chunk.length)
      bytes.set(chunk, position)
      position += chunk.length
      progress.at = yield* Clock.currentTimeMillis
    })
  )
  return position === bytes.length ? bytes : yield* wrongLength(version, position)
})

const wrongLength = (version: Version, received: number) =>
  new ContentError({ reason: "Corrupt", detail: `${received} bytes came, the server says ${version.size}` })

/** Fills only what the body misses: an edited body may be longer or shorter than the version it derives from. */
const fillMissing = Effect.fnUntraced(function* (context: JobContext, job: Job, bytes: Uint8Array) {
  const { content } = job.body
  let missing = context.content.missing(content, 0)
  while (missing !== undefined && missing.offset < bytes.length) {
    const end = Math.min(bytes.length, missing.offset + missing.length)
    yield* context.content.fill(content, missing.offset, bytes.subarray(missing.offset, end))
    missing = context.content.missing(content, end)
  }
})

/** What a job's defect looks like to those who wait for it; the cause itself is logged where the job ran. */
export const asTransferError = (cause: Cause.Cause<TransferError>): TransferError => {
  const failure = cause.reasons.find(Cause.isFailReason)
  return failure === undefined
    ? new ContentError({ reason: "Io", detail: Cause.hasInterruptsOnly(cause) ? "stopped" : "internal error" })
    : failure.error
}

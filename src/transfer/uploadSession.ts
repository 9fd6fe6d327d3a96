/**
 * Upload sessions: a large body in fragments, resumable for as long as the server keeps the session.
 *
 * Where to go on is always the server's word (`uploadStatus`), never a counter of ours: after every failure it is
 * asked first, so that a fragment whose reply was lost is not sent twice. The session is on record before its first
 * fragment, so that a restart finds it.
 */
import { Clock, Effect, Random } from "effect"
import type { Snapshot } from "../content/ContentStore.ts"
import type { DriveItem } from "../graph/DriveItem.ts"
import {
  type FragmentResult,
  fragmentUnit,
  type GraphClient,
  type UploadSession,
  type UploadTarget
} from "../graph/GraphClient.ts"
import { GraphError } from "../graph/GraphError.ts"
import type { Ino } from "../tree/Item.ts"
import type { UploadPlace, UploadProgress } from "../tree/Journal.ts"
import type { Tree } from "../tree/Tree.ts"
import type { TransferError } from "./errno.ts"
import { readSnapshot } from "./snapshotBytes.ts"

/** 10 MiB, the size Graph recommends: a multiple of the unit, small enough to lose. */
export const fragmentBytes = 32 * fragmentUnit
/** Failures in a row without an accepted byte before the upload is left for later. */
const patience = 5
const firstPause = 1_000

export interface SessionContext {
  readonly graph: GraphClient["Service"]
  readonly tree: Tree["Service"]
  /** Called with the bytes the server has, for statistics. */
  readonly onProgress: (bytes: number) => void
}

export interface SessionUpload {
  readonly ino: Ino
  readonly target: UploadTarget
  readonly snapshot: Snapshot
}

/** Where a new file is to appear; null for a new version. */
export const placeOf = (target: UploadTarget): UploadPlace | null =>
  target._tag === "New" ? { parent: target.parent, name: target.name } : null

/** A fresh session, on record. */
export const beginSession = Effect.fnUntraced(function* (context: SessionContext, upload: SessionUpload) {
  const { ino, snapshot, target } = upload
  const { generation, hash, size } = snapshot
  const options = { size, fileSystemInfo: { modified: snapshot.mtime } }
  const session = yield* context.graph.createUploadSession(target, options)
  yield* context.tree.saveUpload({
    ino,
    generation,
    url: session.url,
    expires: session.expires,
    hash,
    size,
    place: placeOf(target)
  })
  return session
})

/** A session from before, if the server still has it; SessionGone otherwise. */
export const resumeSession = (context: SessionContext, progress: UploadProgress) =>
  context.graph.uploadStatus({ url: progress.url, expires: progress.expires, nextOffset: 0 })

/** Sends what the server does not have yet, fragment after fragment. */
export const sendFragments = Effect.fnUntraced(function* (
  context: SessionContext,
  upload: SessionUpload,
  begun: UploadSession
): Effect.fn.Return<DriveItem, TransferError> {
  let session = begun
  let failures = 0
  while (true) {
    context.onProgress(session.nextOffset)
    const sent = yield* Effect.result(sendFragment(context, upload, session))
    if (sent._tag === "Failure") {
      failures++
      session = yield* recover(context, session, sent.failure, failures)
      continue
    }
    if (sent.success._tag === "Completed") return sent.success.item
    if (sent.success.nextOffset > session.nextOffset) failures = 0
    session = { ...session, nextOffset: sent.success.nextOffset, expires: sent.success.expires }
  }
})

const sendFragment = Effect.fnUntraced(function* (
  context: SessionContext,
  { snapshot }: SessionUpload,
  session: UploadSession
): Effect.fn.Return<FragmentResult, TransferError> {
  const offset = session.nextOffset
  const bytes = yield* readSnapshot(snapshot, offset, Math.min(fragmentBytes, snapshot.size - offset))
  return yield* context.graph.uploadFragment(session, { offset, total: snapshot.size, bytes })
})

/** Waits, then asks the server where to go on. Fails with the error when it is final or there were too many. */
const recover = Effect.fnUntraced(function* (
  context: SessionContext,
  session: UploadSession,
  error: TransferError,
  failures: number
): Effect.fn.Return<UploadSession, TransferError> {
  if (!(error instanceof GraphError)) return yield* error
  const misplaced = error.reason._tag === "RangeInvalid"
  if (!(error.transient || misplaced) || failures > patience) return yield* error
  if (!misplaced) yield* Effect.sleep(Math.round(firstPause * 2 ** (failures - 1) * (0.5 + (yield* Random.next) / 2)))
  const status = yield* Effect.catchIf(
    context.graph.uploadStatus(session),
    (failure) => failure.transient,
    () => Effect.succeed(session)
  )
  return { ...session, nextOffset: status.nextOffset, expires: status.expires }
})

/** The recorded session is for these very bytes and not expired. */
export const isResumable = Effect.fnUntraced(function* (progress: UploadProgress, snapshot: Snapshot) {
  if (progress.url === "" || progress.hash !== snapshot.hash || progress.size !== snapshot.size) return false
  return progress.expires > (yield* Clock.currentTimeMillis)
})

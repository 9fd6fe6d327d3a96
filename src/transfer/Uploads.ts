/**
 * Uploads: at most five at a time, each an immutable snapshot of one generation.
 *
 * Model: before anything is sent, what is going to be sent (hash, size, generation) is on record. While a record
 * exists its outcome is unknown, so the next attempt looks at the server first, where they were sent to, and finds out
 * whether the bytes arrived; only the sync loop, having recorded the server's answer, removes the record of a success.
 * The server's item is the truth, also where it rewrote the document on arrival.
 */
import { Effect, Exit, Option, Scope, Semaphore } from "effect"
import { ContentError } from "../content/ContentError.ts"
import { ContentStore, type Snapshot } from "../content/ContentStore.ts"
import type { DriveItem } from "../graph/DriveItem.ts"
import { GraphClient, simpleUploadLimit, type UploadTarget } from "../graph/GraphClient.ts"
import { GraphError } from "../graph/GraphError.ts"
import type { Ino } from "../tree/Item.ts"
import type { UploadProgress } from "../tree/Journal.ts"
import { Tree } from "../tree/Tree.ts"
import { askUntilHeard } from "./doubt.ts"
import type { TransferError } from "./errno.ts"
import { readSnapshot } from "./snapshotBytes.ts"
import type { Uploaded } from "./Transfers.ts"
import {
  beginSession,
  isResumable,
  placeOf,
  resumeSession,
  sendFragments,
  type SessionContext,
  type SessionUpload
} from "./uploadSession.ts"

export interface UploadsConfig {
  /** Uploads that run at a time. */
  readonly concurrency: number
}

export interface Uploads {
  readonly upload: (ino: Ino, target: UploadTarget) => Effect.Effect<Uploaded, TransferError>
  readonly stats: () => { readonly active: number; readonly queued: number; readonly bytes: number }
}

/** A snapshot asks for a complete body; an edit in between may have made a ghost's range missing again. */
const hydrationAttempts = 3

export const makeUploads = Effect.fnUntraced(function* (
  config: UploadsConfig,
  hydrate: (ino: Ino) => Effect.Effect<void, TransferError>
) {
  const graph = yield* GraphClient
  const content = yield* ContentStore
  const tree = yield* Tree
  const permits = yield* Semaphore.make(config.concurrency)
  /** Bytes left to send, by item; items that wait for a permit included. */
  const remaining = new Map<Ino, number>()
  let active = 0

  /** In a scope of its own: a snapshot that failed must not hold the body back until the upload ends. */
  const snapshotOnce = Effect.fnUntraced(function* (ino: Ino) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    return yield* content.snapshot(ino).pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
  })

  const snapshotOf = Effect.fnUntraced(function* (ino: Ino) {
    let attempt = 1
    while (true) {
      const taken = yield* Effect.result(snapshotOnce(ino))
      if (taken._tag === "Success") return taken.success
      if (taken.failure.reason !== "Incomplete" || attempt++ >= hydrationAttempts) return yield* taken.failure
      yield* hydrate(ino)
    }
  })

  /** The item at the target, if it is there. */
  const lookUp = (target: UploadTarget): Effect.Effect<Option.Option<DriveItem>, GraphError> =>
    target._tag === "New"
      ? graph.child(target.parent, target.name)
      : graph.item(target.id).pipe(
          Effect.asSome,
          Effect.catchIf(
            (error) => error.reason._tag === "NotFound",
            () => Effect.succeedNone
          )
        )

  /** The server's item when it holds exactly what the record says was sent. */
  const findSent = Effect.fnUntraced(function* (
    target: UploadTarget,
    sent: { readonly hash: string; readonly size: number }
  ) {
    const found = yield* lookUp(target)
    return Option.filter(found, (item) => item.kind === "file" && item.hash === sent.hash && item.size === sent.size)
  })

  const putWhole = Effect.fnUntraced(function* ({ ino, snapshot, target }: SessionUpload) {
    const { generation, hash, size } = snapshot
    const bytes = yield* readSnapshot(snapshot, 0, size)
    yield* tree.saveUpload({ ino, generation, url: "", expires: 0, hash, size, place: placeOf(target) })
    return yield* graph.putContent(target, bytes)
  })

  const sendSession = Effect.fnUntraced(function* (upload: SessionUpload, progress: UploadProgress | undefined) {
    const { ino, target } = upload
    const context: SessionContext = {
      graph,
      tree,
      onProgress: (sent) => remaining.set(ino, upload.snapshot.size - sent)
    }
    const sameTarget = progress !== undefined && isSame(sentTo(progress, target), target)
    const resumable = sameTarget && (yield* isResumable(progress, upload.snapshot))
    const session = resumable
      ? yield* Effect.catchIf(
          resumeSession(context, progress),
          (error) => error.reason._tag === "SessionGone" || error.reason._tag === "NotFound",
          () => beginSession(context, upload)
        )
      : yield* beginSession(context, upload)
    return yield* sendFragments(context, upload, session)
  })

  /** Created under a name that its file has left for the place of another one, whose next version it is now. */
  const withdraw = (item: DriveItem) =>
    Effect.catchIf(
      graph.delete(item.id, item.eTag),
      (error) => error.reason._tag === "PreconditionFailed",
      () => Effect.void
    )

  /** A session that is of no use any more; the server drops it by itself in time. */
  const abandon = (progress: UploadProgress) =>
    progress.url === ""
      ? Effect.void
      : Effect.ignore(graph.cancelUpload({ url: progress.url, expires: progress.expires, nextOffset: 0 }))

  /** Server time is not the file's time: a simple PUT cannot carry it. */
  const settle = Effect.fnUntraced(function* (item: DriveItem, target: UploadTarget, snapshot: Snapshot) {
    const moved = target._tag === "New" && (item.name !== target.name || item.parentId !== target.parent)
    if (item.modified.sec === snapshot.mtime.sec && !moved) return item
    const patch = {
      fileSystemInfo: { modified: snapshot.mtime },
      ...(moved ? { name: target.name, parent: target.parent } : {})
    }
    return yield* Effect.catch(graph.update(item.id, patch, item.eTag), (error) =>
      Effect.as(Effect.logWarning(`the time of ${item.name} could not be set at the server: ${error.message}`), item)
    )
  })

  const send = Effect.fnUntraced(function* (upload: SessionUpload): Effect.fn.Return<Uploaded, TransferError> {
    const { ino, snapshot, target } = upload
    const progress = tree.upload(ino)
    if (progress !== undefined) {
      const earlier = yield* findSent(sentTo(progress, target), progress)
      if (Option.isSome(earlier)) {
        if (target._tag === "New" || target.id === earlier.value.id)
          return yield* report(upload, earlier.value, progress)
        yield* withdraw(earlier.value)
      }
      if (!(yield* isResumable(progress, snapshot))) yield* abandon(progress)
    }
    const sending = snapshot.size <= simpleUploadLimit ? putWhole(upload) : sendSession(upload, progress)
    const item = yield* Effect.catch(sending, (error) => resolveDoubt(upload, error))
    return yield* report(upload, item, snapshot)
  })

  /** A lost reply, or a session that ended without one: look before saying that it failed. */
  const resolveDoubt = Effect.fnUntraced(function* (
    { ino, snapshot, target }: SessionUpload,
    error: TransferError
  ): Effect.fn.Return<DriveItem, TransferError> {
    if (!(error instanceof GraphError)) return yield* error
    const gone = error.reason._tag === "SessionGone"
    if (!error.ambiguous && !gone && error.reason._tag !== "NameExists") {
      if (!error.transient && error.reason._tag !== "Unauthenticated") yield* tree.dropUpload(ino)
      return yield* error
    }
    const looking =
      target._tag === "New" ? askUntilHeard(tree, ino, findSent(target, snapshot)) : findSent(target, snapshot)
    const found = yield* Effect.mapError(looking, (failure) => (failure.transient ? error : failure))
    if (Option.isSome(found)) return found.value
    if (!error.transient) yield* tree.dropUpload(ino)
    return yield* error
  })

  const report = Effect.fnUntraced(function* (
    { snapshot, target }: SessionUpload,
    item: DriveItem,
    sent: { readonly generation: number; readonly hash: string; readonly size: number }
  ) {
    const settled = yield* settle(item, target, snapshot)
    const uploaded: Uploaded = { item: settled, generation: sent.generation, sentHash: sent.hash, sentSize: sent.size }
    return uploaded
  })

  const run = Effect.fnUntraced(function* (ino: Ino, target: UploadTarget) {
    const snapshot = yield* snapshotOf(ino)
    remaining.set(ino, snapshot.size)
    return yield* Semaphore.withPermits(
      permits,
      1
    )(
      Effect.suspend(() => {
        active++
        return Effect.ensuring(
          send({ ino, target, snapshot }),
          Effect.sync(() => active--)
        )
      })
    )
  })

  const uploads: Uploads = {
    upload: (ino, target) =>
      remaining.has(ino)
        ? Effect.fail(new ContentError({ reason: "Unsupported", detail: `item ${ino} is being uploaded already` }))
        : Effect.scoped(
            Effect.ensuring(
              run(ino, target),
              Effect.sync(() => remaining.delete(ino))
            )
          ),
    stats: () => ({
      active,
      queued: remaining.size - active,
      bytes: [...remaining.values()].reduce((sum, bytes) => sum + bytes, 0)
    })
  }
  return uploads
})

/** Where what is on record was sent to: a file may have been renamed, or have taken another one's place, since. */
const sentTo = ({ place }: UploadProgress, target: UploadTarget): UploadTarget =>
  place === null ? target : { _tag: "New", ...place }

const isSame = (a: UploadTarget, b: UploadTarget): boolean =>
  a._tag === "New"
    ? b._tag === "New" && a.parent === b.parent && a.name === b.name
    : b._tag === "Existing" && a.id === b.id

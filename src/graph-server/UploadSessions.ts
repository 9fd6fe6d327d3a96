/**
 * Upload sessions: content that arrives in fragments, in order, and becomes an item with the last one, or with a commit
 * of its own.
 *
 * A session and how far it got are rows, so it survives the process; its bytes are an unfinished file of ContentFiles.
 * A fragment counts when it is complete: one that broke off is sent again from its start, unless the drive keeps parts
 * (DriveSettings.keepPartialFragments). Fragments of one session are taken one after the other, whoever sends them.
 */
import { randomBytes } from "node:crypto"
import { Clock, Context, Deferred, Effect, Layer, Semaphore, Stream } from "effect"
import {
  type ApiError,
  attempt,
  invalidRange,
  invalidRequest,
  itemNotFound,
  nameAlreadyExists,
  tooLarge
} from "./ApiError.ts"
import type { ConflictBehavior, ContentTarget } from "./Change.ts"
import { ContentFiles } from "./ContentFiles.ts"
import type { ContentHash } from "./ContentHash.ts"
import { DriveModel } from "./DriveModel.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { DriveStore } from "./DriveStore.ts"
import type { FragmentRange } from "./FragmentRange.ts"
import type { ItemRow } from "./ItemTable.ts"
import { changeOf, makeSessionTable, type NewSession, type SessionRow, targetOf } from "./SessionTable.ts"

export interface SessionStatus {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly expires: number
  /** Next byte wanted. */
  readonly received: number
  readonly total: number | undefined
}

export interface Fragment {
  readonly range: FragmentRange
  readonly body: Stream.Stream<Uint8Array, unknown>
  /** Content-Length, when there is one. */
  readonly length: number | undefined
  /** Keeps what arrived of a fragment that breaks off. */
  readonly keepsPart: boolean
  /** Answers the last fragment as if the name had been taken meanwhile. */
  readonly refusesCommit: boolean
}

export interface CommitTarget {
  readonly target: ContentTarget
  readonly conflict: ConflictBehavior
}

export interface Completed {
  readonly _tag: "Completed"
  readonly item: ItemRow
  readonly created: boolean
}

export type FragmentOutcome = { readonly _tag: "Accepted"; readonly status: SessionStatus } | Completed

export class UploadSessions extends Context.Service<
  UploadSessions,
  {
    create(session: NewSession): Effect.Effect<SessionStatus, ApiError>
    status(id: string): Effect.Effect<SessionStatus, ApiError>
    /** 416 with fragmentOverlap or fragmentOutOfOrder, 400 with fragmentLengthMismatch; 404 when the session is gone. */
    put(id: string, fragment: Fragment): Effect.Effect<FragmentOutcome, ApiError>
    /**
     * Makes the item of a session that has all its bytes: one that was deferred, or whose target was refused. `instead`
     * puts it somewhere else. 400 with uploadSessionIncomplete when bytes are missing.
     */
    commit(id: string, instead?: CommitTarget): Effect.Effect<Completed, ApiError>
    /** Also in the middle of a fragment. 404 when the session is over, perhaps by the fragment that was on its way. */
    cancel(id: string): Effect.Effect<void, ApiError>
  }
>()("onemount/graph-server/UploadSessions") {
  static readonly layer = Layer.effect(
    UploadSessions,
    Effect.gen(function* () {
      return makeUploadSessions(yield* DriveStore, yield* DriveModel, yield* ContentFiles, yield* DriveSettings)
    })
  )
}

/** Fragments but the last are multiples of this many bytes. */
const fragmentUnit = 320 * 1024

const sessionNotFound = (): ApiError => itemNotFound("The upload session was not found", "uploadSessionNotFound")

const statusOf = (row: SessionRow): SessionStatus => ({
  id: row.id,
  expires: row.expires,
  received: row.received,
  total: row.total ?? undefined
})

/** Who is writing to a session, and the hash of what has been received; rebuilt from the file when the process is new. */
interface Writer {
  readonly lock: Semaphore.Semaphore
  /** Ends the fragment that is on its way. */
  readonly cancelled: Deferred.Deferred<void>
  hash: ContentHash | undefined
}

const makeUploadSessions = (
  { db }: DriveStore["Service"],
  model: DriveModel["Service"],
  contents: ContentFiles["Service"],
  settings: DriveSettings
): UploadSessions["Service"] => {
  const rows = makeSessionTable(db)
  const active = new Map<string, Writer>()

  const entry = (id: string): Writer => {
    const known = active.get(id)
    if (known !== undefined) return known
    const made: Writer = { lock: Semaphore.makeUnsafe(1), cancelled: Deferred.makeUnsafe<void>(), hash: undefined }
    active.set(id, made)
    return made
  }

  /** False when the session was over already, and its bytes perhaps an item's. */
  const end = Effect.fnUntraced(function* (row: SessionRow) {
    const wasOpen = yield* attempt(() => rows.remove(row.id))
    active.delete(row.id)
    if (wasOpen) yield* contents.discard(row.content)
    return wasOpen
  })

  const requireRow = Effect.fnUntraced(function* (id: string) {
    const now = yield* Clock.currentTimeMillis
    const row = yield* attempt(() => rows.byId(id))
    if (row !== undefined && row.expires > now) return row
    if (row !== undefined) yield* end(row)
    return yield* sessionNotFound()
  })

  const create: UploadSessions["Service"]["create"] = Effect.fnUntraced(function* (session) {
    const now = yield* Clock.currentTimeMillis
    yield* Effect.forEach(yield* attempt(() => rows.expired(now)), end, { discard: true })
    const content = yield* contents.allocate
    const id = randomBytes(24).toString("base64url")
    yield* attempt(() => {
      const existing = model.checkTarget(session.target, session.conflict, session.conditions)
      model.checkRoom((session.announced ?? 0) - (existing?.size ?? 0))
      rows.insert(id, content, session, now + settings.uploadSessionLifetime)
    })
    return statusOf(yield* requireRow(id))
  })

  const replacedSize = ({ item, parent, name, folders }: SessionRow): number => {
    if (folders !== null) return 0
    const existing = item !== null ? model.table.byId(item) : model.table.byName(parent ?? 0, name ?? "")
    return existing?.size ?? 0
  }

  /** The hash of the first `received` bytes, from memory or from the file. */
  const hashOf = (row: SessionRow, remembered: ContentHash | undefined): Effect.Effect<ContentHash> =>
    remembered?.length === row.received
      ? Effect.sync(() => remembered.clone())
      : Effect.orDie(contents.hash(row.content, row.received))

  const complete = (row: SessionRow, size: number, hash: ContentHash, instead?: CommitTarget) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const stored = { id: row.content, size, hash: hash.quickXor(), digests: hash.digests() }
      const done = yield* attempt(() =>
        db.transaction(() => {
          // Without its row the session was cancelled or swept meanwhile, and its file with it.
          if (!rows.remove(row.id)) throw sessionNotFound()
          const change = changeOf(row, now)
          if (instead === undefined) return model.putContent(targetOf(row), stored, change)
          return model.putContent(instead.target, stored, { ...change, conflict: instead.conflict, conditions: {} })
        })
      )
      active.delete(row.id)
      yield* contents.sweep(now)
      return { _tag: "Completed" as const, ...done }
    })

  const accept = Effect.fnUntraced(function* (id: string, fragment: Fragment, session: Writer) {
    const { range } = fragment
    const row = yield* requireRow(id)
    yield* checkFragment(row, range)
    const hash = yield* hashOf(row, session.hash)
    const expires = (yield* Clock.currentTimeMillis) + settings.uploadSessionLifetime
    const length = range.end - range.start + 1
    const record = (received: number) =>
      attempt(() => {
        if (!rows.advance(id, received, range.total, expires)) throw sessionNotFound()
        session.hash = hash
      })
    /** What was written is in the hash; of a fragment that is too long, nothing is to be kept. */
    const keepPart = Effect.suspend(() =>
      fragment.keepsPart && hash.length > row.received && hash.length <= range.end ? record(hash.length) : Effect.void
    )
    const body = Stream.interruptWhen(fragment.body, Deferred.await(session.cancelled))
    const written = yield* contents
      .writeAt(row.content, range.start, body, hash, length)
      .pipe(Effect.onError(() => Effect.ignore(keepPart)))
    if (written !== length) {
      yield* keepPart
      return yield* invalidRequest("The fragment is not as long as its Content-Range says.", "fragmentLengthMismatch")
    }
    const received = range.end + 1
    if (received === range.total && row.deferred === 0) {
      // A refused target does not come back by sending the fragment again; after any other failure it may be.
      const kept = ({ status }: ApiError) => (status === 409 || status === 412 ? record(received) : Effect.void)
      const completion = fragment.refusesCommit ? nameAlreadyExists() : complete(row, received, hash)
      return yield* Effect.uninterruptible(Effect.tapError(completion, kept))
    }
    yield* record(received)
    return { _tag: "Accepted" as const, status: { id, expires, received, total: range.total } }
  })

  const commit: UploadSessions["Service"]["commit"] = Effect.fnUntraced(function* (id, instead) {
    yield* requireRow(id)
    const session = entry(id)
    const finish = Effect.gen(function* () {
      const row = yield* requireRow(id)
      if (row.total === null || row.received !== row.total) {
        return yield* invalidRequest("The upload session has not got all its bytes yet.", "uploadSessionIncomplete")
      }
      return yield* complete(row, row.total, yield* hashOf(row, session.hash), instead)
    })
    return yield* session.lock.withPermits(1)(Effect.uninterruptible(finish))
  })

  const checkFragment = Effect.fnUntraced(function* (row: SessionRow, range: FragmentRange) {
    const length = range.end - range.start + 1
    if (row.total !== null && row.total !== range.total) {
      return yield* invalidRequest(
        "The total size differs from the one of earlier fragments.",
        "invalidParameterFormat"
      )
    }
    if (range.start < row.received) return yield* invalidRange("These bytes were received before.", "fragmentOverlap")
    if (range.start > row.received) return yield* invalidRange("The fragment leaves a gap.", "fragmentOutOfOrder")
    if (length > settings.fragmentLimit)
      return yield* tooLarge("The fragment is too large.", "maxFragmentLengthExceeded")
    if (range.end + 1 < range.total && length % fragmentUnit !== 0) {
      const message = `Fragments except the last one have to be multiples of ${fragmentUnit} bytes.`
      return yield* invalidRequest(message, "invalidParameterFormat")
    }
    yield* attempt(() => model.checkRoom(range.total - replacedSize(row)))
  })

  const put: UploadSessions["Service"]["put"] = Effect.fnUntraced(function* (id, fragment) {
    yield* requireRow(id)
    const { range, length } = fragment
    if (length !== undefined && length !== range.end - range.start + 1) {
      return yield* invalidRequest("Content-Length does not match Content-Range.", "fragmentLengthMismatch")
    }
    const session = entry(id)
    return yield* session.lock.withPermits(1)(accept(id, fragment, session))
  })

  return UploadSessions.of({
    create,
    status: (id) => Effect.map(requireRow(id), statusOf),
    put,
    commit,
    cancel: Effect.fnUntraced(function* (id) {
      const row = yield* requireRow(id)
      const session = entry(id)
      yield* Deferred.succeed(session.cancelled, undefined)
      if (!(yield* session.lock.withPermits(1)(end(row)))) return yield* sessionNotFound()
    })
  })
}

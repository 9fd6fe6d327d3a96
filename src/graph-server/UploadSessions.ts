/**
 * Upload sessions: content that arrives in fragments, in order, and becomes an item with the last one.
 *
 * A session and how far it got are rows, so it survives the process; its bytes are an unfinished file of ContentFiles.
 * A fragment counts when it is complete: one that broke off is sent again from its start. Fragments of one session are
 * taken one after the other, whoever sends them.
 */
import { randomBytes } from "node:crypto"
import { Clock, Context, Effect, Layer, Semaphore, Stream } from "effect"
import { QuickXorHash } from "../platform/QuickXorHash.ts"
import { type ApiError, attempt, invalidRange, invalidRequest, itemNotFound, tooLarge } from "./ApiError.ts"
import { ContentFiles } from "./ContentFiles.ts"
import { type Conditions, type ConflictBehavior, type ContentTarget, DriveModel, type ItemTimes } from "./DriveModel.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { DriveStore } from "./DriveStore.ts"
import type { ItemRow } from "./ItemTable.ts"

export interface NewSession {
  readonly target: ContentTarget
  readonly conflict: ConflictBehavior
  readonly times: ItemTimes
  readonly conditions: Conditions
  /** Size that the client announced, checked against the quota. */
  readonly announced: number | undefined
}

export interface SessionStatus {
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly expires: number
  /** Next byte wanted. */
  readonly received: number
  readonly total: number | undefined
}

/** Content-Range of a fragment: bytes `start` up to and including `end` of `total`. */
export interface FragmentRange {
  readonly start: number
  readonly end: number
  readonly total: number
}

export type FragmentOutcome =
  | { readonly _tag: "Accepted"; readonly status: SessionStatus }
  | { readonly _tag: "Completed"; readonly item: ItemRow; readonly created: boolean }

export class UploadSessions extends Context.Service<
  UploadSessions,
  {
    create(session: NewSession): Effect.Effect<SessionStatus, ApiError>
    status(id: string): Effect.Effect<SessionStatus, ApiError>
    /** 416 with fragmentOverlap or fragmentOutOfOrder, 400 with fragmentLengthMismatch; 404 when the session is gone. */
    put(
      id: string,
      range: FragmentRange,
      body: Stream.Stream<Uint8Array, unknown>,
      length: number | undefined
    ): Effect.Effect<FragmentOutcome, ApiError>
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

interface SessionRow {
  readonly id: string
  readonly content: number
  readonly item: number | null
  readonly parent: number | null
  readonly name: string | null
  readonly conflict: ConflictBehavior
  readonly if_match: string | null
  readonly fs_created: number | null
  readonly fs_modified: number | null
  readonly total: number | null
  readonly received: number
  readonly expires: number
}

const sessionNotFound = (): ApiError => itemNotFound("The upload session was not found", "uploadSessionNotFound")

const statusOf = (row: SessionRow): SessionStatus => ({
  id: row.id,
  expires: row.expires,
  received: row.received,
  total: row.total ?? undefined
})

const targetOf = (row: SessionRow): ContentTarget =>
  row.item !== null ? { item: row.item } : { parent: row.parent ?? 0, name: row.name ?? "" }

const makeUploadSessions = (
  { db }: DriveStore["Service"],
  model: DriveModel["Service"],
  contents: ContentFiles["Service"],
  settings: DriveSettings
): UploadSessions["Service"] => {
  const insert = db.prepare("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 0, ?)")
  const byId = db.prepare<SessionRow>("SELECT * FROM sessions WHERE id = ?")
  const expired = db.prepare<SessionRow>("SELECT * FROM sessions WHERE expires <= ?")
  const advance = db.prepare("UPDATE sessions SET received = ?, total = ?, expires = ? WHERE id = ?")
  const remove = db.prepare("DELETE FROM sessions WHERE id = ?")
  /** Who is writing, and the hash of what has been received; rebuilt from the file when the process is new. */
  const active = new Map<string, { readonly lock: Semaphore.Semaphore; hash: QuickXorHash }>()

  const entry = (id: string) => {
    const known = active.get(id)
    if (known !== undefined) return known
    const made = { lock: Semaphore.makeUnsafe(1), hash: new QuickXorHash() }
    active.set(id, made)
    return made
  }

  const end = Effect.fnUntraced(function* (row: SessionRow) {
    yield* attempt(() => remove.run(row.id))
    active.delete(row.id)
    yield* contents.discard(row.content)
  })

  const requireRow = Effect.fnUntraced(function* (id: string) {
    const now = yield* Clock.currentTimeMillis
    const row = yield* attempt(() => byId.get(id))
    if (row !== undefined && row.expires > now) return row
    if (row !== undefined) yield* end(row)
    return yield* sessionNotFound()
  })

  const create: UploadSessions["Service"]["create"] = Effect.fnUntraced(function* (session) {
    const now = yield* Clock.currentTimeMillis
    yield* Effect.forEach(yield* attempt(() => expired.all(now)), end, { discard: true })
    const content = yield* contents.allocate
    const id = randomBytes(24).toString("base64url")
    const { target, conflict, times } = session
    yield* attempt(() => {
      const existing = model.checkTarget(target, conflict, session.conditions)
      model.checkRoom((session.announced ?? 0) - (existing?.size ?? 0))
      const place = "item" in target ? [target.item, null, null] : [null, target.parent, target.name]
      const wanted = [session.conditions.ifMatch ?? null, times.created ?? null, times.modified ?? null]
      insert.run(id, content, ...place, conflict, ...wanted, now + settings.uploadSessionLifetime)
    })
    return statusOf(yield* requireRow(id))
  })

  const replacedSize = ({ item, parent, name }: SessionRow): number => {
    const existing = item !== null ? model.table.byId(item) : model.table.byName(parent ?? 0, name ?? "")
    return existing?.size ?? 0
  }

  /** The hash of the first `received` bytes, from memory or from the file. */
  const hashOf = Effect.fnUntraced(function* (row: SessionRow, remembered: QuickXorHash) {
    if (remembered.length === row.received) return remembered.clone()
    const hash = new QuickXorHash()
    const stored = contents.read(row.content, { offset: 0, length: row.received })
    yield* Effect.orDie(Stream.runForEach(stored, (chunk) => Effect.sync(() => void hash.update(chunk))))
    return hash
  })

  const commit = (row: SessionRow, size: number, hash: QuickXorHash) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const change = {
        now,
        conflict: row.conflict,
        times: { created: row.fs_created ?? undefined, modified: row.fs_modified ?? undefined },
        conditions: { ifMatch: row.if_match ?? undefined }
      }
      const stored = { id: row.content, size, hash: hash.digestBase64() }
      const done = yield* attempt(() =>
        db.transaction(() => {
          // Without its row the session was cancelled or swept meanwhile, and its file with it.
          if (remove.run(row.id).changes === 0) throw sessionNotFound()
          return model.putContent(targetOf(row), stored, change)
        })
      )
      active.delete(row.id)
      yield* contents.sweep(now)
      return { _tag: "Completed" as const, ...done }
    })

  const accept = Effect.fnUntraced(function* (
    id: string,
    range: FragmentRange,
    body: Stream.Stream<Uint8Array, unknown>,
    session: { hash: QuickXorHash }
  ) {
    const row = yield* requireRow(id)
    yield* checkFragment(row, range)
    const hash = yield* hashOf(row, session.hash)
    const length = range.end - range.start + 1
    const written = yield* contents.writeAt(row.content, range.start, body, hash, length)
    if (written !== length) {
      return yield* invalidRequest("The fragment is not as long as its Content-Range says.", "fragmentLengthMismatch")
    }
    const received = range.end + 1
    const expires = (yield* Clock.currentTimeMillis) + settings.uploadSessionLifetime
    const record = attempt(() => {
      if (advance.run(received, range.total, expires, id).changes === 0) throw sessionNotFound()
    })
    session.hash = hash
    if (received === range.total) {
      // A refused target does not come back by sending the fragment again; after any other failure it may be.
      const kept = ({ status }: ApiError) => (status === 409 || status === 412 ? record : Effect.void)
      return yield* Effect.uninterruptible(Effect.tapError(commit(row, received, hash), kept))
    }
    yield* record
    return { _tag: "Accepted" as const, status: { id, expires, received, total: range.total } }
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

  const put: UploadSessions["Service"]["put"] = Effect.fnUntraced(function* (id, range, body, length) {
    yield* requireRow(id)
    if (length !== undefined && length !== range.end - range.start + 1) {
      return yield* invalidRequest("Content-Length does not match Content-Range.", "fragmentLengthMismatch")
    }
    const session = entry(id)
    return yield* session.lock.withPermits(1)(accept(id, range, body, session))
  })

  return UploadSessions.of({
    create,
    status: (id) => Effect.map(requireRow(id), statusOf),
    put,
    cancel: Effect.fnUntraced(function* (id) {
      const row = yield* requireRow(id)
      yield* entry(id).lock.withPermits(1)(end(row))
    })
  })
}

/**
 * The drive's bytes: one file per content, written once and never changed, named by a number that is never used again.
 * Contents of generated drives have no file, see DerivedContent.
 *
 * A file is complete before the transaction that refers to it; a file that no row refers to is left over from a crash
 * and removed at the next start. Replaced and deleted content stays for a while (DriveSettings.contentRetention), so that
 * downloads that began on it can end; it is removed with later changes and at start.
 */
import { Clock, Context, Effect, FileSystem, Layer, Stream } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { type ApiError, attempt, invalidRequest, quotaLimitReached, tooLarge } from "./ApiError.ts"
import { ContentHash, type Digests, digestNames } from "./ContentHash.ts"
import { derivedBytes } from "./DerivedContent.ts"
import { DriveSettings } from "./DriveSettings.ts"
import { DriveStore } from "./DriveStore.ts"
import { ConnectionCut } from "./Exchange.ts"

/** A content that is complete on disk. `size` is in bytes. */
export interface StoredContent {
  readonly id: number
  readonly size: number
  /** quickXorHash, base64. */
  readonly hash: string
  readonly digests: Digests
}

/** In bytes. */
export interface ContentRange {
  readonly offset: number
  readonly length: number
}

/** How many retired contents one change clears away at most. */
const sweepBatch = 64
const readChunk = 256 * 1024

export class ContentFiles extends Context.Service<
  ContentFiles,
  {
    /** A number for a content to come. */
    readonly allocate: Effect.Effect<number>
    /**
     * Writes a body of at most `limit` bytes and hands it to `commit`; without a successful commit nothing stays.
     * Fails with 413 past the limit and 400 when the body ends before `expected` bytes or breaks off.
     */
    store<A>(
      body: Stream.Stream<Uint8Array, unknown>,
      size: { readonly limit: number; readonly expected: number | undefined },
      commit: (stored: StoredContent) => Effect.Effect<A, ApiError>
    ): Effect.Effect<A, ApiError>
    /** Writes bytes of an unfinished content at `offset`, feeding each chunk to `hash`; returns how many there were. */
    writeAt(
      id: number,
      offset: number,
      body: Stream.Stream<Uint8Array, unknown>,
      hash: ContentHash,
      limit: number
    ): Effect.Effect<number, ApiError>
    /** Bytes of a content; the file is opened when the stream starts and closed when it ends. */
    read(id: number, range: ContentRange): Stream.Stream<Uint8Array, ConnectionCut>
    /** The hash of the first `length` bytes of a content, which are read for it; lets others run between chunks. */
    hash(id: number, length: number): Effect.Effect<ContentHash, ConnectionCut>
    /** Size of a content that is still served; undefined once it is gone. */
    sizeOf(id: number): number | undefined
    /** Removes the file of an unfinished content, if there is one. */
    discard(id: number): Effect.Effect<void>
    /** Removes some of the content that was replaced or deleted long enough ago; what fails is left to the next time. */
    sweep(now: number): Effect.Effect<void>
  }
>()("onemount/graph-server/ContentFiles") {
  static readonly layer = Layer.effect(
    ContentFiles,
    Effect.gen(function* () {
      const store = yield* DriveStore
      const fs = yield* FileSystem.FileSystem
      const settings = yield* DriveSettings
      yield* Effect.orDie(sweepOrphans(fs, store))
      const files = makeContentFiles(fs, store, settings)
      yield* files.sweep(yield* Clock.currentTimeMillis)
      return files
    })
  )
}

const readDerived = (key: number, { offset, length }: ContentRange): Stream.Stream<Uint8Array> =>
  Stream.map(Stream.range(0, Math.ceil(length / readChunk) - 1), (chunk) => {
    const start = chunk * readChunk
    return derivedBytes(key, offset + start, Math.min(readChunk, length - start))
  })

/** What is on disk and in no table was being written when the process died. */
const sweepOrphans = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  { db, contentDir }: DriveStore["Service"]
) {
  const known = db.prepare("SELECT 1 FROM contents WHERE id = ?1 UNION ALL SELECT 1 FROM sessions WHERE content = ?1")
  for (const name of yield* fs.readDirectory(contentDir)) {
    const id = Number(name)
    const referenced = yield* db.try(() => Number.isSafeInteger(id) && known.get(id) !== undefined)
    if (!referenced) yield* fs.remove(`${contentDir}/${name}`, { recursive: true })
  }
})

const fromPlatform = (error: PlatformError): Effect.Effect<never, ApiError> => {
  const cause = error.reason.cause
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "ENOSPC" || code === "EDQUOT") return Effect.fail(quotaLimitReached("The disk of the drive is full."))
  return Effect.die(error)
}

const makeContentFiles = (
  fs: FileSystem.FileSystem,
  { db, contentDir, kind }: DriveStore["Service"],
  settings: DriveSettings
): ContentFiles["Service"] => {
  const pathOf = (id: number): string => `${contentDir}/${id}`
  const lastNumber = db.prepare<{ readonly last: number }>(
    `SELECT max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'contents'), 0),
                ifnull((SELECT max(content) FROM sessions), 0)) AS last`
  )
  const size = db.prepare<{ readonly size: number }>("SELECT size FROM contents WHERE id = ?")
  const derived = db.prepare<{ readonly derived: number | null }>("SELECT derived FROM contents WHERE id = ?")
  const old = db.prepare<{ readonly id: number }>("SELECT id FROM contents WHERE retired < ? LIMIT ?")
  const forget = db.prepare("DELETE FROM contents WHERE id = ?")
  const names = digestNames(kind, settings)
  let next = (lastNumber.get()?.last ?? 0) + 1

  const discard = (id: number) => Effect.orDie(fs.remove(pathOf(id), { force: true }))

  const writeAt: ContentFiles["Service"]["writeAt"] = (id, offset, body, hash, limit) =>
    Effect.gen(function* () {
      const file = yield* fs.open(pathOf(id), { flag: offset === 0 ? "w" : "r+", mode: 0o600 })
      yield* file.seek(BigInt(offset), "start")
      let written = 0
      const append = Effect.fnUntraced(function* (chunk: Uint8Array) {
        written += chunk.length
        if (written > limit) return yield* tooLarge(`The content is larger than ${limit} bytes.`)
        // A write that is under way cannot be taken back; the descriptor has to stay open until it is over.
        const done = Effect.map(file.writeAll(chunk), () => void hash.update(chunk))
        yield* Effect.uninterruptible(done)
      })
      const chunks = Stream.mapError(body, () => bodyBroken())
      yield* Stream.runForEach(chunks, append)
      return written
    }).pipe(Effect.scoped, Effect.catchTag("PlatformError", fromPlatform))

  const store: ContentFiles["Service"]["store"] = (body, { limit, expected }, commit) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        if (expected !== undefined && expected > limit) {
          return yield* tooLarge(`The content is larger than ${limit} bytes.`)
        }
        const id = next++
        const hash = ContentHash.make(names)
        const receive = Effect.gen(function* () {
          const written = yield* writeAt(id, 0, body, hash, limit)
          if (expected !== undefined && written !== expected) return yield* bodyBroken()
        })
        return yield* restore(receive).pipe(
          Effect.andThen(() => commit({ id, size: hash.length, hash: hash.quickXor(), digests: hash.digests() })),
          Effect.onError(() => discard(id))
        )
      })
    )

  const readFile = (id: number, { offset, length }: ContentRange): Stream.Stream<Uint8Array, ConnectionCut> =>
    fs
      .stream(pathOf(id), { offset, bytesToRead: length, chunkSize: readChunk })
      .pipe(Stream.mapError((error) => new ConnectionCut({ message: `The content is not readable: ${error.message}` })))

  const read: ContentFiles["Service"]["read"] = (id, range) =>
    Stream.suspend(() => {
      const key = derived.get(id)?.derived
      return key === undefined || key === null ? readFile(id, range) : readDerived(key, range)
    })

  const hashOf: ContentFiles["Service"]["hash"] = Effect.fnUntraced(function* (id, length) {
    const hash = ContentHash.make(names)
    const add = (chunk: Uint8Array) =>
      Effect.andThen(
        Effect.sync(() => hash.update(chunk)),
        Effect.yieldNow
      )
    // A content without bytes may have no file yet.
    if (length > 0) yield* Stream.runForEach(read(id, { offset: 0, length }), add)
    return hash
  })

  const sweepRetired = Effect.fnUntraced(function* (now: number) {
    const gone = yield* attempt(() => old.all(now - settings.contentRetention, sweepBatch))
    if (gone.length === 0) return
    yield* attempt(() => db.transaction(() => gone.forEach(({ id }) => forget.run(id))))
    yield* Effect.forEach(gone, ({ id }) => discard(id), { discard: true })
  })

  return ContentFiles.of({
    allocate: Effect.sync(() => next++),
    store,
    writeAt,
    read,
    hash: hashOf,
    sizeOf: (id) => size.get(id)?.size,
    discard,
    sweep: (now) => Effect.catch(sweepRetired(now), (error) => Effect.logWarning("Old content was not removed", error))
  })
}

const bodyBroken = (): ApiError => invalidRequest("The request body is not as long as its Content-Length says.")

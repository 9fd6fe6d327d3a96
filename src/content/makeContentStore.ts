/** Puts the store together: recovery first, then the table and the fibers that serve it. */
import { Cause, Clock, Effect, Exit, FiberSet, Queue } from "effect"
import { ContentId, ContentTable } from "@onemount/fuse-native"
import { supervise } from "../lifecycle/supervise.ts"
import { BoundedMap } from "../platform/BoundedMap.ts"
import type { Ino, Item } from "../tree/Item.ts"
import { MountDatabase } from "../tree/MountDatabase.ts"
import { versionOf } from "../tree/BodyTable.ts"
import { Tree } from "../tree/Tree.ts"
import { type Body, openBody, type Store } from "./bodies.ts"
import { ContentError } from "./ContentError.ts"
import { makeContentFiles } from "./ContentFiles.ts"
import { makeContentRows } from "./ContentRows.ts"
import type { ContentStore, ContentStoreOptions, OpenBody, Unwritten } from "./ContentStore.ts"
import { attempt, attemptPromise, attemptWait } from "./errors.ts"
import { makeKeeper } from "./Keeper.ts"
import { makePump } from "./pump.ts"
import { recover } from "./recovery.ts"
import { announceEdit, makeSettling } from "./settle.ts"
import { makeSpareFiles } from "./SpareFiles.ts"
import { takeSnapshot, verifyBody } from "./snapshots.ts"

const GiB = 1024 ** 3
const hashesKept = 1_000

export const makeContentStore = Effect.fnUntraced(function* (options: ContentStoreOptions) {
  const tree = yield* Tree
  const { db, items, isNew } = yield* MountDatabase
  const { directory, fetchLimit = 500, window = 2_000, maxWait = 60_000, roomWait = 5_000, writes = {} } = options
  const timing = { window, maxWait }
  const files = yield* attempt(`use ${directory}`, () => makeContentFiles(directory))
  const rows = yield* attempt("use the table of bodies", () => makeContentRows(db, items))
  yield* recover({ tree, files, rows, timing }, isNew)

  const bodies = new Map<ContentId, Body>()
  const hashes: Store["hashes"] = new BoundedMap(hashesKept)
  const total = (yield* attempt(`use ${directory}`, () => files.disk())).total
  const keeper = yield* makeKeeper({
    budget: { limit: options.limit ?? Math.min(20 * GiB, Math.floor(total / 10)), reserve: options.reserve ?? 0 },
    files,
    rows,
    isOpen: (key) => bodies.has(ContentId(key)),
    onDrop: (key) => hashes.delete(key)
  })
  const wake = yield* Queue.sliding<void>(1)
  const table = yield* Effect.acquireRelease(
    attempt("create the content table", () =>
      ContentTable.create(() => Queue.offerUnsafe(wake, undefined), { writes })
    ),
    (created) =>
      Effect.catch(
        attempt("close the content table", () => created.dispose()),
        (error) => Effect.logError(error.message)
      )
  )
  const spares = yield* makeSpareFiles(directory)
  const store: Store = { tree, table, files, spares, rows, keeper, bodies, hashes, timing }
  const settling = makeSettling(store)
  // After the fibers below have ended, before the table goes.
  yield* Effect.addFinalizer(() =>
    Effect.forEach([...bodies.values()], settling.close, { concurrency: 8, discard: true })
  )
  const saves = yield* FiberSet.make<void>()
  const pump = yield* makePump(store, { wake, fetchLimit, roomWait })
  const owner = "ContentStore"
  yield* supervise({ name: "events", owner }, pump.events)
  yield* supervise({ name: "fetches", owner }, pump.mover)
  yield* supervise({ name: "keeper", owner }, keeper.run)

  const bodyOf = (content: ContentId): Effect.Effect<Body, ContentError> =>
    Effect.suspend(() => {
      const body = bodies.get(content)
      if (body !== undefined) return Effect.succeed(body)
      return Effect.fail(new ContentError({ reason: "Gone", detail: `body ${content} is not open` }))
    })

  const file = (ino: Ino): Item => {
    const item = tree.get(ino)
    if (item === undefined) throw new ContentError({ reason: "Gone", detail: `there is no item ${ino}` })
    if (item.kind === "file") return item
    throw new ContentError({ reason: "Unsupported", detail: `${item.name} is not a file` })
  }

  /** One step: nobody else opens or closes the body in between. */
  const acquire = Effect.fnUntraced(function* (ino: Ino): Effect.fn.Return<Body, ContentError> {
    const now = yield* Clock.currentTimeMillis
    return yield* attempt(`open item ${ino}`, () => {
      const item = file(ino)
      const known = item.content === null ? undefined : bodies.get(ContentId(item.content))
      const body = known ?? openBody(store, item, now)
      body.references++
      return body
    })
  })

  const withBody = <A, E>(ino: Ino, use: (body: Body) => Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(acquire(ino), use, settling.release)

  const release = (content: ContentId): Effect.Effect<void> =>
    Effect.uninterruptible(
      Effect.suspend(() => {
        const body = bodies.get(content)
        if (body !== undefined && body.references > 0) return settling.release(body)
        return Effect.logError(`body ${content} was released more often than it was opened`)
      })
    )

  /** A change that JavaScript makes: on record as one before it is made. */
  const edit = Effect.fnUntraced(function* (body: Body, grows: number, change: () => Promise<void>) {
    yield* keeper.makeRoomToWrite(grows)
    body.touched = true
    if (table.status(body.content)?.modified !== true) yield* announceEdit(store, body)
    yield* attemptPromise(`change body ${body.key}`, change)
  })

  const commit = Effect.fnUntraced(function* (content: ContentId): Effect.fn.Return<void, ContentError> {
    yield* settling.commit(yield* bodyOf(content))
  })

  const fill = Effect.fnUntraced(function* (
    content: ContentId,
    offset: number,
    bytes: Uint8Array
  ): Effect.fn.Return<void, ContentError> {
    const body = yield* bodyOf(content)
    yield* keeper.makeRoom(bytes.length)
    const count = (bytes: number) => {
      body.diskBytes += bytes
      keeper.adjust(bytes)
    }
    const ended = (exit: Exit.Exit<void, ContentError>) => {
      body.filling--
      if (Exit.isSuccess(exit)) body.unsaved += bytes.length
      else count(-bytes.length)
    }
    body.touched = true
    body.trusted = false
    body.filling++
    count(bytes.length)
    yield* Effect.onExit(
      attemptPromise(`fill body ${content}`, () => table.fill(content, offset, bytes)),
      (exit) => Effect.sync(() => ended(exit))
    )
    const now = yield* Clock.currentTimeMillis
    if (!body.saving && bodies.get(content) === body && settling.isSaveDue(body, now)) yield* saveInBackground(body)
  })

  const saveInBackground = (body: Body) => {
    body.saving = true
    return FiberSet.run(
      saves,
      settling.saveExtents(body).pipe(
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.void
            : Effect.logWarning(`the progress of body ${body.key} was not saved`, cause)
        ),
        Effect.ensuring(Effect.sync(() => (body.saving = false)))
      )
    )
  }

  const uploaded = Effect.fn("ContentStore.uploaded")((ino: Ino, generation: number) =>
    attempt(`record the upload of item ${ino}`, () => {
      const item = tree.get(ino)
      if (item === undefined || item.content === null) return
      const body = bodies.get(ContentId(item.content))
      if (body?.committed === generation) {
        table.markClean(body.content, generation)
        body.dirty = undefined
      }
      rows.uploaded(item.content, generation, versionOf(item))
    })
  )

  const service: ContentStore["Service"] = {
    table,
    open: (ino) => Effect.map(acquire(ino), ({ content, key, ino: owner }): OpenBody => ({ content, key, ino: owner })),
    release,
    live: (item) => (item.content === null ? undefined : table.status(ContentId(item.content))),
    truncate: (ino, size) => withBody(ino, (body) => edit(body, 0, () => table.truncate(body.content, size))),
    allocate: Effect.fnUntraced(function* (content, mode, offset, length) {
      const body = yield* bodyOf(content)
      yield* edit(body, length, () => table.allocate(content, mode, offset, length))
    }),
    setTime: (item, mtime) =>
      attempt(`set the time of ${item.name}`, () => {
        if (item.content !== null && bodies.has(ContentId(item.content))) table.setTime(ContentId(item.content), mtime)
      }),
    commit,
    written: Effect.fnUntraced(function* (content) {
      const body = bodies.get(content)
      if (body !== undefined) yield* settling.written(body)
    }),
    isTrusted: (content) => {
      const body = bodies.get(content)
      return body !== undefined && body.trusted && body.unsaved === 0 && body.filling === 0
    },
    hasRoom: Effect.map(Clock.currentTimeMillis, keeper.hasRoomToWrite),
    fsync: Effect.fnUntraced(function* (content) {
      yield* settling.fsync(yield* bodyOf(content))
    }),
    flushAll: Effect.fn("ContentStore.flushAll")(function* (limit) {
      const left = yield* attemptWait("flush the write queues", () => table.flushAll(limit))
      return left.flatMap(({ content, operations, bytes }): ReadonlyArray<Unwritten> => {
        const body = bodies.get(content)
        return body === undefined ? [] : [{ ino: body.ino, operations, bytes }]
      })
    }),
    snapshot: Effect.fn("ContentStore.snapshot")(function* (ino) {
      const body = yield* Effect.acquireRelease(acquire(ino), settling.release)
      return yield* takeSnapshot(store, settling, body)
    }),
    uploaded,
    fetches: pump.fetches,
    fill,
    fail: (content, offset, length, errno) =>
      Effect.catch(
        attempt(`fail readers of body ${content}`, () => {
          if (bodies.has(content)) table.failRange(content, offset, length, errno)
        }),
        (error) => Effect.logWarning(error.message)
      ),
    missing: (content, offset) => table.missing(content, offset),
    verify: Effect.fn("ContentStore.verify")(function* (content) {
      yield* verifyBody(store, yield* bodyOf(content))
    }),
    evict: (bytes) => keeper.evict(bytes),
    onShortage: keeper.onShortage,
    usage: Effect.sync(() => ({ ...keeper.usage(), limit: keeper.limit })),
    writes: Effect.sync(() => table.stats())
  }
  return service
})

/**
 * Bringing rows up to date with the table: edits with their intent (`commit`), hydrated ranges (`saveExtents`), and the
 * last release. Ranges are recorded only after their bytes were synced, except local writes of a plain close, which
 * have the promise of any local filesystem: fsync for more.
 */
import { Cause, Clock, Effect, Semaphore } from "effect"
import type { ContentState } from "@onemount/fuse-native"
import { syncFile } from "@onemount/fuse-native"
import { type Body, closeBody, isUnsettled, measure, ownerOf, type Store } from "./bodies.ts"
import { ContentError } from "./ContentError.ts"
import { attempt, attemptPromise, fromTree } from "./errors.ts"
import * as extents from "./extents.ts"

/** Saves extents at the latest after so many filled bytes or milliseconds. */
const saveBytes = 16 * 1024 * 1024
const saveInterval = 1_000

/** Tries of a last release to record what kept changing. */
const settleAttempts = 3

export interface Settling {
  commit(body: Body): Effect.Effect<void, ContentError>
  /** As `commit`; without changes the edit that was announced ends. */
  written(body: Body): Effect.Effect<void, ContentError>
  fsync(body: Body): Effect.Effect<void, ContentError>
  saveExtents(body: Body): Effect.Effect<void, ContentError>
  /** Are enough unsaved bytes here, or the last ones? */
  isSaveDue(body: Body, now: number): boolean
  /** A reference less; the last one settles and closes the body. */
  release(body: Body): Effect.Effect<void>
  /** Settles and closes whatever the number of references, at the end of the store. */
  close(body: Body): Effect.Effect<void>
}

/** On record before the body is changed, so that a crash knows where unrecorded writes may be. */
export const announceEdit = (store: Store, body: Body): Effect.Effect<void, ContentError> =>
  Effect.suspend(() => {
    body.touched = true
    body.asked = true
    ownerOf(store, body)
    return Effect.mapError(store.tree.beginEdit(body.ino, body.key), fromTree)
  })

export const makeSettling = (store: Store): Settling => {
  const { tree, table, files, rows, bodies, timing } = store

  const stateOf = (body: Body): Effect.Effect<ContentState, ContentError> =>
    Effect.suspend(() => {
      const state = bodies.get(body.content) === body ? table.state(body.content) : undefined
      if (state !== undefined) return Effect.succeed(state)
      return Effect.fail(new ContentError({ reason: "Gone", detail: `body ${body.key} is not open` }))
    })

  const sync = (body: Body, urgent = true) =>
    attemptPromise(`sync body ${body.key}`, () => table.sync(body.content, urgent))

  /**
   * Filled ranges must be on the disk before a row says so, else a power cut would turn them into zeros: recorded are
   * those that were there before the sync, and what was written here.
   */
  const record = Effect.fnUntraced(function* (body: Body): Effect.fn.Return<void, ContentError> {
    const before = yield* stateOf(body)
    if (before.generation === body.committed) return yield* attempt(`record body ${body.key}`, () => unpermit(body))
    if (ownerOf(store, body)?.parent === null) return
    const filled = body.unsaved
    if (filled > 0 || body.filling > 0) yield* sync(body)
    const now = yield* Clock.currentTimeMillis
    const { size, mtime, generation, complete, dirty: written, outsideWriters } = yield* stateOf(body)
    const valid = extents.union(before.valid, written, size)
    const dirty = extents.union(body.dirty ?? [], written, size)
    const isWhole = complete && extents.firstGap(valid, 0, size) === undefined
    const diskBytes = measure(store, body, isWhole ? size : undefined)
    // Whoever writes without us may go on after this: that is on record until the last of them is gone.
    const editing = outsideWriters > 0
    const commit = { content: body.key, size, mtime, generation, complete: isWhole, diskBytes, editing }
    const recorded = Effect.mapError(
      tree.commitContent(
        body.ino,
        { ...commit, valid: extents.pack(valid), dirty: extents.pack(dirty) },
        { now, ...timing }
      ),
      fromTree
    )
    const noted = attempt(`record body ${body.key}`, () => {
      body.committed = generation
      body.dirty = dirty
      body.unsaved = Math.max(0, body.unsaved - filled)
      body.savedAt = now
      body.lastUsed = now
      body.permitted = false
      if (extents.firstGap(dirty, 0, size) === undefined) body.trusted = true
      // Makes the next write ask again. When one came in meanwhile, it asked before the commit, which forgot it.
      body.touched = !table.markClean(body.content, generation)
      body.asked = body.touched
      if (body.touched !== editing) rows.editing(body.key, body.touched)
    })
    yield* Effect.uninterruptible(Effect.andThen(recorded, noted))
  })

  /** Nothing was written to a new body so far: from now on the first write asks, and its row says so. */
  const unpermit = (body: Body): void => {
    if (!body.permitted || !table.markClean(body.content, body.committed)) return
    rows.editing(body.key, false)
    body.permitted = false
  }

  const commit = (body: Body) => Semaphore.withPermit(body.lock, record(body))

  /** A permission to write that was not used: whoever opens a file that the kernel serves itself has to ask first. */
  const endEdit = Effect.fnUntraced(function* (body: Body): Effect.fn.Return<void, ContentError> {
    if (!body.asked || bodies.get(body.content) !== body || !table.markClean(body.content, body.committed)) return
    yield* Effect.mapError(tree.endEdit(body.ino, body.key), fromTree)
    body.asked = false
    // The last commit or save told the rest.
    body.touched = body.unsaved > 0 || body.filling > 0
  })

  /** Whoever waited for the lock may find that another one has closed the body. */
  const whileOpen = (body: Body, work: Effect.Effect<void, ContentError>) =>
    Semaphore.withPermit(
      body.lock,
      Effect.suspend(() => (bodies.get(body.content) === body ? work : Effect.void))
    )

  const written = (body: Body) => whileOpen(body, Effect.andThen(record(body), endEdit(body)))

  const fsync = Effect.fnUntraced(function* (body: Body): Effect.fn.Return<void, ContentError> {
    yield* commit(body)
    yield* sync(body)
    yield* attemptPromise(`sync the folder of body ${body.key}`, () => syncFile(files.folder(body.key)))
    yield* Effect.mapError(tree.flushToDisk, fromTree)
  })

  /** Edits that are not committed yet keep their ranges to themselves: the commit records all of them. */
  const save = Effect.fnUntraced(function* (body: Body): Effect.fn.Return<void, ContentError> {
    if (body.unsaved === 0) return
    const filled = body.unsaved
    const before = yield* stateOf(body)
    if (before.generation !== body.committed) return
    yield* sync(body, false)
    const after = yield* stateOf(body)
    if (after.generation !== before.generation) return
    const now = yield* Clock.currentTimeMillis
    yield* attempt(`record body ${body.key}`, () => {
      const diskBytes = measure(store, body)
      rows.saveExtents(body.key, { valid: extents.pack(before.valid), complete: before.complete, diskBytes })
      body.unsaved -= filled
      body.savedAt = now
    })
  })

  const saveExtents = (body: Body) => Semaphore.withPermit(body.lock, save(body))

  const isSaveDue = (body: Body, now: number): boolean =>
    body.unsaved >= saveBytes ||
    (body.unsaved > 0 && (now - body.savedAt >= saveInterval || table.status(body.content)?.complete === true))

  const settle = Effect.fnUntraced(function* (body: Body): Effect.fn.Return<void, ContentError> {
    if (ownerOf(store, body) === undefined) return
    yield* whileOpen(body, Effect.andThen(record(body), save(body)))
  })

  /** Is there something to settle that has a place? */
  const unsettled = (body: Body): boolean => {
    const state = table.status(body.content)
    const item = ownerOf(store, body)
    return state !== undefined && item !== undefined && item.parent !== null && isUnsettled(body, state)
  }

  const closeNow = Effect.fnUntraced(function* (body: Body): Effect.fn.Return<void, ContentError> {
    const now = yield* Clock.currentTimeMillis
    const closed = yield* attempt(`close body ${body.key}`, () =>
      body.references > 0 || bodies.get(body.content) !== body ? undefined : closeBody(store, body, now)
    )
    if (closed?._tag === "Discarded") {
      yield* attemptPromise(`remove the file of body ${body.key}`, () => files.removeLater(body.key))
    }
    if (closed?._tag === "SetAside") {
      yield* Effect.logWarning(
        `changes of item ${body.ino}, made to a version that was replaced, are in ${closed.path}`
      )
    }
  })

  const finish = Effect.fnUntraced(function* (body: Body): Effect.fn.Return<void, ContentError> {
    for (let tries = 0; tries < settleAttempts; tries++) {
      if (body.references > 0 || bodies.get(body.content) !== body) return
      if (unsettled(body)) {
        yield* settle(body)
        continue
      }
      yield* endEdit(body)
      return yield* closeNow(body)
    }
  })

  /** What could not be recorded stays open and is tried again by the next release, commit or at the end. */
  const finishLogged = (body: Body) =>
    Effect.catchCause(finish(body), (cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.logError(`the content of item ${body.ino} could not be recorded yet and is kept open`, cause)
    )

  return {
    commit,
    written,
    fsync,
    saveExtents,
    isSaveDue,
    release: (body) =>
      Effect.suspend(() => {
        body.references--
        return body.references > 0 ? Effect.void : finishLogged(body)
      }),
    close: (body) =>
      Effect.suspend(() => {
        body.references = 0
        return finishLogged(body)
      })
  }
}

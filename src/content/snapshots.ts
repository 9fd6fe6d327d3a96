/**
 * Immutable views for uploads, and the check of downloaded content: both hash the backing file off the JavaScript
 * thread. quickXorHash detects accidents, not attackers.
 */
import * as fs from "node:fs"
import { Effect, PubSub, Scope, Semaphore } from "effect"
import { quickXorHashFile, type ContentState } from "@onemount/fuse-native"
import { type Body, hasUnsentContent, ownerOf, type Store } from "./bodies.ts"
import { quickXorHash } from "../platform/QuickXorHash.ts"
import { readFully } from "../platform/readFully.ts"
import { ContentError } from "./ContentError.ts"
import { factsOf } from "./ContentFiles.ts"
import type { Snapshot } from "./ContentStore.ts"
import { attempt, attemptPromise } from "./errors.ts"
import * as extents from "./extents.ts"
import type { Settling } from "./settle.ts"

/** The snapshot lives as long as the scope; `body` has to be open for that time. */
export const takeSnapshot = Effect.fnUntraced(function* (
  store: Store,
  settling: Settling,
  body: Body
): Effect.fn.Return<Snapshot, ContentError, Scope.Scope> {
  const what = `snapshot of body ${body.key}`
  yield* Semaphore.takeScoped(body.freezing, 1)
  const before = yield* stateOf(store, body)
  if (!before.complete) {
    return yield* new ContentError({ reason: "Incomplete", detail: `body ${body.key} misses ranges` })
  }
  const { fd, generation } = yield* Effect.acquireRelease(
    attemptPromise(what, () => store.table.freeze(body.content)),
    (frozen) =>
      Effect.catch(
        attempt(what, () => {
          fs.closeSync(frozen.fd)
          store.table.thaw(body.content)
        }),
        Effect.logWarning
      )
  )
  const after = yield* stateOf(store, body)
  const facts = yield* attempt(what, () => factsOf(fs.fstatSync(fd, { bigint: true })))
  yield* settling.commit(body)
  const hash = yield* hashOf(store, body, { fd, size: facts.size, generation })
  const state = [before, after].find((candidate) => candidate.generation === generation)
  return { fd, size: facts.size, mtime: state?.mtime ?? facts.mtime, generation, hash }
})

const stateOf = ({ table }: Store, body: Body): Effect.Effect<ContentState, ContentError> =>
  Effect.suspend(() => {
    const state = table.state(body.content)
    if (state !== undefined) return Effect.succeed(state)
    return Effect.fail(new ContentError({ reason: "Gone", detail: `body ${body.key} is not open` }))
  })

/** Bodies up to so many bytes are hashed on this thread: handing them over takes longer. */
const smallHash = 16 * 1024

const hashNow = (fd: number, size: number) => {
  const bytes = Buffer.allocUnsafe(size)
  const length = readFully(fd, bytes, 0)
  return { hash: quickXorHash(bytes.subarray(0, length)), length }
}

const hashOf = Effect.fnUntraced(function* (
  { hashes }: Store,
  { key }: Body,
  frozen: { readonly fd: number; readonly size: number; readonly generation: number }
): Effect.fn.Return<string, ContentError> {
  const { fd, size, generation } = frozen
  const known = hashes.get(key)
  if (known?.generation === generation) return known.hash
  const { hash, length } = yield* size <= smallHash
    ? attempt(`hash body ${key}`, () => hashNow(fd, size))
    : attemptPromise(`hash body ${key}`, () => quickXorHashFile(fd, size))
  if (length !== size) {
    return yield* new ContentError({ reason: "Io", detail: `body ${key} has ${length} of ${size} bytes` })
  }
  hashes.set(key, { generation, hash })
  return hash
})

/** Compares a complete body with what the server says; content that was changed here has nothing to be compared with. */
export const verifyBody = Effect.fnUntraced(function* (store: Store, body: Body): Effect.fn.Return<void, ContentError> {
  const { table, files, rows } = store
  const { key } = body
  const before = yield* stateOf(store, body)
  if (!before.complete) return yield* new ContentError({ reason: "Incomplete", detail: `body ${key} misses ranges` })
  const item = ownerOf(store, body)
  if (item === undefined) {
    return yield* new ContentError({ reason: "Stale", detail: `body ${key} is not its item's content any more` })
  }
  const edited = () => body.dirty !== undefined || hasUnsentContent(store, body.ino)
  if (item.hash === null || before.modified || edited()) return
  const { hash, length } = yield* attemptPromise(`hash body ${key}`, () =>
    quickXorHashFile(files.path(key), item.size + 1)
  )
  if (hash === item.hash && length === item.size) {
    return yield* attempt(`record body ${key}`, () => {
      rows.verified(key)
      body.trusted = true
    })
  }
  // Under the lock: a save in progress would record what is dropped here.
  const dropped = yield* Semaphore.withPermit(
    body.lock,
    attempt(`drop body ${key}`, () => {
      const state = table.state(body.content)
      if (state?.generation !== before.generation || edited()) return false
      empty(store, body)
      body.unsaved = 0
      return true
    })
  )
  if (!dropped) return
  yield* PubSub.publish(store.tree.changes, [{ _tag: "Pages", ino: body.ino }])
  const detail =
    `${item.name} has ${length} bytes with hash ${hash}, the server says ${item.size} with ${item.hash}; ` +
    `the downloaded bytes were dropped`
  return yield* new ContentError({ reason: "Corrupt", detail })
})

/**
 * Forgets every range. Handles stay and ask again; what the kernel read of the wrong bytes is invalidated after them.
 */
const empty = ({ table, rows, hashes }: Store, { content, key }: Body): void => {
  hashes.delete(key)
  rows.emptied(key, extents.pack([]))
  table.drop(content)
}

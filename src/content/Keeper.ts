/**
 * Keeps the bodies on the disk within the byte budget and leaves the reserve to others. What may go is closed, clean and
 * has nothing to send; the least recently used goes first, and no more than needed.
 *
 * A body that is open may only be kept so for the next reader (fuse/Shares.ts). Those are asked back when closed ones are
 * not enough: they were used within the last minute, so they are the last to go anyway.
 *
 * The sum is kept incrementally: measured when a body is opened, saved or closed, estimated by what was filled between.
 */
import { Effect, Queue, type Scope, Semaphore } from "effect"
import type { ContentKey } from "../tree/Item.ts"
import type { ContentFiles } from "./ContentFiles.ts"
import { ContentError } from "./ContentError.ts"
import { type ContentRows, isEdited } from "./ContentRows.ts"
import { attempt, attemptPromise } from "./errors.ts"

export interface Budget {
  /** Most bytes on the disk. */
  readonly limit: number
  /** Bytes of free disk space that are left to others. */
  readonly reserve: number
}

export interface Keeper {
  readonly limit: number
  /** A body's file appeared, grew or shrank by `bytes`, or went (`files` -1). */
  adjust(bytes: number, files?: number): void
  /** Makes room for downloaded bytes, or fails with NoSpace. */
  makeRoom(bytes: number): Effect.Effect<void, ContentError>
  /** As `makeRoom` for bytes written here: only the reserve stops them, unsent changes may go beyond the limit. */
  makeRoomToWrite(bytes: number): Effect.Effect<void, ContentError>
  /** Whether bytes may be written here without making room first, as of at most a second ago. */
  hasRoomToWrite(now: number): boolean
  evict(bytes: number): Effect.Effect<number, ContentError>
  /** See ContentStore. */
  onShortage(giveBack: Effect.Effect<number>): Effect.Effect<void, never, Scope.Scope>
  usage(): { readonly bytes: number; readonly files: number }
  /** Enforces the budget when usage grew past it, and collects what was replaced; for ever. */
  readonly run: Effect.Effect<never, ContentError>
}

const page = 64
/** Times between two looks of the keeper, in milliseconds. */
const shortestRound = 1_000
const longestRound = 60_000

export const makeKeeper = Effect.fnUntraced(function* (options: {
  readonly budget: Budget
  readonly files: ContentFiles
  readonly rows: ContentRows
  readonly isOpen: (key: ContentKey) => boolean
  /** The body with this key is not on this machine any more. */
  readonly onDrop: (key: ContentKey) => void
}) {
  const { budget, files, rows, isOpen, onDrop } = options
  const { limit, reserve } = budget
  const grown = yield* Queue.sliding<void>(1)
  const evicting = yield* Semaphore.make(1)
  const used = { ...(yield* attempt("sum up the cache", () => rows.totals())) }

  const adjust = (bytes: number, count = 0): void => {
    used.bytes = Math.max(0, used.bytes + bytes)
    used.files += count
    if (bytes > 0 && used.bytes > limit) Queue.offerUnsafe(grown, undefined)
  }

  /** One step, so that nobody opens it in between; false when somebody did before. */
  const drop = ({ key, diskBytes }: { readonly key: ContentKey; readonly diskBytes: number }) =>
    attempt(`drop body ${key}`, () => {
      if (isOpen(key)) return false
      rows.drop(key)
      adjust(-diskBytes, -1)
      onDrop(key)
      return true
    })

  /** Row first: a file without a row is removed at the next start, a row without a file would promise bytes. */
  const remove = Effect.fnUntraced(function* (body: { readonly key: ContentKey; readonly diskBytes: number }) {
    if (!(yield* drop(body))) return 0
    yield* attemptPromise(`remove the file of body ${body.key}`, () => files.removeLater(body.key))
    return body.diskBytes
  })

  /** Bodies that no item points to and nobody uses; edits in them are kept for the next start to set aside. */
  const collect = Effect.fnUntraced(function* () {
    let freed = 0
    for (const row of yield* attempt("look for replaced bodies", () => rows.orphans("marked"))) {
      if (!isEdited(row)) freed += yield* remove(row)
    }
    return freed
  })

  const closed = Effect.fnUntraced(function* (bytes: number): Effect.fn.Return<number, ContentError> {
    let freed = yield* collect()
    let after = { lastUsed: -1, key: -1 }
    while (freed < bytes) {
      const candidates = yield* attempt("look for what can be evicted", () => rows.candidates(after, page))
      for (const candidate of candidates) {
        if (freed >= bytes) break
        freed += yield* remove(candidate)
      }
      const last = candidates.at(-1)
      if (last === undefined) break
      after = last
    }
    return freed
  })

  const givingBack = new Set<Effect.Effect<number>>()
  const onShortage = (giveBack: Effect.Effect<number>) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => givingBack.add(giveBack)),
        () => Effect.sync(() => givingBack.delete(giveBack))
      )
    )

  const evictInTurn = Effect.fnUntraced(function* (bytes: number): Effect.fn.Return<number, ContentError> {
    const freed = yield* closed(bytes)
    if (freed >= bytes || givingBack.size === 0) return freed
    const given = yield* Effect.forEach(givingBack, (giveBack) => giveBack)
    return given.some((count) => count > 0) ? freed + (yield* closed(bytes - freed)) : freed
  })

  const evict = (bytes: number) => Semaphore.withPermit(evicting, evictInTurn(bytes))

  const overLimit = (bytes: number): number => used.bytes + bytes - limit
  const intoReserve = (bytes: number): number => reserve + bytes - files.disk().free

  const require = Effect.fnUntraced(function* (
    bytes: number,
    lacking: () => number
  ): Effect.fn.Return<void, ContentError> {
    const needed = yield* attempt("ask for free space", lacking)
    if (needed <= 0 || (yield* evict(needed)) >= needed) return
    // Others may have freed some meanwhile.
    if ((yield* attempt("ask for free space", lacking)) <= 0) return
    const { free } = yield* attempt("ask for free space", () => files.disk())
    const detail =
      `no room for ${bytes} bytes: the cache holds ${used.bytes} of at most ${limit} bytes, ` +
      `the disk has ${free} free and ${reserve} are reserved; raise cache.limit, lower cache.reserve or free disk space`
    return yield* new ContentError({ reason: "NoSpace", detail })
  })

  const makeRoom = (bytes: number) => require(bytes, () => Math.max(overLimit(bytes), intoReserve(bytes)))
  const makeRoomToWrite = (bytes: number) => require(bytes, () => intoReserve(bytes))

  const seen = { at: Number.NEGATIVE_INFINITY, room: false }
  const hasRoomToWrite = (now: number): boolean => {
    if (now - seen.at >= shortestRound || now < seen.at) Object.assign(seen, { at: now, room: intoReserve(0) <= 0 })
    return seen.room
  }

  /** Looks after a while even if nothing grew: replaced bodies go, and others use the disk too. */
  const round = Effect.gen(function* () {
    yield* Effect.timeoutOption(Queue.take(grown), longestRound)
    const excess = yield* attempt("ask for free space", () => Math.max(0, overLimit(0), intoReserve(0)))
    yield* evict(excess)
    yield* Effect.sleep(shortestRound)
  })
  const run = Effect.forever(round)

  const usage = () => ({ ...used })
  const keeper: Keeper = { limit, adjust, makeRoom, makeRoomToWrite, hasRoomToWrite, evict, onShortage, usage, run }
  return keeper
})

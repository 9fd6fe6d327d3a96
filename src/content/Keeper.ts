/**
 * Keeps the bodies on the disk within the byte budget and leaves the reserve to others. What may go is closed, clean and
 * has nothing to send; the least recently used goes first, and no more than needed.
 *
 * The sum is kept incrementally: measured when a body is opened, saved or closed, estimated by what was filled between.
 */
import { Effect, Queue } from "effect"
import type { ContentKey } from "../tree/Item.ts"
import type { ContentFiles } from "./ContentFiles.ts"
import { ContentError } from "./ContentError.ts"
import { type ContentRows, isEdited } from "./ContentRows.ts"
import { attempt } from "./errors.ts"

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
  /** Makes room for `bytes`, or fails with NoSpace. */
  makeRoom(bytes: number): Effect.Effect<void, ContentError>
  evict(bytes: number): Effect.Effect<number, ContentError>
  usage(): { readonly bytes: number; readonly files: number }
  /** Enforces the budget whenever usage grew past it; for ever. */
  readonly run: Effect.Effect<never, ContentError>
}

const page = 64

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
  const used = { ...(yield* attempt("sum up the cache", () => rows.totals())) }

  const adjust = (bytes: number, count = 0): void => {
    used.bytes = Math.max(0, used.bytes + bytes)
    used.files += count
    if (bytes > 0 && used.bytes > limit) Queue.offerUnsafe(grown, undefined)
  }

  /** Row first: a file without a row is removed at the next start, a row without a file would promise bytes. */
  const drop = (key: ContentKey, diskBytes: number): void => {
    rows.drop(key)
    adjust(-diskBytes, -1)
    onDrop(key)
    files.remove(key)
  }

  /** Bodies that no item points to and nobody uses; edits in them are kept for the next start to set aside. */
  const collect = (): number => {
    let freed = 0
    for (const row of rows.orphans("marked")) {
      if (isOpen(row.key) || isEdited(row)) continue
      drop(row.key, row.diskBytes)
      freed += row.diskBytes
    }
    return freed
  }

  const evict = (bytes: number): Effect.Effect<number, ContentError> =>
    attempt("evict", () => {
      let freed = collect()
      let after = { lastUsed: -1, key: -1 }
      while (freed < bytes) {
        const candidates = rows.candidates(after, page)
        for (const candidate of candidates) {
          if (freed >= bytes) break
          if (isOpen(candidate.key)) continue
          drop(candidate.key, candidate.diskBytes)
          freed += candidate.diskBytes
        }
        const last = candidates.at(-1)
        if (last === undefined) break
        after = last
      }
      return freed
    })

  const lacking = (bytes: number): number => Math.max(used.bytes + bytes - limit, reserve + bytes - files.disk().free)

  const makeRoom = Effect.fnUntraced(function* (bytes: number): Effect.fn.Return<void, ContentError> {
    const needed = yield* attempt("ask for free space", () => lacking(bytes))
    if (needed <= 0 || (yield* evict(needed)) >= needed) return
    const { free } = yield* attempt("ask for free space", () => files.disk())
    const detail =
      `no room for ${bytes} bytes: the cache holds ${used.bytes} of at most ${limit} bytes, ` +
      `the disk has ${free} free and ${reserve} are reserved; raise cache.limit, lower cache.reserve or free disk space`
    return yield* new ContentError({ reason: "NoSpace", detail })
  })

  const run = Effect.forever(
    Effect.andThen(
      Queue.take(grown),
      Effect.suspend(() => evict(used.bytes - limit))
    )
  )

  const keeper: Keeper = { limit, adjust, makeRoom, evict, usage: () => ({ ...used }), run }
  return keeper
})

/**
 * Open files: who has which item open, and what closing, syncing and truncating do. A removed item stays readable
 * through its handles; with the last one the tree may forget it. Folders have no handles: a removed one stays for who is
 * in it until the kernel forgets it.
 *
 * Nothing here waits for the network: opening a ghost opens an empty sparse body, truncating one needs no download.
 */
import type { ContentId } from "@onemount/fuse-native"
import { Clock, Effect } from "effect"
import type { ContentStore } from "../content/ContentStore.ts"
import type { Time } from "../graph/DriveItem.ts"
import type { Ino, Item } from "../tree/Item.ts"
import type { Tree } from "../tree/Tree.ts"
import type { Attributes } from "./attributes.ts"
import { fromContent, fromTree } from "./errors.ts"
import type { Opened } from "./Filesystem.ts"
import { FsError } from "./FsError.ts"

/** Largest file OneDrive stores, in bytes (250 GB). */
export const maxFileSize = 250 * 1024 ** 3

/** The wall clock with the resolution a Stat has. */
export const currentTime: Effect.Effect<Time> = Effect.map(Clock.currentTimeNanos, (nanos) => ({
  sec: Number(nanos / 1_000_000_000n),
  nsec: Number(nanos % 1_000_000_000n)
}))

interface Users {
  handles: number
  writers: number
}

export interface OpenFiles {
  open(item: Item, writable: boolean): Effect.Effect<Opened, FsError>
  flush(ino: Ino, body: ContentId): Effect.Effect<void, FsError>
  fsync(ino: Ino, body: ContentId): Effect.Effect<void, FsError>
  release(ino: Ino, body: ContentId, writable: boolean): Effect.Effect<void>
  allocate(
    body: ContentId,
    range: { readonly mode: number; readonly offset: number; readonly length: number }
  ): Effect.Effect<void, FsError>
  /** Recorded in the journal before it returns unless a writer will do that with its close. */
  truncate(item: Item, size: number): Effect.Effect<void, FsError>
  setModified(item: Item, mtime: Time, now: Time): Effect.Effect<void, FsError>
  /** Lets the tree forget a removed item once nobody has it any more. */
  reclaim(item: Item): Effect.Effect<void>
  /** The kernel holds these no longer. */
  forgotten(inos: ReadonlyArray<Ino>): Effect.Effect<void>
}

export const make = (layers: {
  readonly tree: Tree["Service"]
  readonly content: ContentStore["Service"]
  readonly attributes: Attributes
}): OpenFiles => {
  const { tree, content, attributes } = layers
  const users = new Map<Ino, Users>()
  /** Removed folders that the kernel holds. */
  const left = new Set<Ino>()

  const enter = (ino: Ino, writable: boolean) => {
    const known = users.get(ino) ?? { handles: 0, writers: 0 }
    users.set(ino, known)
    known.handles++
    if (writable) known.writers++
  }

  const leave = (ino: Ino, writable: boolean) => {
    const known = users.get(ino)
    if (known === undefined) return
    known.handles--
    if (writable) known.writers--
    if (known.handles === 0) users.delete(ino)
  }

  const forgetUnused = Effect.fnUntraced(function* (ino: Ino): Effect.fn.Return<void> {
    const item = tree.get(ino)
    if (item === undefined || item.parent !== null || users.has(ino)) return
    yield* Effect.catch(tree.forget(ino), (error) =>
      Effect.logWarning(`removed inode ${ino} is not forgotten yet: ${error.message}`)
    )
  })

  const reclaim = (item: Item): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (item.kind === "file") return forgetUnused(item.ino)
      left.add(item.ino)
      return Effect.void
    })

  const forgotten = (inos: ReadonlyArray<Ino>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const unused = left.size === 0 ? [] : inos.filter((ino) => left.delete(ino))
      return Effect.forEach(unused, forgetUnused, { discard: true })
    })

  /** Counts a user of the item for as long as its body is open: a removed item is not forgotten meanwhile. */
  const acquire = (ino: Ino, writable: boolean) =>
    Effect.suspend(() => {
      enter(ino, writable)
      return content.open(ino).pipe(
        Effect.mapError(fromContent),
        Effect.onError(() => {
          leave(ino, writable)
          return forgetUnused(ino)
        })
      )
    })

  /** What was written after the last close, by a mapping, and with passthrough all that no close told. */
  const written = (ino: Ino, body: ContentId) =>
    Effect.catch(recorded(ino) ? content.written(body) : Effect.void, (error) =>
      Effect.logError(`changes of item ${ino} are not recorded yet: ${error.message}`)
    )

  const release = Effect.fnUntraced(function* (ino: Ino, body: ContentId, writable: boolean): Effect.fn.Return<void> {
    if (writable) yield* written(ino, body)
    yield* content.release(body)
    leave(ino, writable)
    yield* forgetUnused(ino)
  })

  const open = Effect.fnUntraced(function* (item: Item, writable: boolean): Effect.fn.Return<Opened, FsError> {
    if (item.kind === "directory") return yield* fail("IsDirectory", item.name)
    if (item.kind === "other") return yield* fail("AccessDenied", `${item.name} can only be opened on the web`)
    const body = yield* acquire(item.ino, writable)
    const current = tree.get(item.ino)
    if (current === undefined) {
      yield* release(item.ino, body.content, writable)
      return yield* fail("Stale", `${item.name} was removed while it was opened`)
    }
    const { content: id } = body
    // Where there is no room each write has to be refused, so we have to see them.
    const trusted = content.isTrusted(id) && (!writable || (yield* content.hasRoom))
    return { stat: attributes.stat(current, id), content: id, trusted }
  })

  /** Changes of a removed file are nobody's business but its handles'. */
  const recorded = (ino: Ino): boolean => {
    const item = tree.get(ino)
    return item !== undefined && item.parent !== null
  }

  const flush = Effect.fnUntraced(function* (ino: Ino, body: ContentId): Effect.fn.Return<void, FsError> {
    if (recorded(ino)) yield* Effect.mapError(content.commit(body), fromContent)
  })

  const fsync = Effect.fnUntraced(function* (ino: Ino, body: ContentId): Effect.fn.Return<void, FsError> {
    if (recorded(ino)) yield* Effect.mapError(content.fsync(body), fromContent)
  })

  const allocate = Effect.fnUntraced(function* (
    body: ContentId,
    range: { readonly mode: number; readonly offset: number; readonly length: number }
  ): Effect.fn.Return<void, FsError> {
    if (range.offset < 0 || range.length <= 0) return yield* fail("InvalidArgument", "empty or negative range")
    if (range.offset + range.length > maxFileSize) return yield* fail("FileTooLarge", "OneDrive stores 250 GB at most")
    yield* Effect.mapError(content.allocate(body, range.mode, range.offset, range.length), fromContent)
  })

  const setModified = Effect.fnUntraced(function* (
    item: Item,
    mtime: Time,
    now: Time
  ): Effect.fn.Return<void, FsError> {
    yield* Effect.mapError(tree.setAttributes(item.ino, { mtime, now }), fromTree)
    if (content.live(item) !== undefined) yield* Effect.mapError(content.setTime(item, mtime), fromContent)
  })

  const truncate = Effect.fnUntraced(function* (item: Item, size: number): Effect.fn.Return<void, FsError> {
    if (item.kind !== "file") return yield* fail(item.kind === "directory" ? "IsDirectory" : "AccessDenied", item.name)
    if (size > maxFileSize) return yield* fail("FileTooLarge", "OneDrive stores 250 GB at most")
    if (size < 0) return yield* fail("InvalidArgument", "negative size")
    const { ino } = item
    if (attributes.stat(item).size === size) {
      // Nothing to upload; Linux moves the time all the same (`: > stamp`).
      const now = yield* currentTime
      return yield* setModified(item, now, now)
    }
    yield* Effect.acquireUseRelease(
      acquire(ino, false),
      Effect.fnUntraced(function* (body): Effect.fn.Return<void, FsError> {
        yield* Effect.mapError(content.truncate(ino, size), fromContent)
        if ((users.get(ino)?.writers ?? 0) === 0) yield* flush(ino, body.content)
      }),
      (body) => release(ino, body.content, false)
    )
  })

  return {
    open,
    flush,
    fsync,
    release,
    allocate,
    truncate,
    setModified,
    reclaim,
    forgotten
  }
}

const fail = (reason: FsError["reason"], detail: string) => Effect.fail(new FsError({ reason, detail }))

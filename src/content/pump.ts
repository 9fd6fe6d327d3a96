/**
 * What the content table asks for, on two paths: a writer's permission is answered as soon as it is seen; a reader's
 * fetch goes to the bounded `fetches` queue, and when that is full, waits before it in a second one. A fetch that finds
 * both full is failed with EAGAIN, so that neither writers nor memory pay for a server that does not answer.
 */
import { constants } from "node:os"
import { Clock, Effect, Queue } from "effect"
import type { ContentEvent, ContentId } from "@onemount/fuse-native"
import { ownerOf, type Store } from "./bodies.ts"
import type { ContentError } from "./ContentError.ts"
import type { Fetch } from "./ContentStore.ts"
import { attempt, fromTree } from "./errors.ts"

type DirtyEvent = Extract<ContentEvent, { readonly op: "dirty" }>
type FetchEvent = Extract<ContentEvent, { readonly op: "fetch" }>

export interface Pump {
  readonly fetches: Queue.Dequeue<Fetch>
  /** Answers the table's events; for ever. */
  readonly events: Effect.Effect<never, ContentError>
  /** Moves waiting fetches to `fetches` as there is room; for ever. */
  readonly mover: Effect.Effect<never>
}

const { EAGAIN, EIO, ENOSPC } = constants.errno
const waitingLimit = 10_000
/** Between two warnings, in milliseconds. */
const warnInterval = 10_000

/** `wake` gets a token when the table has events. */
export const makePump = Effect.fnUntraced(function* (store: Store, wake: Queue.Dequeue<void>, fetchLimit: number) {
  const { tree, table, bodies, keeper } = store
  const fetches = yield* Queue.bounded<Fetch>(fetchLimit)
  const waiting = yield* Queue.bounded<Fetch>(waitingLimit)

  const permit = Effect.fnUntraced(function* (content: ContentId) {
    const body = bodies.get(content)
    if (body === undefined) return EIO
    ownerOf(store, body)
    yield* keeper.makeRoomToWrite(0)
    body.touched = true
    body.asked = true
    yield* Effect.mapError(tree.beginEdit(body.ino, body.key), fromTree)
    return 0
  })

  /** Programs may try again at once and for long. */
  let warnedAt = Number.NEGATIVE_INFINITY
  const warn = Effect.fnUntraced(function* (message: string) {
    const now = yield* Clock.currentTimeMillis
    if (now - warnedAt < warnInterval) return yield* Effect.logDebug(message)
    warnedAt = now
    yield* Effect.logWarning(message)
  })

  const answer = ({ id, content }: DirtyEvent) =>
    permit(content).pipe(
      Effect.catch((error) =>
        Effect.as(
          warn(`a write to body ${content} was refused: ${error.message}`),
          error.reason === "NoSpace" ? ENOSPC : EIO
        )
      ),
      Effect.catchDefect((defect) => Effect.as(Effect.logError(`a write to body ${content} failed`, defect), EIO)),
      Effect.flatMap((errno) => attempt("answer a writer", () => table.replyDirty(id, errno))),
      Effect.catch((error) => Effect.logWarning(`a writer of body ${content} left: ${error.message}`))
    )

  /** A body that was closed meanwhile has no readers left to be told. */
  const refuse = ({ content, offset, length }: FetchEvent, errno: number) =>
    Effect.ignore(attempt("fail readers", () => table.failRange(content, offset, length, errno)))

  const enqueue = (event: FetchEvent) =>
    Effect.suspend(() => {
      const { content, offset, length, sequential } = event
      const body = bodies.get(content)
      if (body === undefined) return refuse(event, EIO)
      const fetch: Fetch = { ino: body.ino, content, key: body.key, offset, length, sequential }
      if (Queue.offerUnsafe(waiting, fetch)) return Effect.void
      return Effect.andThen(warn(`too many readers wait for bytes, item ${body.ino} fails`), refuse(event, EAGAIN))
    })

  /** Looks before it waits: after a restart the token of what waits may be gone. */
  const drain = Effect.gen(function* () {
    while (true) {
      const batch = yield* attempt("take events", () => table.take())
      for (const event of batch) yield* event.op === "dirty" ? answer(event) : enqueue(event)
      if (batch.length === 0) yield* Queue.take(wake)
    }
  })

  const pump: Pump = {
    fetches,
    events: drain,
    mover: Effect.forever(Effect.flatMap(Queue.take(waiting), (fetch) => Queue.offer(fetches, fetch)))
  }
  return pump
})

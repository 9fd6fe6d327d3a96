/**
 * What the content table asks for, on three paths: a writer's permission is answered as soon as it is seen; a writer
 * that found the disk full waits a bounded time, beside the others, until the keeper has made room; a reader's fetch
 * goes to the bounded `fetches` queue, and when that is full, waits before it in a second one. A fetch that finds
 * both full is failed with EAGAIN, so that neither writers nor memory pay for a server that does not answer.
 */
import { constants } from "node:os"
import { Clock, Effect, FiberSet, Queue, Schedule } from "effect"
import type { ContentEvent, ContentId } from "@onemount/fuse-native"
import type { Store } from "./bodies.ts"
import type { ContentError } from "./ContentError.ts"
import type { Fetch } from "./ContentStore.ts"
import { attempt } from "./errors.ts"
import { announceEdit } from "./settle.ts"

type DirtyEvent = Extract<ContentEvent, { readonly op: "dirty" }>
type SpaceEvent = Extract<ContentEvent, { readonly op: "space" }>
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
/** How often a full disk is looked at while a writer waits, in milliseconds. */
const roomInterval = 250
/** Between two warnings, in milliseconds. */
const warnInterval = 10_000

export interface PumpOptions {
  /** Gets a token when the table has events. */
  readonly wake: Queue.Dequeue<void>
  readonly fetchLimit: number
  /** How long a writer waits for room on a full disk, in milliseconds. */
  readonly roomWait: number
}

export const makePump = Effect.fnUntraced(function* (store: Store, { wake, fetchLimit, roomWait }: PumpOptions) {
  const { table, bodies, keeper } = store
  const fetches = yield* Queue.bounded<Fetch>(fetchLimit)
  const waiting = yield* Queue.bounded<Fetch>(waitingLimit)
  // At most one question for each open body.
  const makingRoom = yield* FiberSet.make<void>()

  const permit = Effect.fnUntraced(function* (content: ContentId) {
    const body = bodies.get(content)
    if (body === undefined) return EIO
    yield* keeper.makeRoomToWrite(0)
    yield* announceEdit(store, body)
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

  /** Tells a writer what its question ended with; what fails refuses the write, for the reason that `why` names. */
  const reply = (
    content: ContentId,
    question: Effect.Effect<number, ContentError>,
    why: string,
    send: (errno: number) => void
  ) =>
    question.pipe(
      Effect.catch((error) =>
        Effect.as(
          warn(`a write to body ${content} ${why}: ${error.message}`),
          error.reason === "NoSpace" ? ENOSPC : EIO
        )
      ),
      Effect.catchDefect((defect) => Effect.as(Effect.logError(`a write to body ${content} failed`, defect), EIO)),
      Effect.flatMap((errno) => attempt("answer a writer", () => send(errno))),
      Effect.catch((error) => Effect.logWarning(`a writer of body ${content} left: ${error.message}`))
    )

  const answer = ({ id, content }: DirtyEvent) =>
    reply(content, permit(content), "was refused", (errno) => table.replyDirty(id, errno))

  /** Others may free space as well while this one waits, so it looks again. */
  const room = (bytes: number) =>
    Effect.andThen(keeper.evict(bytes), keeper.makeRoomToWrite(bytes)).pipe(
      Effect.as(0),
      Effect.retry({
        while: (error) => error.reason === "NoSpace",
        schedule: Schedule.spaced(roomInterval).pipe(Schedule.upTo({ duration: roomWait }))
      })
    )

  /** The disk was full at a write. What it frees may not suffice, then the table asks again, or the write fails. */
  const answerSpace = ({ id, content, bytes }: SpaceEvent) =>
    reply(content, room(bytes), "found the disk full", (errno) => table.replySpace(id, errno))

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

  const handle = (event: ContentEvent) => {
    switch (event.op) {
      case "dirty":
        return answer(event)
      case "space":
        return Effect.asVoid(FiberSet.run(makingRoom, answerSpace(event)))
      case "fetch":
        return enqueue(event)
    }
  }

  /** Looks before it waits: after a restart the token of what waits may be gone. */
  const drain = Effect.gen(function* () {
    while (true) {
      const batch = yield* attempt("take events", () => table.take())
      for (const event of batch) yield* handle(event)
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

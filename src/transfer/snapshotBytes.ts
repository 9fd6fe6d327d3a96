/** Reads a snapshot through its descriptor: the path may name another file by now. */
import { read } from "node:fs"
import { Effect } from "effect"
import { ContentError } from "../content/ContentError.ts"
import type { Snapshot } from "../content/ContentStore.ts"
import { readFully } from "../platform/readFully.ts"

/** Up to so many bytes are read on this thread: they are in the page cache, and handing the read over takes longer. */
const smallRead = 64 * 1024

/** Exactly `length` bytes at `offset`; a shorter file is an Io error, never a short result. */
export const readSnapshot = Effect.fnUntraced(function* (snapshot: Snapshot, offset: number, length: number) {
  const bytes = new Uint8Array(length)
  const reading = length <= smallRead ? readNow : readLater
  const done = yield* reading(snapshot.fd, bytes, offset)
  if (done === length) return bytes
  return yield* new ContentError({ reason: "Io", detail: `snapshot ends at byte ${offset + done}` })
})

const unreadable = (cause: unknown) =>
  new ContentError({ reason: "Io", detail: `snapshot cannot be read: ${String(cause)}` })

const readNow = (fd: number, bytes: Uint8Array, position: number) =>
  Effect.try({ try: () => readFully(fd, bytes, position), catch: unreadable })

const readLater = Effect.fnUntraced(function* (fd: number, bytes: Uint8Array, position: number) {
  let done = 0
  while (done < bytes.length) {
    const count = yield* readSome(fd, bytes.subarray(done), position + done)
    if (count === 0) break
    done += count
  }
  return done
})

const readSome = (fd: number, bytes: Uint8Array, position: number) =>
  Effect.callback<number, ContentError>((resume) => {
    read(fd, bytes, 0, bytes.length, position, (cause, count) =>
      resume(cause === null ? Effect.succeed(count) : Effect.fail(unreadable(cause)))
    )
  })

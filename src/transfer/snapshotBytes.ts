/** Reads a snapshot through its descriptor: the path may name another file by now. */
import { read, readSync } from "node:fs"
import { Effect } from "effect"
import { ContentError } from "../content/ContentError.ts"
import type { Snapshot } from "../content/ContentStore.ts"

/** Exactly `length` bytes at `offset`; a shorter file is an Io error, never a short result. */
export const readSnapshot = Effect.fnUntraced(function* (snapshot: Snapshot, offset: number, length: number) {
  const bytes = new Uint8Array(length)
  let done = 0
  while (done < length) {
    const count = yield* readSome(snapshot.fd, bytes, done, offset + done)
    if (count === 0) return yield* new ContentError({ reason: "Io", detail: `snapshot ends at byte ${offset + done}` })
    done += count
  }
  return bytes
})

/** So many bytes are read on this thread: they are in the page cache, and handing the read over takes longer. */
const smallRead = 64 * 1024

const readSome = (fd: number, bytes: Uint8Array, at: number, position: number) =>
  bytes.length <= smallRead ? readNow(fd, bytes, at, position) : readLater(fd, bytes, at, position)

const readNow = (fd: number, bytes: Uint8Array, at: number, position: number) =>
  Effect.try({
    try: () => readSync(fd, bytes, at, bytes.length - at, position),
    catch: (cause) => new ContentError({ reason: "Io", detail: `snapshot cannot be read: ${String(cause)}` })
  })

const readLater = (fd: number, bytes: Uint8Array, at: number, position: number) =>
  Effect.callback<number, ContentError>((resume) => {
    read(fd, bytes, at, bytes.length - at, position, (cause, count) =>
      resume(
        cause === null
          ? Effect.succeed(count)
          : Effect.fail(new ContentError({ reason: "Io", detail: `snapshot cannot be read: ${cause.message}` }))
      )
    )
  })

/**
 * A daemon that is killed: does what its second argument says on the store in its first one, prints `ready` and waits
 * for SIGKILL. Nothing is closed or committed beyond what the scene says.
 */
import { Effect, Layer } from "effect"
import { ContentStore } from "../../../src/content/ContentStore.ts"
import * as Harness from "../harness.ts"
import { text, film } from "./scenes.ts"

const scenes: Readonly<Record<string, Effect.Effect<void, unknown, Harness.Services>>> = {
  /** Closed and synced before, written again and not closed. */
  local: Effect.gen(function* () {
    const store = yield* ContentStore
    const { ino } = yield* Harness.localFile("notes")
    const { content } = yield* store.open(ino)
    yield* Harness.write(content, 0, text("recorded"))
    yield* store.commit(content)
    yield* Harness.write(content, 8, text(" and not"))
  }),
  /** A new file that was written and never closed, and one that was only created. */
  created: Effect.gen(function* () {
    const store = yield* ContentStore
    const written = yield* store.open((yield* Harness.localFile("notes")).ino)
    yield* Harness.write(written.content, 0, text("never closed"))
    yield* store.open((yield* Harness.localFile("lock")).ino)
  }),
  /** Written and closed by its writer while a reader keeps it open. */
  closed: Effect.gen(function* () {
    const store = yield* ContentStore
    const { ino } = yield* Harness.localFile("notes")
    const { content } = yield* store.open(ino)
    yield* Harness.write(content, 0, text("recorded"))
    yield* store.setTime(yield* Harness.itemOf(ino), { sec: 1000, nsec: 0 })
    yield* store.commit(content)
  }),
  /** A file that was being downloaded, never committed. */
  partial: Effect.gen(function* () {
    const store = yield* ContentStore
    const { ino } = yield* Harness.ghost("film", film)
    yield* Harness.using(ino, (content) => store.fill(content, 0, film.subarray(0, 1000)))
    const { content } = yield* store.open(ino)
    yield* Harness.write(content, 500, text("mine"))
  }),
  /** A file that was being downloaded, committed once, written again. */
  committed: Effect.gen(function* () {
    const store = yield* ContentStore
    const { ino } = yield* Harness.ghost("film", film)
    const { content } = yield* store.open(ino)
    yield* store.fill(content, 0, film.subarray(0, 1000))
    yield* Harness.write(content, 2000, text("mine"))
    yield* store.commit(content)
    yield* Harness.write(content, 500, text("late"))
  }),
  /** Half a download. */
  hydrating: Effect.gen(function* () {
    const store = yield* ContentStore
    const { ino } = yield* Harness.ghost("film", film)
    yield* Harness.using(ino, (content) => store.fill(content, 0, film.subarray(0, 1000)))
    const { content } = yield* store.open(ino)
    yield* store.fill(content, 1000, film.subarray(1000, 2000))
  })
}

const [directory = "", scene = ""] = process.argv.slice(2)
const work = scenes[scene] ?? Effect.die(new Error(`no scene ${scene}`))
const ready = Effect.sync(() => process.stdout.write("ready\n"))
await Effect.runPromise(
  Effect.provide(Effect.andThen(work, Effect.andThen(ready, Effect.never)), Layer.fresh(Harness.storeLayer(directory)))
)

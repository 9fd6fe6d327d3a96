import { assert, describe, it } from "@effect/vitest"
import { constants } from "node:os"
import { join } from "node:path"
import { rmSync, statSync, truncateSync } from "node:fs"
import { Effect, Exit, Fiber, PubSub } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { Tree } from "../../src/tree/Tree.ts"
import * as Harness from "./harness.ts"

const chunk = 128 * 1024
const bytes = Harness.pattern(4 * chunk)

const settled = (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) =>
  fibers.map((fiber) => fiber.pollUnsafe() !== undefined)

describe("a ghost", () => {
  it.live("asks once per missing range, and a fill releases exactly the readers it satisfies", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.ghost("film", bytes)
        const { content, key } = yield* store.open(ino)
        const reader = (offset: number) =>
          Effect.forkChild(Harness.read(content, offset, 1000), { startImmediately: true })
        const first = yield* Effect.forEach([0, 500, 64_000], reader)
        const early = yield* Harness.nextFetch
        assert.deepStrictEqual(
          { ...early, sequential: 0 },
          { ino, content, key, offset: 0, length: chunk, sequential: 0 }
        )
        const second = yield* Effect.forEach([2 * chunk, 2 * chunk + 7], reader)
        const late = yield* Harness.nextFetch
        assert.strictEqual(late.offset, 2 * chunk)

        yield* store.fill(content, late.offset, bytes.subarray(late.offset, late.offset + late.length))
        const got = yield* Effect.forEach(second, Fiber.join)
        assert.deepStrictEqual(Buffer.from(got[1] ?? []), Buffer.from(bytes.subarray(2 * chunk + 7, 2 * chunk + 1007)))
        assert.deepStrictEqual(settled(first), [false, false, false])
        assert.strictEqual(store.table.state(content)?.waiters, 3)

        yield* store.fill(content, 0, bytes.subarray(0, chunk))
        yield* Effect.forEach(first, Fiber.join)
        assert.deepStrictEqual(store.missing(content, 0), { offset: chunk, length: chunk })
        assert.deepStrictEqual(store.missing(content, 3 * chunk), { offset: 3 * chunk, length: chunk })
        yield* store.release(content)
      })
    )
  )

  it.live("fails the readers of a range with the errno they are given, and asks again for the next one", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.ghost("film", bytes)
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            for (let attempt = 0; attempt < 2; attempt++) {
              const reader = yield* Effect.forkChild(Harness.read(content, 0, 10), { startImmediately: true })
              const { offset, length } = yield* Harness.nextFetch
              yield* store.fail(content, offset, length, constants.errno.ENETUNREACH)
              const error = yield* Effect.flip(Fiber.join(reader))
              assert.propertyVal(error.cause, "code", "ENETUNREACH")
            }
          })
        )
      })
    )
  )

  it.live("that is empty is complete at once", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.ghost("empty", new Uint8Array(0))
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            assert.strictEqual(store.live(yield* Harness.itemOf(ino))?.complete, true)
            assert.strictEqual((yield* Harness.read(content, 0, 10)).length, 0)
            assert.isUndefined(store.missing(content, 0))
            yield* store.verify(content)
          })
        )
      })
    )
  )

  it.live("opened for reading costs no disk, has no intent and files of mode 0600", () =>
    Harness.inStore((directory) =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const tree = yield* Tree
        const { ino } = yield* Harness.ghost("film", bytes)
        yield* Harness.using(ino, () => Effect.void)
        const files = Harness.filesIn(join(directory, "content"))
        const { content } = yield* Harness.itemOf(ino)
        assert.deepStrictEqual(files, [`${(content ?? 0).toString(16).padStart(2, "0")}/${content}`])
        const stat = statSync(join(directory, "content", files[0] ?? ""))
        assert.deepStrictEqual(
          { mode: stat.mode & 0o777, size: stat.size, blocks: stat.blocks },
          { mode: 0o600, size: bytes.length, blocks: 0 }
        )
        assert.deepStrictEqual(tree.intents(ino), [])
        assert.deepStrictEqual({ ...(yield* store.usage), limit: 0 }, { bytes: 0, files: 1, limit: 0 })
      })
    )
  )
})

describe("hydrated ranges", () => {
  it.live("are kept across starts, the rest is asked for, the whole verifies", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const store = yield* ContentStore
          const { ino } = yield* Harness.ghost("film", bytes)
          yield* Harness.using(ino, (content) => store.fill(content, chunk, bytes.subarray(chunk, 2 * chunk)))
        })
      )
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const store = yield* ContentStore
          const { ino } = yield* Harness.itemAt("/film")
          assert.isAtLeast((yield* store.usage).bytes, chunk)
          yield* Harness.using(ino, (content) =>
            Effect.gen(function* () {
              assert.deepStrictEqual(store.table.state(content)?.valid, [chunk, 2 * chunk])
              assert.deepStrictEqual(
                Buffer.from(yield* Harness.read(content, chunk, 100)),
                Buffer.from(bytes.subarray(chunk, chunk + 100))
              )
              yield* store.fill(content, 0, bytes)
              yield* store.verify(content)
            })
          )
        })
      )
    })
  )

  it.live("are dropped when their file is gone or shorter than recorded", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory

      for (const damage of [rmSync, (path: string) => truncateSync(path, 100)]) {
        yield* Harness.run(
          directory,
          Effect.gen(function* () {
            const { ino } = yield* Harness.ghost("film", bytes)
            yield* Harness.hydrate(ino, bytes)
          })
        )
        damage(join(directory, "content", Harness.filesIn(join(directory, "content"))[0] ?? ""))
        yield* Harness.run(
          directory,
          Effect.gen(function* () {
            const store = yield* ContentStore
            const { ino } = yield* Harness.itemAt("/film")
            yield* Harness.using(ino, (content) =>
              Effect.sync(() => assert.deepStrictEqual(store.missing(content, 0), { offset: 0, length: bytes.length }))
            )
          })
        )
      }
    })
  )

  it.live("that have another hash than the server says are dropped, and the right ones verify", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const tree = yield* Tree
        const { ino } = yield* Harness.ghost("film", bytes)
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            const changes = yield* PubSub.subscribe(tree.changes)
            const incomplete = yield* Effect.flip(store.verify(content))
            assert.strictEqual(incomplete.reason, "Incomplete")
            yield* store.fill(content, 0, bytes.with(chunk, (bytes[chunk] ?? 0) ^ 1))
            const corrupt = yield* Effect.flip(store.verify(content))
            assert.strictEqual(corrupt.reason, "Corrupt")
            assert.deepStrictEqual(store.missing(content, 0), { offset: 0, length: bytes.length })
            // Whoever has it open keeps the same body; only what the kernel cached of it has to go.
            assert.deepStrictEqual(yield* PubSub.take(changes), [{ _tag: "Pages", ino }])
            assert.strictEqual((yield* Harness.itemOf(ino)).content, Number(content))
            const again = yield* Effect.forkChild(Harness.read(content, chunk, 10), { startImmediately: true })
            assert.deepInclude(yield* Harness.nextFetch, { content, offset: chunk })
            yield* store.fill(content, 0, bytes)
            assert.deepStrictEqual(
              Buffer.from(yield* Fiber.join(again)),
              Buffer.from(bytes.subarray(chunk, chunk + 10))
            )
            yield* store.verify(content)
            assert.deepStrictEqual(Buffer.from(yield* Harness.read(content, 0, bytes.length)), Buffer.from(bytes))
          }).pipe(Effect.scoped)
        )
      })
    )
  )
})

describe("references", () => {
  it.live("are refused for what is no file, and for bodies that are not open", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.ghost("film", bytes)
        const root = yield* Harness.itemAt("/")
        assert.strictEqual((yield* Effect.flip(store.open(root.ino))).reason, "Unsupported")
        const { content } = yield* store.open(ino)
        yield* store.release(content)
        assert.strictEqual((yield* Effect.flip(store.fill(content, 0, bytes))).reason, "Gone")
        assert.strictEqual((yield* Effect.flip(store.commit(content))).reason, "Gone")
        assert.isUndefined(store.live(yield* Harness.itemOf(ino)))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Harness.read(content, 0, 1))))
      })
    )
  )

  it.live("come back to zero when many open, read and close at once, whatever eviction does", () =>
    Harness.inStore((directory) =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.ghost("film", bytes)
        const once = (at: number) =>
          Harness.using(ino, (content) =>
            Effect.gen(function* () {
              const range = [at * 1000, at * 1000 + 500] as const
              yield* store.fill(content, range[0], bytes.subarray(...range))
              const got = yield* Harness.read(content, range[0], 500)
              assert.isTrue(Buffer.from(got).equals(bytes.subarray(...range)))
            })
          )
        const evictions = Effect.forEach(Array.from({ length: 50 }), () =>
          Effect.andThen(store.evict(1), Effect.yieldNow)
        )
        const users = Effect.forEach(
          Array.from({ length: 200 }, (_, at) => at),
          once,
          { concurrency: 8 }
        )
        yield* Effect.all([users, evictions], { concurrency: "unbounded" })
        assert.isUndefined(store.live(yield* Harness.itemOf(ino)))
        yield* store.evict(Number.MAX_SAFE_INTEGER)
        assert.deepInclude(yield* store.usage, { bytes: 0, files: 0 })
        assert.deepStrictEqual(Harness.filesIn(join(directory, "content")), [])
      })
    )
  )
})

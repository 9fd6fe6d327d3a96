import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import { ContentStore, type Snapshot } from "../../src/content/ContentStore.ts"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import { Tree } from "../../src/tree/Tree.ts"
import * as Harness from "./harness.ts"

const chunk = 128 * 1024
const bytes = Harness.pattern(4 * chunk)
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const equal = (actual: Uint8Array, expected: Uint8Array) => assert.isTrue(Buffer.from(actual).equals(expected))

const readSnapshot = ({ fd, size }: Snapshot): Buffer => {
  const into = Buffer.alloc(size)
  assert.strictEqual(readSync(fd, into, 0, size, 0), size)
  return into
}

describe("edits", () => {
  it.live("of a new file are recorded with their intent at commit, once, and are there at the next start", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const store = yield* ContentStore
          const tree = yield* Tree
          const { ino } = yield* Harness.localFile("notes")
          yield* Harness.using(ino, (content) =>
            Effect.gen(function* () {
              yield* Harness.write(content, 0, text("one"))
              assert.strictEqual((yield* Harness.itemOf(ino)).size, 0)
              yield* store.commit(content)
              const committed = yield* Harness.itemOf(ino)
              assert.deepStrictEqual(
                { size: committed.size, generation: committed.generation },
                { size: 3, generation: 1 }
              )
              const before = tree.intents(ino)
              yield* store.commit(content)
              assert.deepStrictEqual(tree.intents(ino), before)
              yield* Harness.write(content, 3, text(" two"))
              yield* store.fsync(content)
              assert.strictEqual((yield* Harness.itemOf(ino)).generation, 2)
              yield* Harness.write(content, 7, text(" three"))
            })
          )
          const item = yield* Harness.itemOf(ino)
          assert.deepStrictEqual({ size: item.size, generation: item.generation }, { size: 13, generation: 3 })
          assert.isNotEmpty(tree.intents(ino))
        })
      )
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const { ino } = yield* Harness.itemAt("/notes")
          yield* Harness.using(ino, (content) =>
            Effect.map(Harness.read(content, 0, 100), (got) => equal(got, text("one two three")))
          )
        })
      )
    })
  )

  it.live("of a new file do not ask; one that was committed without any asks with the next write", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { db } = yield* MountDatabase
        const { ino } = yield* Harness.localFile("notes")
        const editing = db.prepare<{ readonly editing: number }>("SELECT editing FROM contents WHERE ino = ?")
        const begun = () => editing.get(ino)?.editing
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            assert.deepStrictEqual([begun(), store.table.state(content)?.modified], [1, false])
            yield* store.commit(content)
            assert.strictEqual(begun(), 0)
            yield* Harness.write(content, 0, text("one"))
            assert.strictEqual(begun(), 1)
            yield* store.commit(content)
            assert.strictEqual(begun(), 0)
          })
        )
        assert.strictEqual((yield* Harness.itemOf(ino)).size, 3)
      })
    )
  )

  it.live("of a ghost survive the download that comes later, and the result has both", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.ghost("film", bytes)
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            yield* Harness.write(content, 1000, text("mine"))
            equal(yield* Harness.read(content, 1000, 4), text("mine"))
            yield* store.commit(content)
            assert.strictEqual((yield* Effect.flip(store.snapshot(ino).pipe(Effect.scoped))).reason, "Incomplete")
            yield* store.fill(content, 0, bytes)
            yield* store.verify(content)
            const both = Buffer.from(bytes)
            both.set(text("mine"), 1000)
            equal(yield* Harness.read(content, 0, bytes.length), both)
            assert.strictEqual(store.table.state(content)?.generation, 1)
            const { hash, generation } = yield* Effect.scoped(store.snapshot(ino))
            assert.deepStrictEqual({ hash, generation }, { hash: quickXorHash(both), generation: 1 })
          })
        )
      })
    )
  )

  it.live("by truncating a ghost need no download", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const tree = yield* Tree
        const { ino } = yield* Harness.ghost("film", bytes)
        yield* store.truncate(ino, 0)
        const empty = yield* Harness.itemOf(ino)
        assert.deepStrictEqual({ size: empty.size, generation: empty.generation }, { size: 0, generation: 1 })
        assert.deepStrictEqual(
          tree.intents(ino).map(({ kind }) => kind),
          ["content"]
        )
        yield* store.truncate(ino, 10)
        yield* Harness.using(ino, (content) =>
          Effect.map(Harness.read(content, 0, 100), (got) => equal(got, new Uint8Array(10)))
        )
        assert.strictEqual(yield* Queue.size(store.fetches), 0)
      })
    )
  )

  it.live("keep the time a person set, unless a write follows", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.localFile("notes")
        const set = { sec: 1000, nsec: 7 }
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            yield* Harness.write(content, 0, text("one"))
            yield* store.setTime(yield* Harness.itemOf(ino), set)
            yield* store.commit(content)
            assert.deepStrictEqual((yield* Harness.itemOf(ino)).mtime, set)
            yield* Harness.write(content, 0, text("two"))
            yield* store.commit(content)
            assert.isAbove((yield* Harness.itemOf(ino)).mtime.sec, 1_700_000_000)
          })
        )
      })
    )
  )

  it.live("are clean after their upload, and dirty again with the next write", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const tree = yield* Tree
        const { ino } = yield* Harness.ghost("film", bytes)
        yield* Harness.hydrate(ino, bytes)
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            yield* Harness.write(content, 0, text("v2"))
            yield* store.commit(content)
            const sent = Buffer.from(bytes)
            sent.set(text("v2"), 0)
            const { mtime: modified } = yield* Harness.itemOf(ino)
            yield* tree.confirm(ino, "content", 1, { ...Harness.remoteFile("film", sent, 2), modified })
            yield* store.uploaded(ino, 1)
            assert.deepStrictEqual(tree.intents(ino), [])
            yield* Harness.write(content, 0, text("v3"))
            yield* store.uploaded(ino, 1)
            yield* store.commit(content)
            assert.deepStrictEqual(
              tree.intents(ino).map(({ kind, generation }) => ({ kind, generation })),
              [{ kind: "content", generation: 2 }]
            )
          })
        )
        assert.strictEqual(yield* store.evict(Number.MAX_SAFE_INTEGER), 0)
      })
    )
  )

  it.live("of a removed file stay with its handles and go with the last of them", () =>
    Harness.inStore((directory) =>
      Effect.gen(function* () {
        const tree = yield* Tree
        const { ino } = yield* Harness.localFile("scratch")
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            yield* tree.remove(ino, { sec: 1, nsec: 0 })
            yield* Harness.write(content, 0, text("unseen"))
            equal(yield* Harness.read(content, 0, 6), text("unseen"))
          })
        )
        assert.deepStrictEqual(Harness.filesIn(join(directory, "content")), [])
        assert.deepStrictEqual(tree.intents(ino), [])
      })
    )
  )

  it.live("by fallocate extend the file; modes nobody knows are refused", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.localFile("disk.img")
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            yield* store.allocate(content, 0, 0, 4096)
            assert.strictEqual((yield* Effect.flip(store.allocate(content, 0x40, 0, 4096))).reason, "Unsupported")
          })
        )
        assert.strictEqual((yield* Harness.itemOf(ino)).size, 4096)
      })
    )
  )
})

describe("a snapshot", () => {
  it.live("stays as it is while the file is written, of open and of closed bodies", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.localFile("base")
        yield* Harness.using(ino, (content) => Harness.write(content, 0, bytes))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const closed = yield* store.snapshot(ino)
            assert.deepStrictEqual(
              { size: closed.size, generation: closed.generation, hash: closed.hash },
              { size: bytes.length, generation: 1, hash: quickXorHash(bytes) }
            )
            assert.deepStrictEqual(closed.mtime, (yield* Harness.itemOf(ino)).mtime)
            yield* Harness.using(ino, (content) =>
              Effect.gen(function* () {
                yield* Harness.write(content, 0, text("overwritten"))
                yield* store.truncate(ino, 20)
                equal(readSnapshot(closed), bytes)
                equal(yield* Harness.read(content, 0, 11), text("overwritten"))
              })
            )
            equal(readSnapshot(closed), bytes)
          })
        )
        const later = yield* Effect.scoped(
          Effect.map(store.snapshot(ino), (snapshot) => ({ ...snapshot, bytes: readSnapshot(snapshot) }))
        )
        assert.deepStrictEqual({ size: later.size, generation: later.generation }, { size: 20, generation: 3 })
        assert.strictEqual(later.bytes.toString("latin1", 0, 11), "overwritten")
        assert.isUndefined(store.live(yield* Harness.itemOf(ino)))
      })
    )
  )

  it.live("records what was written, and takes its turn behind another", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const tree = yield* Tree
        const { ino } = yield* Harness.localFile("base")
        yield* Harness.using(ino, (content) =>
          Effect.gen(function* () {
            yield* Harness.write(content, 0, text("first"))
            const second = yield* Effect.scoped(
              Effect.gen(function* () {
                yield* store.snapshot(ino)
                assert.strictEqual(tree.get(ino)?.generation, 1)
                const waiting = yield* Effect.forkDetach(Effect.scoped(store.snapshot(ino)), { startImmediately: true })
                yield* Harness.write(content, 0, text("again"))
                return waiting
              })
            )
            assert.strictEqual((yield* Fiber.join(second)).hash, quickXorHash(text("again")))
          })
        )
      })
    )
  )

  it.live("hashes a generation once", () =>
    Harness.inStore((directory) =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const { ino } = yield* Harness.localFile("base")
        yield* Harness.using(ino, (content) => Harness.write(content, 0, text("same")))
        const first = yield* Effect.scoped(store.snapshot(ino))
        const path = join(directory, "content", Harness.filesIn(join(directory, "content"))[0] ?? "")
        const fd = openSync(path, "r+")
        writeSync(fd, "lame")
        closeSync(fd)
        assert.strictEqual((yield* Effect.scoped(store.snapshot(ino))).hash, first.hash)
        assert.strictEqual(readFileSync(path, "utf8"), "lame")
        yield* Harness.using(ino, (content) => Harness.write(content, 0, text("f")))
        assert.strictEqual((yield* Effect.scoped(store.snapshot(ino))).hash, quickXorHash(text("fame")))
      })
    )
  )
})

describe("writers", () => {
  it.live("do not wait for readers that nobody serves", () =>
    Harness.inStore(
      () =>
        Effect.gen(function* () {
          const store = yield* ContentStore
          const big = Harness.pattern(40 * chunk)
          const { ino } = yield* Harness.ghost("film", big)
          const { ino: other } = yield* Harness.localFile("notes")
          yield* Harness.using(ino, (content) =>
            Effect.gen(function* () {
              const readers = yield* Effect.forEach(
                Array.from({ length: 20 }, (_, at) => at * 2 * chunk),
                (offset) => Effect.forkChild(Harness.read(content, offset, 10), { startImmediately: true })
              )
              const first = yield* Harness.nextFetch
              yield* Harness.using(other, (target) =>
                Effect.timeout(Harness.write(target, 0, text("now")), "5 seconds")
              )
              assert.isAtMost(yield* Queue.size(store.fetches), 2)
              yield* store.fill(content, first.offset, big.subarray(first.offset, first.offset + first.length))
              for (let served = 1; served < readers.length; served++) {
                const { offset, length } = yield* Harness.nextFetch
                yield* store.fill(content, offset, big.subarray(offset, offset + length))
              }
              yield* Effect.forEach(readers, Fiber.join)
            })
          )
        }),
      { fetchLimit: 2 }
    )
  )
})

import { spawnSync } from "node:child_process"
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type { ContentId } from "@onemount/fuse-native"
import { Effect, Fiber, Predicate, Schedule } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { type Ino, rootIno } from "../../src/tree/Item.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import { Tree } from "../../src/tree/Tree.ts"
import * as Harness from "./harness.ts"

const KiB = 1024
const names = ["a", "b", "c", "d"]
const bytes = Harness.pattern(64 * KiB)

/** Files that were downloaded and closed in the order of their names. */
const cached = Effect.gen(function* () {
  const { db } = yield* MountDatabase
  yield* Harness.applyRemote(...names.map((name) => Harness.remoteFile(name, bytes)))
  for (const [at, name] of names.entries()) {
    const { ino } = yield* Harness.itemAt(`/${name}`)
    yield* Harness.hydrate(ino, bytes)
    // The clock may not have moved between two closes.
    db.prepare("UPDATE contents SET last_used = ? WHERE ino = ?").run(1000 + at, ino)
  }
})

const present = Effect.gen(function* () {
  const items = yield* Effect.forEach(names, (name) => Harness.itemAt(`/${name}`))
  return items.filter(({ content }) => content !== null).map(({ name }) => name)
})

const overwrite = (ino: Ino) => Harness.using(ino, (content) => Harness.write(content, 0, Uint8Array.from([1, 2, 3])))

describe("eviction", () => {
  it.live("takes the least recently used first and no more than needed", () =>
    Harness.inStore((directory) =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        yield* cached
        assert.strictEqual((yield* store.usage).bytes, 4 * 64 * KiB)
        assert.strictEqual(yield* store.evict(1), 64 * KiB)
        assert.deepStrictEqual(yield* present, ["b", "c", "d"])
        const { ino } = yield* Harness.itemAt("/b")
        yield* Harness.using(ino, (content) => Harness.read(content, 0, 10))
        assert.strictEqual(yield* store.evict(65 * KiB), 128 * KiB)
        assert.deepStrictEqual(yield* present, ["b"])
        assert.strictEqual(Harness.filesIn(join(directory, "content")).length, 1)
        assert.deepInclude(yield* store.usage, { bytes: 64 * KiB, files: 1 })
        yield* Harness.hydrate((yield* Harness.itemAt("/a")).ino, bytes)
        assert.deepStrictEqual(yield* present, ["a", "b"])
      })
    )
  )

  it.live("spares what is open, what was changed and what was never sent", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        yield* cached
        const open = yield* store.open((yield* Harness.itemAt("/a")).ino)
        yield* overwrite((yield* Harness.itemAt("/b")).ino)
        const { ino } = yield* Harness.localFile("new")
        yield* Harness.using(ino, () => Effect.void)
        yield* store.evict(Number.MAX_SAFE_INTEGER)
        assert.deepStrictEqual(yield* present, ["a", "b"])
        assert.isNotNull((yield* Harness.itemAt("/new")).content)
        yield* store.release(open.content)
        yield* store.evict(Number.MAX_SAFE_INTEGER)
        assert.deepStrictEqual(yield* present, ["b"])
      })
    )
  )

  it.live("spares what has become local-only, as in the trash: it is the only copy", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        const tree = yield* Tree
        yield* cached
        const { ino } = yield* Harness.itemAt("/a")
        const now = { sec: 1_700_000_000, nsec: 0 }
        yield* tree.rename(ino, { parent: rootIno, name: "a.swp", localOnly: true, now })
        yield* store.evict(Number.MAX_SAFE_INTEGER)
        assert.deepStrictEqual(yield* Harness.using(ino, (content) => Harness.read(content, 0, bytes.length)), bytes)
      })
    )
  )

  it.live("asks back what is only kept open for later, when closed bodies are not enough", () =>
    Harness.inStore(() =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        yield* cached
        const kept = yield* store.open((yield* Harness.itemAt("/a")).ino)
        const held = [kept.content]
        const giveBack = Effect.suspend(() => {
          const given = held.splice(0)
          return Effect.as(Effect.forEach(given, store.release), given.length)
        })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* store.onShortage(giveBack)
            assert.strictEqual(yield* store.evict(1), 64 * KiB)
            assert.deepStrictEqual(yield* present, ["a", "c", "d"], "the older one is in use")
            assert.strictEqual(yield* store.evict(192 * KiB), 192 * KiB)
            assert.deepStrictEqual(yield* present, [])
          })
        )
        const { ino } = yield* Harness.itemAt("/b")
        yield* Harness.hydrate(ino, bytes)
        held.push((yield* store.open(ino)).content)
        assert.strictEqual(yield* store.evict(1), 0, "nobody is asked after its scope")
        yield* giveBack
      })
    )
  )

  it.live("removes what the server replaced, when its readers are gone", () =>
    Harness.inStore((directory) =>
      Effect.gen(function* () {
        const store = yield* ContentStore
        yield* cached
        const { ino } = yield* Harness.itemAt("/a")
        const next = Harness.pattern(1000, 2)
        yield* Harness.using(ino, (old) =>
          Effect.gen(function* () {
            yield* Harness.applyRemote(Harness.remoteFile("a", next, 2))
            assert.isNull((yield* Harness.itemAt("/a")).content)
            yield* Harness.hydrate(ino, next)
            assert.isTrue(Buffer.from(yield* Harness.read(old, 0, bytes.length)).equals(bytes))
          })
        )
        yield* Harness.using(ino, (content) =>
          Effect.map(Harness.read(content, 0, 2000), (got) => assert.isTrue(Buffer.from(got).equals(next)))
        )
        assert.strictEqual(Harness.filesIn(join(directory, "content")).length, 4)
        yield* Harness.applyRemote(Harness.remoteFile("b", next, 2))
        yield* store.evict(0)
        assert.deepStrictEqual(yield* present, ["a", "c", "d"])
        assert.strictEqual(Harness.filesIn(join(directory, "content")).length, 3)
      })
    )
  )
})

describe("the budget", () => {
  it.live("makes room for downloads; when everything is in use they fail and say why", () =>
    Harness.inStore(
      () =>
        Effect.gen(function* () {
          const store = yield* ContentStore
          yield* cached
          assert.deepStrictEqual(yield* present, ["c", "d"])
          const opened = yield* Effect.forEach(["c", "d"], (name) =>
            Effect.flatMap(Harness.itemAt(`/${name}`), ({ ino }) => store.open(ino))
          )
          const error = yield* Effect.flip(Harness.hydrate((yield* Harness.itemAt("/a")).ino, bytes))
          assert.strictEqual(error.reason, "NoSpace")
          assert.include(error.detail, `at most ${150 * KiB}`)
          yield* Effect.forEach(opened, ({ content }) => store.release(content))
          yield* Harness.hydrate((yield* Harness.itemAt("/a")).ino, bytes)
        }),
      { limit: 150 * KiB }
    )
  )

  it.live("does not stop changes, and comes back to the limit when they were sent", () =>
    Harness.inStore(
      () =>
        Effect.gen(function* () {
          const store = yield* ContentStore
          const tree = yield* Tree
          const { ino } = yield* Harness.localFile("big")
          yield* Harness.using(ino, (content) => Harness.write(content, 0, Harness.pattern(200 * KiB)))
          assert.isAbove((yield* store.usage).bytes, 150 * KiB)
          const { mtime: modified } = yield* Harness.itemOf(ino)
          const remote = { ...Harness.remoteFile("big", Harness.pattern(200 * KiB)), modified }
          for (const { kind } of tree.intents(ino)) yield* tree.confirm(ino, kind, 1, remote)
          yield* store.uploaded(ino, 1)
          yield* Harness.hydrate((yield* Harness.ghost("a", bytes)).ino, bytes)
          assert.isNull((yield* Harness.itemOf(ino)).content)
        }),
      { limit: 150 * KiB }
    )
  )

  it.live("keeps the reserve free: writes get ENOSPC and change nothing", () =>
    Harness.inStore(
      () =>
        Effect.gen(function* () {
          const { ino } = yield* Harness.localFile("big")
          const error = yield* Effect.flip(Harness.using(ino, (content) => Harness.write(content, 0, bytes)))
          assert.propertyVal("cause" in error ? error.cause : error, "code", "ENOSPC")
          const store = yield* ContentStore
          assert.strictEqual((yield* Effect.flip(store.truncate(ino, 10))).reason, "NoSpace")
          assert.strictEqual((yield* Harness.itemOf(ino)).size, 0)
        }),
      { reserve: Number.MAX_SAFE_INTEGER }
    )
  )
})

const smallDisk = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "onemount-small-"))
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], {
      encoding: "utf8"
    })
    assert.strictEqual(status, 0, stderr)
    return folder
  }),
  (folder) =>
    Effect.sync(() => {
      spawnSync("umount", [folder])
      rmdirSync(folder)
    })
)

describe("a full disk", () => {
  // Mounting a small file system takes root.
  it.live.skipIf(process.getuid?.() !== 0)("is NoSpace for downloads and ENOSPC for writers, and nothing is lost", () =>
    Effect.gen(function* () {
      const directory = yield* smallDisk
      const database = yield* Harness.temporaryDirectory
      const large = Harness.pattern(2048 * KiB)
      const fillUp = (content: ContentId, from: number): Effect.Effect<number, unknown, ContentStore> =>
        Effect.flatMap(Harness.write(content, from, large.subarray(from)), (count) => fillUp(content, from + count))
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const store = yield* ContentStore
          const { ino: film } = yield* Harness.ghost("film", large)
          const refused = yield* Effect.flip(Harness.hydrate(film, large))
          assert.strictEqual(refused.reason, "NoSpace")
          const { ino } = yield* Harness.localFile("notes")
          yield* Harness.using(ino, (content) =>
            Effect.gen(function* () {
              const error = yield* Effect.flip(fillUp(content, 0))
              assert.propertyVal(Predicate.hasProperty(error, "cause") ? error.cause : error, "code", "ENOSPC")
              yield* store.commit(content)
            })
          )
          const { size } = yield* Harness.itemOf(ino)
          assert.isAbove(size, 0)
          yield* Harness.using(ino, (content) =>
            Effect.map(Harness.read(content, 0, large.length), (got) =>
              assert.isTrue(Buffer.from(got).equals(large.subarray(0, size)))
            )
          )
        }),
        { database, roomWait: 300 }
      )
    })
  )

  it.live.skipIf(process.getuid?.() !== 0)("holds a write back until there is room; a flush tells what waits", () =>
    Effect.gen(function* () {
      const directory = yield* smallDisk
      const database = yield* Harness.temporaryDirectory
      const large = Harness.pattern(768 * KiB)
      const filler = join(directory, "filler")
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const store = yield* ContentStore
          assert.deepStrictEqual(yield* store.flushAll(0), [])
          yield* Effect.sync(() => writeFileSync(filler, large))
          const { ino } = yield* Harness.localFile("notes")
          yield* Harness.using(ino, (content) =>
            Effect.gen(function* () {
              const first = yield* Harness.write(content, 0, large)
              assert.isBelow(first, large.length)
              const rest = yield* Effect.forkChild(Harness.write(content, first, large.subarray(first)), {
                startImmediately: true
              })
              const held = Effect.map(store.writes, ({ total }) => total.queued === 1)
              yield* held.pipe(Effect.repeat({ until: (is) => is, schedule: Schedule.spaced(5) }), Effect.timeout(5000))
              assert.deepStrictEqual(yield* store.flushAll(50), [{ ino, operations: 1, bytes: large.length - first }])
              yield* Effect.sync(() => rmSync(filler))
              assert.deepStrictEqual(yield* store.flushAll(20_000), [])
              assert.strictEqual(yield* Fiber.join(rest), large.length - first)
              const { total } = yield* store.writes
              assert.deepInclude(total, { queued: 0, completed: 2, failed: 0, bytes: large.length })
            })
          )
          assert.strictEqual((yield* Harness.itemOf(ino)).size, large.length)
        }),
        { database, roomWait: 20_000 }
      )
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Filesystem, type Opened, type Stat } from "../../src/filesystem/Filesystem.ts"
import { FsError } from "../../src/filesystem/FsError.ts"
import * as Shares from "../../src/fuse/Shares.ts"
import { Ino } from "../../src/tree/Item.ts"
import { content, FakeSession, node } from "./FakeSession.ts"

/** Inodes whose bodies are their numbers; counts who keeps which body open. */
const shared = Effect.fnUntraced(function* (limit?: number) {
  const session = new FakeSession()
  const open = new Map<number, number>()
  const failing = new Set<number>()
  const count = (ino: number, by: number) => {
    const now = (open.get(ino) ?? 0) + by
    if (now === 0) open.delete(ino)
    else open.set(ino, now)
  }
  const filesystem = yield* Filesystem.pipe(
    Effect.provide(
      Layer.mock(Filesystem, {
        open: (ino) =>
          Effect.suspend(() => {
            if (failing.has(ino)) return Effect.fail(new FsError({ reason: "Io", detail: "no descriptor" }))
            count(ino, 1)
            return Effect.succeed(opened(ino))
          }),
        release: (ino) => Effect.sync(() => count(ino, -1))
      })
    )
  )
  const options = limit === undefined ? {} : { limit }
  const shares = yield* Shares.make({ filesystem, session: () => session, ...options })
  const share = Effect.fnUntraced(function* (ino: number) {
    const begun = yield* shares.begin(node(ino), opened(ino))
    return shares.offer(begun)
  })
  /** Bodies that are open, with their references. */
  const bodies = () => [...open].map(([ino, references]) => [ino, references])
  return { session, shares, share, bodies, failing }
})

const opened = (ino: number, trusted = true): Opened => ({
  stat: { item: { ino: Ino(ino) } } as Stat,
  content: content(ino),
  trusted
})

describe("Shares", () => {
  it.effect("keeps the body of what is wholly here open by one reference", () =>
    Effect.gen(function* () {
      const { shares, share, bodies } = yield* shared()
      assert.isTrue(yield* share(1))
      assert.isFalse(yield* share(1))
      assert.isUndefined(yield* shares.begin(node(2), opened(2, false)), "somebody has to look at its bytes")
      assert.deepStrictEqual(bodies(), [[1, 1]])
      shares.withdraw(Ino(1))
      shares.withdraw(Ino(1))
      assert.deepStrictEqual(bodies(), [])
    })
  )

  it.effect("does without a reference that is not to be had", () =>
    Effect.gen(function* () {
      const { share, failing, bodies } = yield* shared()
      failing.add(1)
      assert.isFalse(yield* share(1))
      assert.deepStrictEqual(bodies(), [])
    })
  )

  it.effect("tells the binding nothing of a share that was withdrawn before the reply", () =>
    Effect.gen(function* () {
      const { shares, session, bodies } = yield* shared()
      const begun = yield* shares.begin(node(1), opened(1))
      shares.withdraw(Ino(1))
      assert.isFalse(shares.offer(begun))
      assert.deepStrictEqual(session.withdrawn, [])
      assert.deepStrictEqual(bodies(), [])
    })
  )

  it.effect("at the limit shares nothing more until a share was withdrawn", () =>
    Effect.gen(function* () {
      const { shares, share, bodies } = yield* shared(2)
      assert.deepStrictEqual([yield* share(1), yield* share(2), yield* share(3)], [true, true, false])
      shares.withdraw(Ino(1))
      assert.isTrue(yield* share(3))
      assert.deepStrictEqual(bodies(), [
        [2, 1],
        [3, 1]
      ])
    })
  )

  it.effect("asks about each file again within a minute", () =>
    Effect.gen(function* () {
      const { shares, share, bodies } = yield* shared()
      yield* share(1)
      yield* TestClock.adjust(29_000)
      yield* share(2)
      yield* TestClock.adjust(2_000)
      yield* share(3)
      assert.strictEqual(shares.size, 3)
      yield* TestClock.adjust(29_000)
      assert.deepStrictEqual(bodies(), [[3, 1]], "1 and 2 are from the round before")
      yield* TestClock.adjust(30_000)
      assert.deepStrictEqual(bodies(), [])
    })
  )

  it.effect("releases what the binding still reads when that is over, also after it was shared again", () =>
    Effect.gen(function* () {
      const { shares, share, session, bodies } = yield* shared()
      yield* share(1)
      session.opened.add(node(1))
      shares.withdraw(Ino(1))
      yield* share(1)
      shares.withdraw(Ino(1))
      assert.deepStrictEqual(bodies(), [[1, 2]])
      assert.strictEqual(shares.body(node(1)), content(1))
      shares.drained(node(1), content(1))
      shares.drained(node(1), content(1))
      shares.drained(node(1), content(1))
      assert.deepStrictEqual(bodies(), [])
      assert.isUndefined(shares.body(node(1)))
    })
  )

  it.effect("gives back on demand what nobody reads", () =>
    Effect.gen(function* () {
      const { shares, share, session, bodies } = yield* shared()
      for (let ino = 1; ino <= 100; ino++) yield* share(ino)
      session.opened.add(node(7))
      assert.strictEqual(yield* shares.recall, 99)
      assert.deepStrictEqual(bodies(), [[7, 1]])
      assert.isTrue(yield* share(8), "the next open shares it again")
    })
  )

  it.effect("shares nothing any more once it was stopped, and leaves nothing open at the end", () =>
    Effect.gen(function* () {
      const bodies = yield* Effect.scoped(
        Effect.gen(function* () {
          const { shares, share, session, bodies } = yield* shared()
          yield* share(1)
          yield* share(2)
          session.opened.add(node(2))
          shares.stop()
          assert.isFalse(yield* share(3))
          assert.deepStrictEqual(bodies(), [[2, 1]])
          return bodies
        })
      )
      assert.deepStrictEqual(bodies(), [])
    })
  )
})

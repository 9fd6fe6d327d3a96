import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { RequestOrder } from "../../src/fuse/RequestOrder.ts"
import { Ino } from "../../src/tree/Item.ts"

/** A run: each number is a request on the inodes of its bits, a negative one ends the nth request that runs or waits. */
const Steps = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: -8, maximum: 7 })))

describe("RequestOrder", () => {
  it("starts at once what nothing is in the way of, and the next when the one before ended", () => {
    const order = new RequestOrder()
    const started: Array<string> = []
    const first = order.enter([Ino(1)], () => started.push("a"))
    order.enter([Ino(1), Ino(2)], (leave) => {
      started.push("b")
      leave()
    })
    const other = order.enter([Ino(3)], () => started.push("c"))
    assert.deepStrictEqual(started, ["a", "c"])
    first()
    assert.deepStrictEqual(started, ["a", "c", "b"])
    other()
    assert.strictEqual(order.size, 0)
  })

  it("lets a request that waits give up its place", () => {
    const order = new RequestOrder()
    const started: Array<string> = []
    const first = order.enter([Ino(1)], () => started.push("a"))
    const second = order.enter([Ino(1)], () => started.push("b"))
    order.enter([Ino(1)], () => started.push("c"))
    second()
    second()
    assert.deepStrictEqual(started, ["a"])
    first()
    first()
    assert.deepStrictEqual(started, ["a", "c"])
  })

  it.effect.prop("keeps the order per inode, never runs two of one, never forgets one", [Steps], ([steps]) =>
    run(steps)
  )
})

interface Entry {
  readonly keys: ReadonlyArray<number>
  readonly leave: () => void
}

const run = (steps: ReadonlyArray<number>) => {
  const order = new RequestOrder()
  const live: Array<Entry> = []
  const running = new Set<ReadonlyArray<number>>()
  for (const step of steps) {
    if (step >= 0) {
      const keys = [1, 2, 4].filter((bit) => (step & bit) !== 0)
      const leave = order.enter(keys.map(Ino), () => running.add(keys))
      live.push({ keys, leave })
    } else {
      const [ended] = live.splice((-step - 1) % Math.max(1, live.length), 1)
      if (ended === undefined) continue
      running.delete(ended.keys)
      ended.leave()
    }
    // What runs is exactly what no earlier live request shares an inode with.
    const expected = live.filter((entry, index) =>
      live.slice(0, index).every((earlier) => earlier.keys.every((key) => !entry.keys.includes(key)))
    )
    assert.deepStrictEqual(
      live.map((entry) => running.has(entry.keys)),
      live.map((entry) => expected.includes(entry))
    )
  }
  for (const entry of live) entry.leave()
  assert.strictEqual(order.size, 0)
  return Effect.void
}

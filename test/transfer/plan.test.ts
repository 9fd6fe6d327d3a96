import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { overlaps, planFetch, split, subtract, wholeLimit } from "../../src/transfer/plan.ts"

const KiB = 1024
const MiB = 1024 * KiB
const Offset = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2000 }))
const Length = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 300 }))
const Range = Schema.Struct({ offset: Offset, length: Length })

const bytesOf = (ranges: ReadonlyArray<typeof Range.Type>): Set<number> =>
  new Set(ranges.flatMap(({ offset, length }) => Array.from({ length }, (_, i) => offset + i)))

describe("planFetch", () => {
  const size = 1024 * MiB

  it("brings small bodies whole", () => {
    assert.deepStrictEqual(planFetch({ offset: 5, length: 1, sequential: 0 }, wholeLimit), {
      offset: 0,
      length: wholeLimit
    })
  })

  it("brings 1 MiB around a random read, on 128 KiB borders", () => {
    const range = planFetch({ offset: 500 * MiB + 5, length: 4 * KiB, sequential: 0 }, size)
    assert.deepStrictEqual(range, { offset: 500 * MiB, length: MiB })
  })

  it("reads ahead as far as the run has come, 4 to 16 MiB", () => {
    const ahead = (sequential: number) => planFetch({ offset: 64 * MiB, length: MiB, sequential }, size).length / MiB
    assert.deepStrictEqual([MiB, 8 * MiB, 900 * MiB].map(ahead), [4, 8, 16])
  })

  it.prop("contains the demand and stays inside the body", [Offset, Length, Offset], ([offset, length, sequential]) => {
    const demand = { offset: offset * MiB, length: length * 100 * KiB, sequential }
    const total = 3000 * MiB
    const range = planFetch(demand, total)
    assert.isAtMost(range.offset, demand.offset)
    assert.isAtLeast(range.offset + range.length, demand.offset + demand.length)
    assert.isAtMost(range.offset + range.length, total)
  })
})

describe("ranges", () => {
  it.prop("subtract leaves exactly the bytes nobody took", [Range, Schema.Array(Range)], ([range, taken]) => {
    const others = bytesOf(taken)
    const expected = [...bytesOf([range])].filter((byte) => !others.has(byte))
    assert.deepStrictEqual([...bytesOf(subtract(range, taken))], expected)
  })

  it.prop("split cuts without gaps", [Range, Length], ([range, size]) => {
    const pieces = split(range, size)
    assert.isTrue(pieces.every(({ length }) => length > 0 && length <= size))
    assert.deepStrictEqual(bytesOf(pieces), bytesOf([range]))
  })

  it.prop("overlaps is what the bytes say", [Range, Range], ([a, b]) => {
    const bytes = bytesOf([a])
    assert.strictEqual(
      overlaps(a, b),
      [...bytesOf([b])].some((byte) => bytes.has(byte))
    )
  })
})

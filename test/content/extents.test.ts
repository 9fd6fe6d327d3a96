import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as extents from "../../src/content/extents.ts"

/** Alternating gaps and lengths: every list of ranges has exactly one such form. */
const span = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 44 }))
const gap = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 }))
const spans = Schema.Array(Schema.Tuple([span, span])).check(Schema.isMaxLength(60))

const listOf = (first: number, pairs: ReadonlyArray<readonly [number, number]>): ReadonlyArray<number> => {
  let at = 0
  return pairs.flatMap(([before, length], index) => {
    const start = at + (index === 0 ? first : before)
    at = start + length
    return [start, at]
  })
}

/** Small lists that can be compared byte by byte. */
const marks = Schema.Array(Schema.Boolean).check(Schema.isMaxLength(40))
const rangesOf = (bytes: ReadonlyArray<boolean>): ReadonlyArray<number> => {
  const edges: Array<number> = []
  for (let at = 0; at <= bytes.length; at++) {
    if ((bytes[at] ?? false) !== (at > 0 && bytes[at - 1] === true)) edges.push(at)
  }
  return edges
}

describe("packed extents", () => {
  it.prop("come back as they were", [gap, spans], ([first, pairs]) => {
    const list = listOf(first, pairs)
    assert.deepStrictEqual(extents.unpack(extents.pack(list), extents.end(list)), list)
  })

  it.prop("that end beyond the size are nothing", [gap, spans], ([first, pairs]) => {
    const list = listOf(first, pairs)
    if (list.length > 0) assert.isUndefined(extents.unpack(extents.pack(list), extents.end(list) - 1))
  })

  it.prop(
    "are in one form only, whatever bytes are read",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))],
    ([bytes]) => {
      const blob = Uint8Array.from([1, ...bytes])
      const list = extents.unpack(blob, Number.MAX_SAFE_INTEGER)
      if (list === undefined) return
      assert.deepStrictEqual(extents.pack(list), blob)
      list.forEach((edge, index) => assert.isTrue(index === 0 || edge > (list[index - 1] ?? 0)))
    }
  )

  it("take a few bytes per range", () => {
    assert.strictEqual(extents.pack([0, 300_000_000_000]).length, 1 + 1 + 6)
  })

  it("of damaged blobs are nothing", () => {
    const good = extents.pack([10, 20, 3000, 4000])
    assert.isUndefined(extents.unpack(null, 5000))
    assert.isUndefined(extents.unpack(extents.nothing, 5000))
    assert.isUndefined(extents.unpack(good.slice(0, -1), 5000))
    assert.isUndefined(extents.unpack(Uint8Array.from([2, ...good.slice(1)]), 5000))
    assert.isUndefined(extents.unpack(Uint8Array.from([1, 0, 0]), 5000), "an empty range")
    assert.isUndefined(extents.unpack(Uint8Array.from([1, 0, 5, 0, 5]), 5000), "ranges that touch")
    assert.isUndefined(extents.unpack(Uint8Array.from([1, 0x80, 0x00, 5]), 5000), "a number with padding")
    assert.isUndefined(extents.unpack(Uint8Array.from([1, ...Array.from({ length: 40 }, () => 0xff)]), 5000))
  })
})

describe("ranges", () => {
  it.prop(
    "first gap is the first missing byte and its run",
    [marks, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 45 }))],
    ([bytes, offset]) => {
      const start = bytes.findIndex((present, at) => at >= offset && !present)
      const found = extents.firstGap(rangesOf(bytes), offset, bytes.length)
      if (start < 0) return assert.isUndefined(found)
      const stop = bytes.findIndex((present, at) => at > start && present)
      assert.deepStrictEqual(found, { offset: start, length: (stop < 0 ? bytes.length : stop) - start })
    }
  )

  it.prop(
    "union has the bytes of both below the size",
    [marks, marks, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 45 }))],
    ([a, b, size]) => {
      const both = Array.from(
        { length: Math.min(size, Math.max(a.length, b.length)) },
        (_, at) => a[at] === true || b[at] === true
      )
      assert.deepStrictEqual(extents.union(rangesOf(a), rangesOf(b), size), rangesOf(both))
    }
  )
})

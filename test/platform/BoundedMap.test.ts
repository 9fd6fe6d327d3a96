import { assert, describe, it } from "@effect/vitest"
import { BoundedMap } from "../../src/platform/BoundedMap.ts"

describe("BoundedMap", () => {
  it("lets go of what was set longest ago, and tells", () => {
    const gone: Array<[string, number]> = []
    const map = new BoundedMap<string, number>(2, (key, value) => gone.push([key, value]))
    map.set("a", 1)
    map.set("b", 2)
    map.set("a", 3)
    assert.deepStrictEqual(gone, [])
    map.set("c", 4)
    assert.deepStrictEqual(gone, [["b", 2]])
    assert.deepStrictEqual([map.get("a"), map.get("b"), map.get("c"), map.size], [3, undefined, 4, 2])
  })

  it("does not tell of what is deleted or cleared", () => {
    const gone: Array<string> = []
    const map = new BoundedMap<string, number>(2, (key) => gone.push(key))
    map.set("a", 1)
    assert.deepStrictEqual([map.delete("a"), map.delete("a")], [true, false])
    map.set("b", 2)
    map.clear()
    assert.deepStrictEqual([map.size, map.get("b"), gone], [0, undefined, []])
  })
})

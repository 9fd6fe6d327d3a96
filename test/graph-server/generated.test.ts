import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import { derivedBytes, derivedHash } from "../../src/graph-server/DerivedContent.ts"
import { nameProblem } from "../../src/graph-server/DriveName.ts"
import { generateTree } from "../../src/graph-server/GeneratedTree.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { deltaPass, drive, get, put } from "./api.ts"

describe("derived content", () => {
  it("has the hash of its bytes, whatever its size", () => {
    const block = 320 * 1024
    for (const size of [
      0,
      1,
      159,
      160,
      161,
      5000,
      block - 1,
      block,
      block + 1,
      2 * block + 163,
      3 * block + 320,
      1e6
    ]) {
      for (const key of [0, 7, 0xffffffff]) {
        assert.strictEqual(derivedHash(key, size), quickXorHash(derivedBytes(key, 0, size)), `${key} ${size}`)
      }
    }
  })

  it("is the same bytes in whatever ranges it is read", () => {
    const whole = derivedBytes(42, 0, 700_000)
    for (const [offset, length] of [
      [1, 3],
      [327_677, 10],
      [327_680, 1],
      [655_355, 44_645],
      [699_999, 1]
    ] as const) {
      assert.deepStrictEqual(derivedBytes(42, offset, length), whole.slice(offset, offset + length))
    }
    assert.notDeepEqual(derivedBytes(42, 0, 64), derivedBytes(43, 0, 64))
    assert.notDeepEqual(derivedBytes(42, 0, 64), derivedBytes(42, 327_680, 64))
  })
})

describe("a generated tree", () => {
  it("follows from its seed, with names the service takes and sums that are right", () => {
    const [tree, same, other] = [generateTree(5000, 3), generateTree(5000, 3), generateTree(5000, 4)]
    const sums = new Map<number, { size: number; children: number }>()
    const names = new Set<string>()
    let differing = 0
    for (let index = tree.count - 1; index >= 0; index--) {
      const item = tree.item(index)
      assert.deepStrictEqual(same.item(index), item)
      if (other.item(index).key !== item.key) differing++
      assert.isUndefined(nameProblem(item.name), item.name)
      assert.isBelow(item.parent, index)
      names.add(`${item.parent}/${item.name}`)
      const below = sums.get(index) ?? { size: 0, children: 0 }
      if (item.kind === "folder") assert.deepStrictEqual([item.size, item.children], [below.size, below.children])
      const above = sums.get(item.parent) ?? { size: 0, children: 0 }
      sums.set(item.parent, { size: above.size + item.size, children: above.children + 1 })
    }
    assert.strictEqual(names.size, tree.count)
    assert.isAbove(differing, 4900)
    assert.deepStrictEqual(sums.get(-1), { size: tree.size, children: tree.rootChildren })
  })
})

describe("a generated drive", () => {
  it.effect("is listed, read and changed like any other", () =>
    Effect.gen(function* () {
      const generator = yield* GraphServer.DriveGenerator
      yield* generator.generate({ items: 3000, seed: 5 })
      const { items, deltaLink } = yield* deltaPass("/me/drive/root/delta?$top=500")
      assert.strictEqual(items.length, 3001)
      const known = new Set<string | undefined>()
      for (const item of items) {
        assert.isTrue(item.root !== undefined || known.has(item.parentReference.id), item.name)
        known.add(item.id)
      }
      const file = items.find(({ size, file: facet }) => facet !== undefined && size > 700_000 && size < 5_000_000)
      if (file === undefined) return assert.fail("no file of a handy size")
      const whole = yield* get(file["@microsoft.graph.downloadUrl"] ?? "")
      assert.strictEqual(quickXorHash(whole.bytes), file.file?.hashes.quickXorHash)
      const range = { headers: { range: "bytes=300001-700000" } }
      const part = yield* get(file["@microsoft.graph.downloadUrl"] ?? "", range)
      assert.isTrue(part.bytes.equals(whole.bytes.subarray(300_001, 700_001)))
      assert.strictEqual((yield* put(`/me/drive/items/${file.id}/content`, "mine")).status, 200)
      assert.deepStrictEqual((yield* deltaPass(deltaLink)).items.at(-1)?.id, file.id)
      assert.strictEqual((yield* Effect.flip(generator.generate({ items: 1 }))).status, 400)
    }).pipe(Effect.provide(drive()))
  )
})

import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import { bytesOf, contract, pattern, put, read, reasonOf, workspace } from "./drives.ts"

contract((it) => {
  it.effect("content comes back by range, byte for byte, with its size and hash", () =>
    Effect.gen(function* () {
      const folder = yield* workspace
      const content = pattern(100_000)
      const item = yield* put(folder, "a.bin", content)
      assert.strictEqual(item.size, content.length)
      assert.strictEqual(item.hash, quickXorHash(content))
      for (const [offset, length] of [
        [0, 1],
        [0, 100_000],
        [99_999, 1],
        [12_345, 54_321]
      ] as const) {
        const bytes = yield* read(item, offset, length)
        assert.strictEqual(Buffer.compare(bytes, content.subarray(offset, offset + length)), 0)
      }
    })
  )

  it.effect("an empty file is made by putContent", () =>
    Effect.gen(function* () {
      const item = yield* put(yield* workspace, "empty", new Uint8Array())
      assert.strictEqual(item.kind, "file")
      assert.strictEqual(item.size, 0)
      assert.include([null, quickXorHash(new Uint8Array())], item.hash)
    })
  )

  it.effect("a range outside the content fails, and brings no byte", () =>
    Effect.gen(function* () {
      const item = yield* put(yield* workspace, "a", bytesOf("0123456789"))
      assert.strictEqual(yield* reasonOf(read(item, 10, 1)), "RangeInvalid")
      assert.strictEqual(yield* reasonOf(read(item, 5, 6)), "Malformed")
    })
  )

  it.effect("new content keeps the id and moves both tags", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const first = yield* put(yield* workspace, "a", bytesOf("first"))
      const second = yield* graph.putContent(
        { _tag: "Existing", id: first.id, ifMatch: first.cTag },
        bytesOf("second!")
      )
      assert.strictEqual(second.id, first.id)
      assert.notStrictEqual(second.cTag, first.cTag)
      assert.notStrictEqual(second.eTag, first.eTag)
      assert.deepStrictEqual(yield* read(second, 0, 7), bytesOf("second!"))
    })
  )

  it.effect("an older version is not read and not overwritten", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const first = yield* put(yield* workspace, "a", bytesOf("first"))
      assert.deepStrictEqual(yield* read(first, 0, 1), bytesOf("f"))
      const target = { _tag: "Existing", id: first.id } as const
      const second = yield* graph.putContent({ ...target, ifMatch: first.eTag }, bytesOf("second"))
      for (const ifMatch of [first.eTag, first.cTag]) {
        assert.strictEqual(
          yield* reasonOf(graph.putContent({ ...target, ifMatch }, bytesOf("x"))),
          "PreconditionFailed"
        )
      }
      assert.deepStrictEqual(yield* read(second, 0, 6), bytesOf("second"))
    })
  )

  it.effect("a version known to be older than the item's is PreconditionFailed", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const first = yield* put(yield* workspace, "a", bytesOf("first"))
      yield* graph.putContent({ _tag: "Existing", id: first.id, ifMatch: null }, bytesOf("other"))
      assert.strictEqual(yield* reasonOf(read(first, 0, 5)), "PreconditionFailed")
    })
  )

  it.effect("a new file on a taken name is NameExists and leaves it alone", () =>
    Effect.gen(function* () {
      const folder = yield* workspace
      const item = yield* put(folder, "a", bytesOf("mine"))
      assert.strictEqual(yield* reasonOf(put(folder, "A", bytesOf("yours"))), "NameExists")
      assert.deepStrictEqual(yield* read(item, 0, 4), bytesOf("mine"))
    })
  )

  it.effect("what is deleted cannot be read or written", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const item = yield* put(yield* workspace, "a", bytesOf("x"))
      yield* graph.delete(item.id, null)
      const target = { _tag: "Existing", id: item.id, ifMatch: null } as const
      assert.strictEqual(yield* reasonOf(read(item, 0, 1)), "NotFound")
      assert.strictEqual(yield* reasonOf(graph.putContent(target, bytesOf("y"))), "NotFound")
    })
  )
})

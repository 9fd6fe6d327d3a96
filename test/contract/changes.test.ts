import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { bytesOf, contract, put, read, reasonOf, someTime, workspace } from "./drives.ts"

contract((it) => {
  it.effect("a rename keeps id, content and cTag, and moves the eTag", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const before = yield* put(folder, "old", bytesOf("content"))
      const after = yield* graph.update(before.id, { name: "new" }, before.eTag)
      assert.strictEqual(after.id, before.id)
      assert.strictEqual(after.name, "new")
      assert.strictEqual(after.cTag, before.cTag)
      assert.notStrictEqual(after.eTag, before.eTag)
      assert.deepStrictEqual(yield* read(after, 0, 7), bytesOf("content"))
      assert.isTrue(Option.isNone(yield* graph.child(folder.id, "old")))
    })
  )

  it.effect("a rename may change the case alone", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const before = yield* put(folder, "name", bytesOf("x"))
      assert.strictEqual((yield* graph.update(before.id, { name: "NAME" }, null)).name, "NAME")
    })
  )

  it.effect("name, parent and times change in one call", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const target = yield* graph.createFolder(folder.id, "target", null)
      const before = yield* put(folder, "a", bytesOf("x"))
      const after = yield* graph.update(
        before.id,
        { name: "b", parent: target.id, fileSystemInfo: someTime },
        before.eTag
      )
      assert.strictEqual(after.parentId, target.id)
      assert.deepStrictEqual(after.modified, someTime.modified)
      assert.deepStrictEqual(after.created, someTime.created)
      assert.strictEqual(Option.getOrNull(yield* graph.child(target.id, "b"))?.id, before.id)
    })
  )

  it.effect("a taken name is NameExists, in any case, for folders and renames", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      yield* put(folder, "taken", bytesOf("1"))
      const other = yield* put(folder, "other", bytesOf("2"))
      assert.strictEqual(yield* reasonOf(graph.createFolder(folder.id, "TAKEN", null)), "NameExists")
      assert.strictEqual(yield* reasonOf(graph.update(other.id, { name: "Taken" }, null)), "NameExists")
      assert.strictEqual((yield* graph.item(other.id)).name, "other")
    })
  )

  it.effect("a newer item refuses changes made on an older one", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const old = yield* put(folder, "a", bytesOf("x"))
      const current = yield* graph.update(old.id, { name: "b" }, old.eTag)
      assert.strictEqual(yield* reasonOf(graph.update(old.id, { name: "c" }, old.eTag)), "PreconditionFailed")
      assert.strictEqual(yield* reasonOf(graph.delete(old.id, old.eTag)), "PreconditionFailed")
      assert.strictEqual((yield* graph.item(old.id)).name, "b")
      yield* graph.delete(old.id, current.eTag)
      assert.strictEqual(yield* reasonOf(graph.item(old.id)), "NotFound")
    })
  )

  it.effect("deleting takes everything below, and twice is once", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const dir = yield* graph.createFolder(folder.id, "dir", someTime)
      assert.deepStrictEqual(dir.modified, someTime.modified)
      const inside = yield* put(dir, "inside", bytesOf("x"))
      yield* graph.delete(dir.id, null)
      assert.strictEqual(yield* reasonOf(graph.item(inside.id)), "NotFound")
      yield* graph.delete(dir.id, null)
      assert.isTrue(Option.isNone(yield* graph.child(folder.id, "dir")))
    })
  )

  it.effect("names that OneDrive refuses are InvalidRequest", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      for (const name of ["a:b", 'quo"te', "a?b", "a*b", "a<b", "back\\slash", "trailing.", "CON"]) {
        assert.strictEqual(yield* reasonOf(graph.createFolder(folder.id, name, null)), "InvalidRequest", name)
      }
    })
  )

  it.effect("a folder does not go into itself", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const outer = yield* workspace
      const inner = yield* graph.createFolder(outer.id, "inner", null)
      const reason = yield* reasonOf(graph.update(outer.id, { parent: inner.id }, null))
      assert.include(["InvalidRequest", "NameExists"], reason)
    })
  )
})

import { assert } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { bytesOf, contract, put, reasonOf, workspace } from "./drives.ts"

contract((it) => {
  it.effect("there is a user, a drive with a quota, and one root", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const me = yield* graph.me
      assert.notStrictEqual(me.id, "")
      const drive = yield* graph.drive
      assert.isAbove(drive.quota?.total ?? 0, 0)
      const root = yield* graph.root
      assert.isTrue(root.isRoot)
      assert.strictEqual(root.kind, "folder")
      assert.isNull(root.parentId)
      assert.strictEqual((yield* graph.item(root.id)).id, root.id)
    })
  )

  it.effect("a folder lists each child once, over several pages", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const names = Array.from({ length: 8 }, (_, n) => `f${n}`)
      yield* Effect.forEach(names, (name) => put(folder, name, bytesOf(name)))
      const listed = yield* Stream.runCollect(graph.children(folder.id))
      assert.deepStrictEqual(listed.map((item) => item.name).sort(), names)
      assert.isTrue(listed.every((item) => item.parentId === folder.id && item.kind === "file" && item.size === 2))
    })
  )

  it.effect("an empty folder lists nothing", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      assert.strictEqual((yield* Stream.runCollect(graph.children(folder.id))).length, 0)
    })
  )

  it.effect("a child is found by name in any case, and keeps its own", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const made = yield* put(folder, "ReadMe.TXT", bytesOf("x"))
      const found = yield* graph.child(folder.id, "readme.txt")
      assert.strictEqual(Option.getOrNull(found)?.id, made.id)
      assert.strictEqual(Option.getOrNull(found)?.name, "ReadMe.TXT")
      assert.isTrue(Option.isNone(yield* graph.child(folder.id, "other")))
    })
  )

  it.effect("names survive whatever URLs make of them", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const names = ["50% #1.txt", "a b+c&d=e", "it's (1) [x]!", "grün-日本-\u{1f600}", "%41%2e", "a;b,c@d$e", "...x"]
      for (const name of names) {
        const made = yield* put(folder, name, bytesOf(name))
        assert.strictEqual(made.name, name)
        assert.strictEqual(Option.getOrNull(yield* graph.child(folder.id, name))?.id, made.id)
        const dir = yield* graph.createFolder(folder.id, `d ${name}`, null)
        assert.strictEqual(dir.name, `d ${name}`)
      }
      const listed = yield* Stream.runCollect(graph.children(folder.id))
      assert.strictEqual(listed.length, 2 * names.length)
    })
  )

  it.effect("an unknown id is NotFound", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const unknown = ItemId("no-such-item")
      assert.strictEqual(yield* reasonOf(graph.item(unknown)), "NotFound")
      assert.strictEqual(yield* reasonOf(Stream.runDrain(graph.children(unknown))), "NotFound")
      assert.isTrue(Option.isNone(yield* graph.child(unknown, "x")))
    })
  )
})

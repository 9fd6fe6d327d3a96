import { assert } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import type { DriveItem } from "../../src/graph/DriveItem.ts"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { bytesOf, changesSince, changesUntil, contract, put, reasonOf, workspace } from "./drives.ts"

const has =
  (...made: ReadonlyArray<DriveItem>) =>
  (latest: ReadonlyMap<string, DriveItem>) =>
    made.every(({ id }) => latest.has(id))

contract((it) => {
  it.effect("an enumeration names every item, parents first", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const inner = yield* graph.createFolder(folder.id, "inner", null)
      const made = yield* Effect.forEach(["a", "b", "c", "d"], (name) => put(inner, name, bytesOf(name)))
      const { items } = yield* changesUntil(null, has(folder, inner, ...made))
      const known = new Set<string>()
      for (const item of items) {
        if (item.parentId !== null) assert.isTrue(known.has(item.parentId), `${item.name} comes before its parent`)
        known.add(item.id)
      }
      assert.isTrue(items.some((item) => item.isRoot))
    })
  )

  it.effect("a link brings what changed since, and the same again when asked again", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const kept = yield* put(folder, "kept", bytesOf("x"))
      const renamed = yield* put(folder, "renamed", bytesOf("x"))
      const written = yield* put(folder, "written", bytesOf("x"))
      const deleted = yield* put(folder, "deleted", bytesOf("x"))
      const { link } = yield* changesUntil(null, has(kept, renamed, written, deleted))
      yield* graph.update(renamed.id, { name: "new name" }, null)
      yield* graph.putContent({ _tag: "Existing", id: written.id, ifMatch: null }, bytesOf("more"))
      yield* graph.delete(deleted.id, null)
      const created = yield* put(folder, "created", bytesOf("y"))

      for (let pass = 0; pass < 2; pass++) {
        const { latest } = yield* changesUntil(link, has(renamed, written, deleted, created))
        assert.strictEqual(latest.get(renamed.id)?.name, "new name")
        assert.strictEqual(latest.get(written.id)?.size, 4)
        assert.isTrue(latest.get(deleted.id)?.deleted)
        assert.strictEqual(latest.get(created.id)?.parentId, folder.id)
        assert.isFalse(latest.has(kept.id))
      }
    })
  )

  it.effect("nothing happened is an empty last page", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const next = Effect.flatMap(changesSince(null), ({ link }) => graph.delta(link))
      // On a real account, what the cases before did may still be on its way.
      const page = yield* Effect.repeat(next, {
        until: ({ items }) => items.every((item) => item.isRoot),
        schedule: Schedule.spaced("1 second")
      }).pipe(Effect.timeout("60 seconds"))
      assert.isTrue(page.caughtUp)
    })
  )

  it.effect("a moved folder comes alone", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const from = yield* graph.createFolder(folder.id, "from", null)
      const inside = yield* put(from, "inside", bytesOf("x"))
      const to = yield* graph.createFolder(folder.id, "to", null)
      const { link } = yield* changesUntil(null, has(from, inside, to))
      yield* graph.update(from.id, { parent: to.id }, null)
      const { latest } = yield* changesUntil(link, has(from))
      assert.strictEqual(latest.get(from.id)?.parentId, to.id)
      assert.isFalse(latest.has(inside.id))
    })
  )

  it.effect("a nonsense link is refused", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const { link } = yield* changesSince(null)
      const broken = link.replace(/token=[^&]*/, "token=nonsense")
      assert.include(["InvalidRequest", "ResyncRequired"], yield* reasonOf(graph.delta(broken)))
    })
  )
})

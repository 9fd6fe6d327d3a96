import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, PubSub } from "effect"
import { Events } from "../../src/events/Events.ts"
import { rootIno } from "../../src/tree/Item.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import { applicationId } from "../../src/tree/schema.ts"
import { Tree } from "../../src/tree/Tree.ts"
import {
  edit,
  enumerate,
  find,
  journal,
  layerAt,
  makeFile,
  makeFolder,
  move,
  now,
  paths,
  remote,
  temporaryFolder
} from "./harness.ts"

const temporaryPath = Effect.map(temporaryFolder, (folder) => join(folder, "cache", "onemount.db"))

describe("MountDatabase", () => {
  it.live("keeps the tree and the journal across starts, step by step", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const steps = [
        enumerate(remote("a", "a"), remote("b", "b")),
        Effect.flatMap(makeFolder("D"), (home) => makeFile("f", home.ino)),
        Effect.flatMap(find("/D/f"), ({ ino }) => edit(ino, 1)),
        Effect.flatMap(find("/a"), ({ ino }) => move(ino, "b")),
        Effect.flatMap(find("/D/f"), ({ ino }) =>
          Effect.flatMap(Tree, (tree) => tree.postpone(ino, "content", 9, "no"))
        )
      ]
      const view = Effect.gen(function* () {
        const tree = yield* Tree
        return [yield* paths, tree.intentsBelow(rootIno), tree.cursor(), tree.counts(), tree.summary()] as const
      })
      let before: Effect.Success<typeof view> | undefined
      for (const step of steps) {
        // Layers are shared by reference within a test: a start of its own each time.
        const [opened, changed] = yield* Effect.all([view, Effect.andThen(step, view)]).pipe(
          Effect.provide(Layer.fresh(layerAt(path)), { local: true })
        )
        if (before !== undefined) assert.deepStrictEqual(opened, before)
        before = changed
      }
      assert.deepStrictEqual(before?.[0], ["/D", "/D/f", "/b"])
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    })
  )

  it.live("forgets detached rows that have nothing to tell the server at the next start", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const removed = yield* Effect.gen(function* () {
        const tree = yield* Tree
        yield* enumerate(remote("a", "a"))
        const [a, b] = [yield* find("/a"), yield* makeFile("b")]
        yield* tree.remove(a.ino, now)
        yield* tree.remove(b.ino, now)
        assert.isDefined(tree.get(b.ino))
        return { a: a.ino, b: b.ino }
      }).pipe(Effect.provide(layerAt(path)))
      yield* Effect.gen(function* () {
        const tree = yield* Tree
        assert.strictEqual(tree.get(removed.b), undefined)
        assert.deepStrictEqual(yield* journal, ["delete a"])
        yield* tree.confirm(removed.a, "delete", 0, null)
        assert.strictEqual(tree.get(removed.a), undefined)
      }).pipe(Effect.provide(Layer.fresh(layerAt(path)), { local: true }))
    })
  )

  it.live("moves a damaged database aside, starts anew and says so", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = join(folder, "onemount.db")
      writeFileSync(path, "This is no database, and it is long enough to be looked at as one.")
      const events = yield* Layer.build(Events.layer)
      const told = yield* Effect.flatMap(Events, (service) => service.subscribe).pipe(Effect.provide(events))
      const mount = Layer.provide(MountDatabase.layer({ path }), Layer.succeedContext(events))
      yield* Effect.gen(function* () {
        const { db, rebuilt } = yield* MountDatabase
        assert.isTrue(Option.isSome((yield* MountDatabase).rebuilt))
        assert.include(readFileSync(Option.getOrThrow(rebuilt), "utf8"), "no database")
        assert.deepStrictEqual({ ...db.prepare("SELECT count(*) AS n FROM items").get() }, { n: 1 })
        const event = yield* PubSub.take(told)
        assert.strictEqual(event._tag, "CacheRebuilt")
      }).pipe(Effect.provide(mount))
      yield* Effect.gen(function* () {
        assert.isFalse(Option.isSome((yield* MountDatabase).rebuilt))
      }).pipe(Effect.provide(Layer.fresh(mount), { local: true }))
      assert.strictEqual(readdirSync(folder).filter((name) => name.includes(".corrupt-")).length, 1)
    })
  )

  it.live("refuses a database of a newer version or another program and leaves it as it is", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const pragma of ["application_id = 7", `application_id = ${applicationId}; PRAGMA user_version = 99`]) {
        const path = join(folder, `${pragma.length}.db`)
        const raw = new DatabaseSync(path)
        raw.exec(`CREATE TABLE t (x); PRAGMA ${pragma}`)
        raw.close()
        const before = readFileSync(path)
        const error = yield* Effect.flip(
          Effect.provide(MountDatabase, Layer.provide(MountDatabase.layer({ path }), Events.layer))
        )
        assert.strictEqual(error.reason, "Refused")
        assert.include(error.message, "--cache-dir")
        assert.deepStrictEqual(readFileSync(path), before)
      }
    })
  )

  it.live("brings commits to the disk, for callers at the same time together", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      yield* Effect.gen(function* () {
        const tree = yield* Tree
        yield* makeFile("a")
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(tree.flushToDisk))
        yield* Effect.forEach(fibers, Fiber.join)
      }).pipe(Effect.provide(layerAt(path)))
    })
  )
})

import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { Tree } from "../../src/tree/Tree.ts"
import { film, text } from "./actors/scenes.ts"
import * as Harness from "./harness.ts"

const actor = join(import.meta.dirname, "actors/edit-and-hang.ts")
const equal = (actual: Uint8Array, expected: Uint8Array) => assert.isTrue(Buffer.from(actual).equals(expected))

/** Plays a scene in a process of its own and kills it without warning. */
const crash = (directory: string, scene: string) =>
  Effect.callback<void>((resume) => {
    const child = spawn(process.execPath, ["--no-warnings", actor, directory, scene], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let errors = ""
    let ready = false
    child.stderr.on("data", (data) => (errors += String(data)))
    child.stdout.on("data", () => {
      ready = true
      child.kill("SIGKILL")
    })
    child.on("exit", () => resume(ready ? Effect.void : Effect.die(new Error(`the actor ended: ${errors}`))))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const contentOf = (path: string) =>
  Effect.flatMap(Harness.itemAt(path), ({ ino }) => Harness.using(ino, (content) => Harness.read(content, 0, 10_000)))

const recovered = (directory: string) => Harness.filesIn(join(directory, "recovered"))

describe("after a kill", () => {
  it.live("writes that were not closed are a local edit of the file as it is on the disk", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* crash(directory, "local")
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const tree = yield* Tree
          const item = yield* Harness.itemAt("/notes")
          assert.deepStrictEqual({ size: item.size, generation: item.generation }, { size: 16, generation: 2 })
          equal(yield* contentOf("/notes"), text("recorded and not"))
          assert.isNotEmpty(tree.intents(item.ino))
        })
      )
    })
  )

  it.live("a new file has what was written to it; one that was only created is empty and as old as it was", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* crash(directory, "created")
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const tree = yield* Tree
          equal(yield* contentOf("/notes"), text("never closed"))
          const lock = yield* Harness.itemAt("/lock")
          assert.deepStrictEqual(lock.mtime, lock.btime)
          equal(yield* contentOf("/lock"), text(""))
          const kinds = (path: string) => tree.intents(tree.resolve(path)!.ino).map(({ kind }) => kind)
          assert.deepStrictEqual(kinds("/notes"), ["create", "content"])
          assert.deepStrictEqual(kinds("/lock"), ["create"])
        })
      )
    })
  )

  it.live("a new file whose content file was not made yet is empty and can be written", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* crash(directory, "created")
      for (const file of Harness.filesIn(join(directory, "content"))) {
        const path = join(directory, "content", file)
        if (statSync(path).size === 0) rmSync(path)
      }
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const { ino } = yield* Harness.itemAt("/lock")
          equal(yield* contentOf("/lock"), text(""))
          yield* Harness.using(ino, (content) => Harness.write(content, 0, text("taken")))
          equal(yield* contentOf("/lock"), text("taken"))
        })
      )
    })
  )

  it.live("what was recorded stays as it was recorded", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* crash(directory, "closed")
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const { size, generation, mtime } = yield* Harness.itemAt("/notes")
          assert.deepStrictEqual({ size, generation, mtime }, { size: 8, generation: 1, mtime: { sec: 1000, nsec: 0 } })
          equal(yield* contentOf("/notes"), text("recorded"))
        })
      )
    })
  )

  it.live("a download that was written to is set aside, and the item is a ghost of the server's version", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* crash(directory, "partial")
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const store = yield* ContentStore
          const tree = yield* Tree
          const item = yield* Harness.itemAt("/film")
          assert.deepStrictEqual({ content: item.content, size: item.size }, { content: null, size: film.length })
          const [copy = ""] = recovered(directory)
          assert.match(copy, /^film-\d+$/)
          assert.strictEqual(readFileSync(join(directory, "recovered", copy)).toString("latin1", 500, 504), "mine")
          yield* Harness.hydrate(item.ino, film)
          equal(yield* contentOf("/film"), film)
          assert.deepStrictEqual(tree.intents(item.ino), [])
          assert.deepStrictEqual((yield* store.usage).files, 1)
        })
      )
    })
  )

  it.live("changes that were committed stay in their place, with the later ones that are on the disk", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* crash(directory, "committed")
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const store = yield* ContentStore
          const { ino, generation } = yield* Harness.itemAt("/film")
          assert.strictEqual(generation, 2)
          assert.deepStrictEqual(recovered(directory), [])
          yield* Harness.using(ino, (content) =>
            Effect.gen(function* () {
              assert.deepStrictEqual(store.table.state(content)?.valid, [0, 1000, 2000, 2004])
              yield* store.fill(content, 0, film)
            })
          )
          const expected = Buffer.from(film)
          expected.set(text("late"), 500)
          expected.set(text("mine"), 2000)
          equal(yield* contentOf("/film"), expected)
        })
      )
    })
  )

  it.live("ranges of a download that were not recorded are fetched again", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* crash(directory, "hydrating")
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const store = yield* ContentStore
          const { ino } = yield* Harness.itemAt("/film")
          yield* Harness.using(ino, (content) =>
            Effect.gen(function* () {
              const { offset = 0 } = store.missing(content, 0) ?? {}
              assert.include([1000, 2000], offset)
              yield* store.fill(content, offset, film.subarray(offset))
              yield* store.verify(content)
            })
          )
        })
      )
    })
  )
})

describe("at the start", () => {
  it.live("files of ours without a row go, everything else stays", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      const place = (path: string) => {
        const full = join(directory, "content", path)
        mkdirSync(join(full, ".."), { recursive: true })
        writeFileSync(full, path)
      }
      yield* Harness.run(
        directory,
        Effect.flatMap(Harness.ghost("film", film), ({ ino }) => Harness.hydrate(ino, film))
      )
      const [kept = ""] = Harness.filesIn(join(directory, "content"))
      const foreign = ["4d/78", "4d/77.tmp", "README", "aa/notes.txt", "zz/1"]
      for (const path of ["4d/77", "4d/333", "4d/77.copy", `${kept}.copy`, ...foreign]) place(path)
      yield* Harness.run(directory, Effect.void)
      assert.deepStrictEqual(Harness.filesIn(join(directory, "content")), [kept, ...foreign].toSorted())
      assert.deepStrictEqual(recovered(directory), [])
    })
  )

  it.live("with a database that was rebuilt, contents nobody knows are moved where people find them", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* Harness.run(
        directory,
        Effect.flatMap(Harness.localFile("notes"), ({ ino }) =>
          Harness.using(ino, (content) => Harness.write(content, 0, text("unsent")))
        )
      )
      for (const suffix of ["-wal", "-shm"]) rmSync(join(directory, `mount.db${suffix}`), { force: true })
      writeFileSync(join(directory, "mount.db"), "this is no database")
      yield* Harness.run(directory, Effect.void)
      assert.deepStrictEqual(Harness.filesIn(join(directory, "content")), [])
      const [copy = ""] = recovered(directory)
      assert.strictEqual(readFileSync(join(directory, "recovered", copy), "utf8"), "unsent")
    })
  )

  it.live("so are contents whose database was removed", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* Harness.run(
        directory,
        Effect.flatMap(Harness.localFile("notes"), ({ ino }) =>
          Harness.using(ino, (content) => Harness.write(content, 0, text("unsent")))
        )
      )
      for (const suffix of ["", "-wal", "-shm"]) rmSync(join(directory, `mount.db${suffix}`), { force: true })
      yield* Harness.run(directory, Effect.void)
      const [copy = ""] = recovered(directory)
      assert.strictEqual(readFileSync(join(directory, "recovered", copy), "utf8"), "unsent")
    })
  )

  it.live("unsent changes whose file is gone are an error that says so, and nothing is deleted", () =>
    Effect.gen(function* () {
      const directory = yield* Harness.temporaryDirectory
      yield* Harness.run(
        directory,
        Effect.flatMap(Harness.localFile("notes"), ({ ino }) =>
          Harness.using(ino, (content) => Harness.write(content, 0, text("unsent")))
        )
      )
      rmSync(join(directory, "content"), { recursive: true })
      yield* Harness.run(
        directory,
        Effect.gen(function* () {
          const store = yield* ContentStore
          const tree = yield* Tree
          const item = yield* Harness.itemAt("/notes")
          const error = yield* Effect.flip(store.open(item.ino))
          assert.strictEqual(error.reason, "Io")
          assert.include(error.detail, "notes")
          assert.deepStrictEqual(yield* Harness.itemAt("/notes"), item)
          assert.isNotEmpty(tree.intents(item.ino))
        })
      )
    })
  )
})

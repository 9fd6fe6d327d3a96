import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { TestClock } from "effect/testing"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { type Ino, rootIno } from "../../src/tree/Item.ts"
import type { Lane } from "../../src/tree/Journal.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import {
  applyPage,
  at,
  edit,
  enumerate,
  find,
  folder,
  journal,
  makeFile,
  makeFolder,
  move,
  now,
  paths,
  remote,
  inTree
} from "./harness.ts"

const uploaded = (id: string, name: string, version = 1) =>
  remote(id, name, { version, content: version, size: 5, modified: now })

/** Where a rename to `a` in `parent` goes. */
const to = (parent: Ino) => ({ parent, name: "a", localOnly: false, now, keepsLocal: () => false })

describe("answers of the server", () => {
  it.effect("a creation settles the content it carried, and only that generation", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate()
        const file = yield* makeFile("a")
        yield* edit(file.ino, 1)
        yield* edit(file.ino, 2)
        yield* tree.confirm(file.ino, "create", 1, uploaded("f", "a"))
        assert.deepStrictEqual(yield* journal, ["content a"])
        assert.deepInclude(tree.get(file.ino) ?? {}, { remoteId: "f", eTag: "f-e1", generation: 2 })
        yield* tree.confirm(file.ino, "content", 2, uploaded("f", "a", 2))
        assert.deepStrictEqual(yield* journal, [])
        assert.deepInclude(yield* find("/a"), { eTag: "f-e2", cTag: "f-c2", mtime: now, size: 5 })
        const { db } = yield* MountDatabase
        assert.deepInclude(db.prepare("SELECT version, dirty FROM contents").get() ?? {}, {
          version: "f-c2",
          dirty: null
        })
      })
    )
  )

  it.effect("a time the server did not take becomes an intent of its own, but not for ever", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate()
        const file = yield* makeFile("a")
        yield* edit(file.ino, 1)
        yield* tree.confirm(file.ino, "create", 1, { ...uploaded("f", "a"), modified: at(now.sec + 60) })
        assert.deepStrictEqual(yield* journal, ["times a"])
        const stubborn = { ...uploaded("f", "a"), modified: at(now.sec + 61) }
        yield* tree.confirm(file.ino, "times", 0, stubborn)
        yield* tree.confirm(file.ino, "times", 0, stubborn)
        assert.strictEqual(tree.intents(file.ino)[0]?.attempts, 2)
        yield* tree.confirm(file.ino, "times", 0, stubborn)
        assert.deepStrictEqual(yield* journal, [])
        assert.deepStrictEqual((yield* find("/a")).mtime, now)
      })
    )
  )

  it.effect("children become ready when their folder is at the server", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate()
        const home = yield* makeFolder("D")
        const file = yield* makeFile("f", home.ino)
        const ready = (lane: Lane) =>
          tree.readyIntents(lane, Number.MAX_SAFE_INTEGER, 10, new Set()).map((intent) => intent.ino)
        assert.deepStrictEqual([ready("changes"), ready("uploads")], [[home.ino], []])
        yield* tree.confirm(home.ino, "create", 0, folder("d", "D"))
        assert.deepStrictEqual([ready("changes"), ready("uploads")], [[], [file.ino]])
        assert.deepStrictEqual(
          tree.intentsBelow(home.ino).map((intent) => intent.ino),
          [file.ino]
        )
      })
    )
  )

  it.effect("a move waits while its new folder is not at the server, and no longer", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(folder("e", "E"), remote("f", "a"))
        const [home, file] = [yield* makeFolder("D"), yield* find("/a")]
        yield* tree.confirm(home.ino, "create", 0, folder("d", "D"))
        const nested = yield* makeFolder("N", home.ino)
        const ready = () => tree.readyIntents("changes", Number.MAX_SAFE_INTEGER, 10, new Set()).map(({ ino }) => ino)
        yield* tree.rename(file.ino, to(nested.ino))
        assert.deepStrictEqual(ready(), [nested.ino])
        yield* tree.rename(file.ino, to((yield* find("/E")).ino))
        assert.deepStrictEqual(ready().toSorted(), [nested.ino, file.ino].toSorted())
        yield* tree.rename(file.ino, to(nested.ino))
        yield* tree.confirm(nested.ino, "create", 0, folder("n", "N", "d"))
        assert.deepStrictEqual(ready(), [file.ino])
      })
    )
  )

  it.effect("an item that was deleted while it was created is deleted at the server", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate()
        const [a, b] = [yield* makeFile("a"), yield* makeFile("b")]
        yield* tree.remove(a.ino, now)
        yield* tree.remove(b.ino, now)
        yield* tree.forget(b.ino)
        yield* tree.confirm(a.ino, "create", 0, remote("x", "a"))
        yield* tree.confirm(b.ino, "create", 0, remote("y", "b"))
        assert.deepStrictEqual((yield* journal).toSorted(), ["delete a", "delete b"])
        yield* applyPage(remote("x", "a"), remote("y", "b"))
        assert.deepStrictEqual(yield* paths, [])
      })
    )
  )

  it.effect("an echo that came before the answer is the same item", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate()
        const [a, b] = [yield* makeFile("a"), yield* makeFile("b")]
        yield* edit(a.ino, 1)
        yield* move(b.ino, "c")
        yield* applyPage(uploaded("x", "a"), remote("y", "b", { size: 0 }))
        yield* tree.confirm(a.ino, "create", 1, uploaded("x", "a"))
        yield* tree.confirm(b.ino, "create", 0, remote("y", "b", { size: 0, modified: now }))
        assert.deepStrictEqual(yield* paths, ["/a", "/c"])
        assert.deepInclude(yield* find("/a"), { ino: a.ino, remoteId: ItemId("x"), eTag: "x-e1" })
        assert.strictEqual(tree.shadow(a.ino), undefined)
        assert.deepStrictEqual(yield* journal, ["move c"])
      })
    )
  )

  it.effect("what the server rewrote is stale here and not sent again", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a.docx"))
        const { ino } = yield* find("/a.docx")
        yield* edit(ino, 1)
        yield* tree.confirm(
          ino,
          "content",
          1,
          remote("f", "a.docx", { version: 2, content: 2, size: 99, modified: now })
        )
        assert.deepStrictEqual(yield* journal, [])
        assert.deepInclude(yield* find("/a.docx"), { size: 99, content: null, cTag: "f-c2" })
      })
    )
  )

  it.effect("a shadow that is left when the last intent goes becomes the item", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"))
        const { ino } = yield* find("/a")
        yield* edit(ino, 1)
        yield* applyPage(remote("f", "b", { version: 3, content: 3, size: 30 }))
        yield* tree.confirm(ino, "content", 1, uploaded("f", "a", 2))
        assert.deepInclude(yield* find("/b"), { ino, eTag: "f-e3", size: 30, content: null })
      })
    )
  )

  it.effect("postpones, parks, unparks and expedites", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(10_000)
        yield* enumerate(remote("f", "a"))
        const { ino } = yield* find("/a")
        yield* move(ino, "b")
        yield* tree.postpone(ino, "move", 60_000, "throttled")
        assert.deepInclude(tree.intents(ino)[0] ?? {}, { attempts: 1, lastError: "throttled", notBefore: 60_000 })
        yield* Queue.clear(tree.work)
        yield* tree.expedite(rootIno)
        assert.strictEqual(tree.nextDue(), 10_000)
        assert.strictEqual((yield* Queue.takeAll(tree.work)).length, 1)
        yield* tree.park(ino, "move", "name not allowed")
        assert.strictEqual(tree.nextDue(), null)
        assert.strictEqual(tree.summary().parked, 1)
        assert.strictEqual(tree.intentsBelow(ino).length, 1)
        yield* tree.unpark(ino)
        assert.deepInclude(tree.intents(ino)[0] ?? {}, { parked: false, attempts: 0 })
      })
    )
  )

  it.effect("keeps both: the local file moves aside with its inode, the server's takes the name", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"))
        const { ino } = yield* find("/a")
        yield* edit(ino, 1)
        const theirs = remote("f", "a", { version: 2, content: 2, size: 20 })
        yield* applyPage(theirs)
        yield* tree.resolveConflict(ino, { _tag: "KeepBoth", remote: theirs, copyName: "a copy" })
        assert.deepInclude(yield* find("/a copy"), { ino, remoteId: null, size: 5 })
        assert.deepInclude(yield* find("/a"), { remoteId: ItemId("f"), eTag: "f-e2", size: 20, content: null })
        assert.deepStrictEqual(yield* journal, ["create a copy", "content a copy"])
      })
    )
  )

  it.effect("adopts identical content, restores what changed at the server", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"), remote("g", "g"))
        const [f, g] = [yield* find("/a"), yield* find("/g")]
        yield* edit(f.ino, 1)
        yield* tree.resolveConflict(f.ino, { _tag: "Identical", remote: uploaded("f", "a", 2), generation: 1 })
        assert.deepInclude(yield* find("/a"), { ino: f.ino, eTag: "f-e2" })
        assert.isNotNull((yield* find("/a")).content)
        yield* tree.remove(g.ino, now)
        const changed = remote("g", "g2", { version: 2, content: 2, size: 20 })
        yield* applyPage(changed)
        yield* tree.resolveConflict(g.ino, { _tag: "Restore", remote: changed })
        assert.deepInclude(yield* find("/g2"), { ino: g.ino, eTag: "g-e2", size: 20 })
        assert.deepStrictEqual(yield* journal, [])
      })
    )
  )

  it.effect("sends what was written after the content that turned out to be identical", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"))
        const { ino } = yield* find("/a")
        yield* edit(ino, 1)
        yield* edit(ino, 2)
        yield* tree.resolveConflict(ino, { _tag: "Identical", remote: uploaded("f", "a", 2), generation: 1 })
        assert.deepInclude(yield* find("/a"), { ino, eTag: "f-e2", generation: 2 })
        assert.deepStrictEqual(yield* journal, ["content a"])
      })
    )
  )

  it.effect("remembers upload sessions until the content is settled", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"))
        const { ino } = yield* find("/a")
        yield* edit(ino, 1)
        const progress = { ino, generation: 1, url: "https://upload", expires: 5, hash: "h", size: 5, place: null }
        yield* tree.saveUpload(progress)
        assert.deepStrictEqual(tree.upload(ino), progress)
        yield* tree.confirm(ino, "content", 1, uploaded("f", "a", 2))
        assert.strictEqual(tree.upload(ino), undefined)
      })
    )
  )
})

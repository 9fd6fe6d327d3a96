import { assert, describe, it } from "@effect/vitest"
import { Effect, PubSub } from "effect"
import { TestClock } from "effect/testing"
import { Events } from "../../src/events/Events.ts"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { rootIno } from "../../src/tree/Item.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import {
  applyPage,
  at,
  edit,
  enumerate,
  find,
  folder,
  journal,
  makeBody,
  makeFile,
  makeFolder,
  move,
  now,
  paths,
  remote,
  root,
  inTree
} from "./harness.ts"

const deleted = (id: string) => remote(id, "", { deleted: true })

/** Gives a clean file a body, as a read of it would. */
const hydrate = (path: string) =>
  Effect.gen(function* () {
    const { ino, cTag } = yield* find(path)
    const key = yield* makeBody(ino, true, cTag)
    const { items } = yield* MountDatabase
    items.content(ino, key)
    return key
  })

describe("changes of the server", () => {
  it.effect("applies a page in any order, last occurrence first, and parks what has no parent yet", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        const late = remote("x", "x", { parent: "late" })
        yield* enumerate(
          remote("f", "old", { parent: "e" }),
          late,
          folder("e", "E", "d"),
          folder("d", "D"),
          remote("f", "f", { parent: "e", version: 2 })
        )
        assert.deepStrictEqual(yield* paths, ["/D", "/D/E", "/D/E/f"])
        assert.strictEqual(tree.get(rootIno)?.remoteId, "root")
        assert.isTrue(tree.isComplete((yield* find("/D/E")).ino))
        yield* applyPage(folder("late", "Late", "d"))
        assert.deepStrictEqual(yield* paths, ["/D", "/D/E", "/D/E/f", "/D/Late", "/D/Late/x"])
        assert.deepStrictEqual(tree.counts(), { items: 5, files: 2, directories: 3 })
        assert.deepStrictEqual(yield* journal, [])
      })
    )
  )

  it.effect("advances the cursor with the last slice and says when it caught up", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(5_000)
        assert.deepStrictEqual(tree.cursor(), { link: null, enumerated: false, appliedAt: null, enumeration: null })
        const enumeration = yield* tree.beginEnumeration
        yield* tree.applyPage({ items: [root], link: "next", caughtUp: false, enumeration })
        assert.deepStrictEqual(tree.cursor(), { link: "next", enumerated: false, appliedAt: null, enumeration })
        yield* tree.applyPage({ items: [], link: "delta", caughtUp: true, enumeration })
        assert.deepStrictEqual(tree.cursor(), { link: "delta", enumerated: true, appliedAt: 5_000, enumeration: null })
      })
    )
  )

  it.effect("tells the kernel what changed, and nothing about echoes", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"), folder("d", "D"))
        const key = yield* hydrate("/a")
        const { ino } = yield* find("/a")
        const changes = yield* PubSub.subscribe(tree.changes)
        yield* applyPage(remote("f", "a"), folder("d", "D"))
        yield* applyPage(remote("f", "b", { parent: "d", version: 2, content: 2, size: 20 }))
        const home = yield* find("/D")
        assert.deepStrictEqual((yield* PubSub.takeAll(changes)).flat(), [
          { _tag: "Entry", parent: rootIno, name: "a" },
          { _tag: "Entry", parent: home.ino, name: "b" },
          { _tag: "Attributes", ino },
          { _tag: "Content", ino, parent: home.ino, name: "b" }
        ])
        assert.deepInclude(yield* find("/D/b"), { ino, size: 20, content: null, cTag: "f-c2" })
        const { db } = yield* MountDatabase
        assert.deepInclude(db.prepare("SELECT stale FROM contents WHERE key = ?").get(key) ?? {}, { stale: 1 })
        yield* applyPage(deleted("d"))
        assert.deepStrictEqual(
          (yield* PubSub.takeAll(changes)).flat().map((change) => change._tag),
          ["Removed", "Removed"]
        )
        assert.deepStrictEqual(yield* paths, [])
      })
    )
  )

  it.effect("keeps the content when only metadata changed", () =>
    inTree(() =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"))
        const key = yield* hydrate("/a")
        yield* applyPage({ ...remote("f", "b", { version: 2 }), cTag: null })
        assert.deepInclude(yield* find("/b"), { content: key, eTag: "f-e2", cTag: "f-c1" })
      })
    )
  )

  it.effect("swaps names within a page and across pages", () =>
    inTree(() =>
      Effect.gen(function* () {
        yield* enumerate(remote("a", "a"), remote("b", "b"))
        const before = yield* find("/a")
        yield* applyPage(remote("a", "B", { version: 2 }), remote("b", "A", { version: 2 }))
        assert.deepStrictEqual(yield* paths, ["/A", "/B"])
        assert.strictEqual((yield* find("/B")).ino, before.ino)
        yield* applyPage(remote("a", "A", { version: 3 }))
        yield* applyPage(remote("b", "B", { version: 3 }))
        assert.deepStrictEqual(yield* paths, ["/A", "/B"])
        assert.strictEqual((yield* find("/A")).ino, before.ino)
        assert.deepStrictEqual(yield* journal, [])
      })
    )
  )

  it.effect("what leaves a deleted folder in a later page keeps its inode and what is in it", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(folder("d", "D"), folder("e", "E", "d"), remote("f", "f", { parent: "e" }))
        const inner = yield* find("/D/E")
        yield* tree.applyPage({ items: [deleted("d")], link: "1", caughtUp: false, enumeration: null })
        yield* tree.applyPage({ items: [folder("e", "E", "root", 2)], link: "2", caughtUp: true, enumeration: null })
        assert.deepStrictEqual(yield* paths, ["/E", "/E/f"])
        assert.strictEqual((yield* find("/E")).ino, inner.ino)
      })
    )
  )

  it.effect("merges attributes that were not changed here and moves the base along", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"), remote("g", "g"))
        const [f, g] = [yield* find("/a"), yield* find("/g")]
        yield* edit(f.ino, 1)
        yield* applyPage(remote("f", "b", { version: 2 }))
        assert.deepInclude(yield* find("/b"), { ino: f.ino, eTag: "f-e2", size: 5, generation: 1 })
        assert.strictEqual(tree.shadow(f.ino), undefined)
        assert.deepStrictEqual(yield* journal, ["content b"])
        yield* move(g.ino, "h")
        yield* applyPage(remote("g", "g", { version: 2, content: 2, size: 30 }))
        assert.deepInclude(yield* find("/h"), { ino: g.ino, size: 30, eTag: "g-e2" })
        assert.deepStrictEqual(yield* journal, ["content b", "move h"])
        yield* applyPage(remote("g", "h", { version: 3, content: 2, size: 30 }))
        assert.deepStrictEqual(yield* journal, ["content b"])
      })
    )
  )

  it.effect("never lets the server overwrite an edit or bring back a delete unasked", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"), remote("g", "g"), remote("h", "h"))
        const [f, g, h] = [yield* find("/a"), yield* find("/g"), yield* find("/h")]
        yield* edit(f.ino, 1)
        yield* tree.remove(g.ino, now)
        yield* edit(h.ino, 1)
        yield* applyPage(
          remote("f", "b", { version: 2, content: 2 }),
          remote("g", "g", { version: 2, content: 2 }),
          deleted("h")
        )
        assert.deepStrictEqual(yield* paths, ["/a", "/h"])
        assert.deepInclude(yield* find("/a"), { eTag: "f-e1", size: 5, content: (yield* find("/a")).content })
        assert.strictEqual(tree.shadow(f.ino)?.eTag, "f-e2")
        assert.strictEqual(tree.shadow(g.ino)?.eTag, "g-e2")
        assert.strictEqual(tree.shadow(h.ino)?.deleted, true)
        yield* applyPage(deleted("g"))
        assert.deepStrictEqual((yield* journal).toSorted(), ["content a", "content h"])
      })
    )
  )

  it.effect("an open body with unrecorded writes is protected too", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"))
        const key = yield* hydrate("/a")
        const { ino } = yield* find("/a")
        yield* tree.beginEdit(ino, key)
        yield* applyPage(remote("f", "a", { version: 2, content: 2 }))
        assert.deepInclude(yield* find("/a"), { content: key, eTag: "f-e1" })
        yield* edit(ino, 1)
        assert.deepStrictEqual(yield* journal, ["content a"])
        assert.strictEqual(tree.shadow(ino)?.eTag, "f-e2")
      })
    )
  )

  it.effect("an edit through a handle on an older version is a conflict, not an overwrite", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"))
        const key = yield* hydrate("/a")
        const { ino } = yield* find("/a")
        yield* applyPage(remote("f", "a", { version: 2, content: 2 }))
        assert.strictEqual((yield* find("/a")).content, null)
        const bytes = new Uint8Array()
        yield* tree.beginEdit(ino, key)
        yield* tree.commitContent(
          ino,
          { content: key, size: 3, mtime: now, generation: 1, valid: bytes, dirty: bytes },
          { now: 0, window: 0, maxWait: 0 }
        )
        assert.strictEqual(tree.shadow(ino)?.eTag, "f-e2")
        assert.deepInclude(tree.intents(ino)[0] ?? {}, {
          kind: "content",
          base: { parent: "root", name: "a", eTag: null }
        })
      })
    )
  )

  it.effect("does not bring a deleted folder back for what was moved out of it here", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(folder("d", "D"), remote("f", "f", { parent: "d" }))
        const [d, f] = [yield* find("/D"), yield* find("/D/f")]
        yield* tree.rename(f.ino, { parent: rootIno, name: "f", localOnly: false, now })
        yield* tree.remove(d.ino, now)
        // The server has not heard of it, and tells of them again for another reason.
        yield* applyPage(folder("d", "D"), remote("f", "f", { parent: "d", version: 2 }))
        assert.deepStrictEqual(yield* paths, ["/f"])
        assert.deepStrictEqual((yield* journal).toSorted(), ["delete D", "move f"])
      })
    )
  )

  it.effect("keeps and recreates a deleted folder that holds local changes", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(
          folder("d", "D"),
          folder("e", "E", "d"),
          remote("f", "f", { parent: "e" }),
          remote("g", "g", { parent: "d" })
        )
        const f = yield* find("/D/E/f")
        yield* edit(f.ino, 1)
        const fresh = yield* makeFile("new", (yield* find("/D")).ino)
        yield* applyPage(deleted("d"), deleted("e"), deleted("f"), deleted("g"))
        assert.deepStrictEqual(yield* paths, ["/D", "/D/E", "/D/E/f", "/D/new"])
        assert.deepStrictEqual((yield* journal).toSorted(), ["content f", "create D", "create E", "create new"])
        assert.strictEqual(tree.shadow(f.ino)?.deleted, true)
        assert.strictEqual(tree.shadow(fresh.ino), undefined)
        yield* tree.resolveConflict(f.ino, { _tag: "Recreate" })
        assert.deepInclude(yield* find("/D/E/f"), { remoteId: null, generation: 1 })
        assert.deepStrictEqual((yield* journal).toSorted(), [
          "content f",
          "create D",
          "create E",
          "create f",
          "create new"
        ])
      })
    )
  )

  it.effect("moves changed local items aside for the server's, merges folders, compares files", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        const events = yield* (yield* Events).subscribe
        yield* TestClock.setTime(new Date(2026, 10, 20, 13, 5).getTime())
        yield* enumerate()
        const made = yield* makeFolder("Shared")
        const inside = yield* makeFile("mine", made.ino)
        const lock = yield* makeFile("~$x", rootIno, true)
        const both = yield* makeFile("both.txt")
        yield* edit(both.ino, 1)
        const clash = yield* makeFile("clash.d")
        yield* applyPage(
          folder("s", "SHARED"),
          remote("t", "theirs", { parent: "s" }),
          remote("l", "~$x"),
          remote("b", "Both.txt"),
          folder("c", "clash.d")
        )
        assert.deepStrictEqual(yield* paths, [
          "/Both.txt",
          "/SHARED",
          "/SHARED/mine",
          "/SHARED/theirs",
          "/clash (conflict HOST 2026-11-20 1305).d",
          "/clash.d",
          "/~$x",
          "/~$x (conflict HOST 2026-11-20 1305)"
        ])
        assert.deepInclude(tree.get(made.ino) ?? {}, { remoteId: "s", name: "SHARED" })
        assert.deepInclude(tree.get(both.ino) ?? {}, { remoteId: "b", eTag: null, cTag: null, hash: null })
        assert.strictEqual(tree.shadow(both.ino)?.eTag, "b-e1")
        assert.strictEqual(tree.get(lock.ino)?.localOnly, true)
        assert.deepStrictEqual((yield* journal).toSorted(), [
          "content Both.txt",
          "create clash (conflict HOST 2026-11-20 1305).d",
          "create mine"
        ])
        assert.strictEqual(tree.get(inside.ino)?.parent, made.ino)
        const told = yield* PubSub.takeAll(events)
        assert.deepStrictEqual(told.flatMap((event) => (event._tag === "Conflict" ? [event.path] : [])).toSorted(), [
          "/clash.d",
          "/~$x"
        ])
        assert.strictEqual(tree.get(clash.ino)?.remoteId, null)
      })
    )
  )

  it.effect("keeps back what is new in a deleted folder until the folder's delete was refused", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(folder("d", "D"))
        const home = yield* find("/D")
        yield* tree.remove(home.ino, now)
        yield* applyPage(remote("n", "new", { parent: "d" }))
        assert.deepStrictEqual(yield* paths, [])
        assert.deepStrictEqual(
          tree.intents(home.ino).map(({ kind }) => kind),
          ["delete"]
        )
        yield* tree.resolveConflict(home.ino, { _tag: "Restore", remote: folder("d", "D") })
        yield* applyPage()
        assert.deepStrictEqual(yield* paths, ["/D", "/D/new"])
        assert.deepStrictEqual(yield* journal, [])
        assert.strictEqual((yield* find("/D")).ino, home.ino)
      })
    )
  )

  it.effect("a full enumeration removes what it did not name, but nothing of ours", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("a", "a"), remote("b", "b"), folder("d", "D"), remote("e", "e", { parent: "d" }))
        yield* edit((yield* find("/b")).ino, 1)
        yield* makeFile("~$lock", rootIno, true)
        const created = yield* makeFile("created")
        const enumeration = yield* tree.beginEnumeration
        yield* tree.applyPage({ items: [root, remote("a", "a")], link: "1", caughtUp: false, enumeration })
        yield* tree.confirm(created.ino, "create", 0, remote("c", "created", { size: 0 }))
        yield* tree.applyPage({ items: [], link: "2", caughtUp: true, enumeration })
        assert.deepStrictEqual(yield* paths, ["/a", "/b", "/created", "/~$lock"])
      })
    )
  )

  it.effect("a local move wins over a move at the server that would make a cycle", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(folder("a", "A"), folder("b", "B"))
        const [a, b] = [yield* find("/A"), yield* find("/B")]
        yield* move(b.ino, "B", { parent: a.ino })
        yield* applyPage(folder("a", "A", "b", 2))
        assert.deepStrictEqual(yield* paths, ["/A", "/A/B"])
        assert.deepStrictEqual((yield* journal).toSorted(), ["move A", "move B"])
        assert.strictEqual(tree.intents(a.ino)[0]?.base?.parent, "b")
      })
    )
  )

  it.effect("refuses the items of another drive", () =>
    inTree(() =>
      Effect.gen(function* () {
        yield* enumerate(remote("a", "a"))
        const error = yield* Effect.flip(applyPage({ ...root, id: ItemId("elsewhere") }))
        assert.strictEqual(error.reason, "Storage")
        assert.include(error.message, "--cache-dir")
      })
    )
  )

  it.effect("keeps our finer time where the server only rounds it", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("a", "a"))
        const { ino } = yield* find("/a")
        const fine = { sec: 1_700_000_100, nsec: 123_456_789 }
        yield* tree.setAttributes(ino, { mtime: fine, now })
        yield* tree.confirm(ino, "times", 0, remote("a", "a", { version: 2, modified: at(fine.sec) }))
        assert.deepStrictEqual(yield* journal, [])
        yield* applyPage(remote("a", "A", { version: 3, modified: at(fine.sec) }))
        assert.deepStrictEqual((yield* find("/A")).mtime, fine)
      })
    )
  )
})

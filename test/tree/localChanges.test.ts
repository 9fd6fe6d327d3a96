import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { type Ino, rootIno } from "../../src/tree/Item.ts"
import { Tree } from "../../src/tree/Tree.ts"
import {
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
  rootId,
  inTree
} from "./harness.ts"

const refusal = <A, E extends { readonly reason: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

describe("local changes", () => {
  it.effect("makes, finds and lists items, by any case, in stable order", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        const docs = yield* makeFolder("Docs")
        const file = yield* makeFile("Straße.txt", docs.ino)
        assert.strictEqual(tree.child(docs.ino, "STRAßE.TXT")?.ino, file.ino)
        assert.strictEqual(tree.child(docs.ino, "STRASSE.TXT"), undefined)
        assert.strictEqual(tree.path(file.ino), "/Docs/Straße.txt")
        assert.strictEqual(tree.resolve("/docs/straße.TXT")?.ino, file.ino)
        assert.strictEqual(yield* refusal(makeFile("sTRAßE.txt", docs.ino)), "Exists")
        assert.strictEqual(yield* refusal(makeFile("x", file.ino)), "NotDirectory")
        const more = yield* makeFile("b", docs.ino)
        assert.deepStrictEqual(
          tree.children(docs.ino, file.ino, 10).map((item) => item.ino),
          [more.ino]
        )
        assert.strictEqual(tree.get(rootIno)?.parent, rootIno)
        assert.deepStrictEqual(
          tree.children(rootIno, 0, 10).map((item) => item.name),
          ["Docs"]
        )
        assert.strictEqual(tree.subdirectories(rootIno), 1)
        assert.deepStrictEqual(tree.counts(), { items: 3, files: 2, directories: 1 })
      })
    )
  )

  it.effect("a rename tries again what the server refused", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        const file = yield* makeFile("bad")
        const other = yield* makeFile("other")
        const parked = (ino: Ino) => tree.intents(ino).flatMap(({ kind, parked }) => (parked ? [kind] : []))
        yield* tree.park(file.ino, "create", "the server refuses this name")
        yield* tree.park(other.ino, "create", "the server refuses this name")
        yield* move(file.ino, "better")
        assert.deepStrictEqual([parked(file.ino), parked(other.ino)], [[], ["create"]])
        assert.strictEqual(tree.intents(file.ino)[0]?.attempts, 0)
        yield* tree.exchange(file.ino, other.ino, now)
        assert.deepStrictEqual(parked(other.ino), [])
        assert.strictEqual(tree.summary().parked, 0)
      })
    )
  )

  it.effect("create and delete leave nothing behind", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        const file = yield* makeFile("a")
        yield* edit(file.ino, 1)
        assert.deepStrictEqual(yield* journal, ["create a", "content a"])
        assert.strictEqual(tree.summary().bytes, 5)
        yield* tree.remove(file.ino, now)
        assert.deepStrictEqual(yield* journal, [])
        assert.strictEqual(tree.get(file.ino)?.parent, null)
        yield* tree.forget(file.ino)
        assert.strictEqual(tree.get(file.ino), undefined)
        assert.deepStrictEqual(tree.summary(), { intents: 0, parked: 0, bytes: 0, oldest: null })
      })
    )
  )

  it.effect("a rename back to the base is no move, times set back are no times", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"), folder("d", "D"))
        const file = yield* find("/a")
        const home = yield* find("/D")
        yield* move(file.ino, "b", { parent: home.ino })
        assert.deepStrictEqual(yield* journal, ["move b"])
        assert.deepInclude(tree.intents(file.ino)[0] ?? {}, {
          base: { parent: "root", name: "a", eTag: "f-e1" },
          remoteId: null
        })
        assert.strictEqual(tree.remoteHolder(rootId, "A")?.ino, file.ino)
        yield* tree.setAttributes(file.ino, { mtime: at(5), now })
        assert.deepStrictEqual(yield* journal, ["move b", "times b"])
        yield* move(file.ino, "a")
        yield* tree.setAttributes(file.ino, { mtime: file.mtime, now })
        assert.deepStrictEqual(yield* journal, [])
        yield* tree.setAttributes(file.ino, { mode: 0o600, now })
        assert.deepStrictEqual(yield* journal, [])
      })
    )
  )

  it.effect("a delete replaces all other intents and survives until it is confirmed", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a"))
        const file = yield* find("/a")
        yield* edit(file.ino, 1)
        yield* move(file.ino, "b")
        yield* tree.remove(file.ino, now)
        assert.deepStrictEqual(yield* journal, ["delete b"])
        assert.deepInclude(tree.intents(file.ino)[0] ?? {}, {
          remoteId: "f",
          base: { parent: "root", name: "a", eTag: "f-e1" }
        })
        assert.strictEqual(tree.pendingDeletes(), 1)
        yield* tree.forget(file.ino)
        assert.strictEqual(tree.intents(file.ino).length, 1)
        yield* tree.confirm(file.ino, "delete", 0, null)
        assert.strictEqual(tree.get(file.ino), undefined)
        assert.strictEqual(tree.pendingDeletes(), 0)
      })
    )
  )

  it.effect("a new file renamed over an old one becomes its next version", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "doc.odt"))
        const old = yield* find("/doc.odt")
        const temporary = yield* makeFile(".goutputstream-1", rootIno, true)
        yield* edit(temporary.ino, 1)
        assert.deepStrictEqual(yield* journal, [])
        const replaced = yield* move(temporary.ino, "doc.odt")
        assert.strictEqual(Option.getOrThrow(replaced).ino, old.ino)
        assert.deepStrictEqual(yield* journal, ["content doc.odt"])
        const item = yield* find("/doc.odt")
        assert.deepInclude(item, { ino: temporary.ino, remoteId: old.remoteId, eTag: old.eTag, localOnly: false })
        assert.deepInclude(tree.get(old.ino) ?? {}, { parent: null, remoteId: null })
        assert.strictEqual(tree.intents(item.ino)[0]?.generation, 1)
      })
    )
  )

  it.effect("an edited file takes over only when all its bytes are here", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("a", "a"), remote("b", "b"), remote("c", "c"), remote("d", "d"))
        const [a, c] = [yield* find("/a"), yield* find("/c")]
        yield* edit(a.ino, 1)
        yield* move(a.ino, "b")
        assert.strictEqual((yield* find("/b")).remoteId, "b")
        assert.deepStrictEqual((yield* journal).toSorted(), ["content b", "delete a"])
        yield* edit(c.ino, 1, { complete: false })
        yield* move(c.ino, "d")
        assert.strictEqual((yield* find("/d")).remoteId, "c")
        assert.deepStrictEqual((yield* journal).toSorted(), [
          "content b",
          "content d",
          "delete a",
          "delete d",
          "move d"
        ])
        assert.strictEqual(tree.pendingDeletes(), 2)
      })
    )
  )

  it.effect("a clean file renamed over another keeps its own identity", () =>
    inTree(() =>
      Effect.gen(function* () {
        yield* enumerate(remote("a", "a"), remote("b", "b"))
        const [a, b] = [yield* find("/a"), yield* find("/b")]
        yield* move(a.ino, "b")
        assert.deepStrictEqual((yield* journal).toSorted(), ["delete b", "move b"])
        const tree = yield* Tree
        assert.strictEqual(tree.remoteHolder(rootId, "b")?.ino, b.ino)
      })
    )
  )

  it.effect("local-only names leave the server and come back as new items", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("f", "a", { size: 0 }), remote("g", "ghost"))
        const file = yield* find("/a")
        yield* move(file.ino, "~$a", { localOnly: true })
        assert.deepInclude(tree.get(file.ino) ?? {}, { remoteId: null, localOnly: true })
        assert.deepStrictEqual(yield* journal, ["delete a"])
        yield* move(file.ino, "a")
        assert.deepStrictEqual(yield* journal, ["delete a", "create a"])
        const ghost = yield* find("/ghost")
        assert.strictEqual(yield* refusal(move(ghost.ino, "~$ghost", { localOnly: true })), "NotLocal")
        assert.strictEqual((yield* find("/ghost")).remoteId, "g")
      })
    )
  )

  it.effect("a folder that stops being local-only takes what is in it along", () =>
    inTree(() =>
      Effect.gen(function* () {
        const trash = yield* makeFolder(".Trash-0", rootIno, true)
        const kept = yield* makeFolder("files", trash.ino)
        const file = yield* makeFile("doc", kept.ino)
        yield* makeFile(".~lock.doc#", kept.ino)
        yield* edit(file.ino, 1)
        assert.deepStrictEqual(yield* journal, [])
        yield* move(kept.ino, "files", { keepsLocal: (name) => name.startsWith(".~lock") })
        assert.deepStrictEqual((yield* journal).toSorted(), ["content doc", "create doc", "create files"])
      })
    )
  )

  it.effect("refuses what POSIX refuses", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        const a = yield* makeFolder("a")
        const b = yield* makeFolder("b", a.ino)
        const file = yield* makeFile("f")
        assert.strictEqual(yield* refusal(move(a.ino, "c", { parent: b.ino })), "Loop")
        assert.strictEqual(yield* refusal(tree.remove(a.ino, now)), "NotEmpty")
        assert.strictEqual(yield* refusal(move(b.ino, "f")), "NotDirectory")
        assert.strictEqual(yield* refusal(move(file.ino, "a")), "IsDirectory")
        assert.strictEqual(yield* refusal(tree.exchange(a.ino, b.ino, now)), "Loop")
        assert.strictEqual(yield* refusal(tree.remove(rootIno, now)), "NotFound")
        assert.deepStrictEqual(yield* paths, ["/a", "/a/b", "/f"])
      })
    )
  )

  it.effect("does not take an unlisted folder for an empty one", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* tree.applyChildren(rootIno, [folder("d", "D")])
        const home = yield* find("/D")
        assert.isFalse(tree.isComplete(home.ino))
        assert.strictEqual(yield* refusal(tree.remove(home.ino, now)), "NotEmpty")
        yield* tree.applyChildren(home.ino, [])
        yield* tree.remove(home.ino, now)
        assert.deepStrictEqual(yield* journal, ["delete D"])
      })
    )
  )

  it.effect("exchanges two items", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("a", "a"), folder("d", "d"))
        const [a, d] = [yield* find("/a"), yield* find("/d")]
        yield* tree.exchange(a.ino, d.ino, now)
        assert.strictEqual((yield* find("/a")).kind, "directory")
        assert.deepStrictEqual((yield* journal).toSorted(), ["move a", "move d"])
        yield* tree.exchange(a.ino, d.ino, now)
        assert.deepStrictEqual(yield* journal, [])
      })
    )
  )

  it.effect("debounces content up to the maximum wait and counts from the first change", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(remote("a", "a"))
        const { ino } = yield* find("/a")
        const start = now.sec * 1000
        yield* edit(ino, 1, { at: start })
        assert.strictEqual(tree.nextDue(), start + 1_000)
        yield* edit(ino, 2, { at: start + 4_500 })
        assert.deepInclude(tree.intents(ino)[0] ?? {}, { generation: 2, createdAt: start, notBefore: start + 5_000 })
        assert.deepStrictEqual(tree.readyIntents("uploads", start + 4_999, 10, new Set()), [])
        assert.strictEqual(tree.readyIntents("uploads", start + 5_000, 10, new Set()).length, 1)
        assert.deepStrictEqual(tree.readyIntents("uploads", start + 5_000, 10, new Set([ino])), [])
      })
    )
  )

  it.effect("keeps extended attributes with the item", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        const { ino } = yield* makeFile("a")
        yield* tree.setXattr(ino, "user.b", new Uint8Array([1, 2]), now)
        yield* tree.setXattr(ino, "user.a", new Uint8Array([3]), now)
        assert.deepStrictEqual(tree.listXattrs(ino), ["user.a", "user.b"])
        assert.deepStrictEqual([...(tree.getXattr(ino, "user.b") ?? [])], [1, 2])
        assert.isTrue(yield* tree.removeXattr(ino, "user.b", now))
        assert.isFalse(yield* tree.removeXattr(ino, "user.b", now))
        yield* tree.remove(ino, now)
        yield* tree.forget(ino)
        assert.deepStrictEqual(tree.listXattrs(ino), [])
      })
    )
  )

  it.effect("a new folder that takes the place of an empty one of the server is no change there", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        yield* enumerate(folder("x", "x"))
        const made = yield* makeFolder("new")
        yield* tree.setAttributes(made.ino, { mtime: { sec: 7, nsec: 0 }, now })
        yield* tree.rename(made.ino, { parent: rootIno, name: "x", localOnly: false, now })
        const { ino, remoteId } = yield* find("/x")
        assert.deepStrictEqual([ino, `${remoteId}`], [made.ino, "x"])
        assert.deepStrictEqual(yield* journal, [])
      })
    )
  )
})

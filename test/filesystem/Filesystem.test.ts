import { ContentId } from "@onemount/fuse-native"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { Filesystem, type Stat } from "../../src/filesystem/Filesystem.ts"
import type { FsError } from "../../src/filesystem/FsError.ts"
import { GraphError, type GraphErrorReason, NotFound, Unreachable } from "../../src/graph/GraphError.ts"
import { Ino, rootIno } from "../../src/tree/Item.ts"
import { Tree } from "../../src/tree/Tree.ts"
import { atServer, Cloud, mountedTree, remote } from "./mountedTree.ts"

const test = <A, E>(name: string, body: Effect.Effect<A, E, Filesystem | Tree | ContentStore | Cloud>) =>
  it.effect(name, () => Effect.provide(body, mountedTree))

const reasonOf = <A>(effect: Effect.Effect<A, FsError>) =>
  Effect.match(effect, { onSuccess: () => "ok", onFailure: (error) => error.reason as string })

/** For names that are there. */
const found = <E>(lookup: Effect.Effect<Stat | undefined, E>) =>
  Effect.filterOrElse(
    lookup,
    (stat): stat is Stat => stat !== undefined,
    () => Effect.die("the name is absent")
  )

const at = (name: string, parent = rootIno) => ({ parent, name })

const names = Effect.fnUntraced(function* (directory: Ino) {
  const fs = yield* Filesystem
  return (yield* fs.readdir(directory, 0, 100)).map((stat) => stat.item.name)
})

const write = Effect.fnUntraced(function* (content: ContentId, offset: number, text: string) {
  const { table } = yield* ContentStore
  yield* Effect.promise(() => table.write(content, offset, Buffer.from(text)))
})

const read = Effect.fnUntraced(function* (content: ContentId, length: number) {
  const { table } = yield* ContentStore
  return Buffer.from(yield* Effect.promise(() => table.read(content, 0, length))).toString()
})

const kinds = Effect.fnUntraced(function* (ino: Ino) {
  return (yield* Tree).intents(ino).map((intent) => intent.kind)
})

const graphError = (reason: GraphErrorReason) =>
  new GraphError({ operation: "children", status: 0, requestId: "", reason })

describe("Filesystem: unknown directories", () => {
  test(
    "are listed before anything is said to be absent or empty",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      const cloud = yield* Cloud
      yield* atServer(remote("a.txt"), remote("dir", { kind: "folder" }))
      assert.strictEqual(yield* fs.lookup(rootIno, "nothing"), undefined)
      assert.deepStrictEqual(yield* names(rootIno), ["a.txt", "dir"])
      const directory = (yield* found(fs.lookup(rootIno, "dir"))).item
      assert.deepStrictEqual(cloud.asked, [rootIno])
      cloud.listings.set(directory.ino, Effect.succeed([remote("inside", { parentId: directory.remoteId })]))
      assert.strictEqual(yield* reasonOf(fs.rmdir(rootIno, "dir")), "NotEmpty")
      assert.deepStrictEqual(cloud.asked, [rootIno, directory.ino])
      assert.strictEqual((yield* found(fs.lookup(directory.ino, "inside"))).size, 1000)
      assert.strictEqual(cloud.asked.length, 2)
    })
  )

  test(
    "fail with what the network said, never with ENOENT",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      const { listings } = yield* Cloud
      yield* atServer()
      listings.set(rootIno, Effect.fail(graphError(new Unreachable({ detail: "no route", sent: false }))))
      assert.strictEqual(yield* reasonOf(fs.lookup(rootIno, "x")), "Offline")
      assert.strictEqual(yield* reasonOf(fs.readdir(rootIno, 0, 10)), "Offline")
      assert.strictEqual(yield* reasonOf(fs.create(rootIno, "x", 0o644)), "Offline")
      listings.set(rootIno, Effect.fail(graphError(new NotFound())))
      assert.strictEqual(yield* reasonOf(fs.lookup(rootIno, "x")), "Stale", "the directory is gone, not the name")
      listings.set(rootIno, Effect.never)
      const waiting = yield* Effect.forkChild(reasonOf(fs.lookup(rootIno, "x")), { startImmediately: true })
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(waiting), "TimedOut")
    })
  )

  test(
    "can be given up while they are waited for, also by changes",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      const { listings, asked } = yield* Cloud
      yield* atServer()
      const interrupted = yield* Deferred.make<void>()
      listings.set(
        rootIno,
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      )
      const waiting = yield* Effect.forkChild(fs.mkdir(rootIno, "d", 0o755), { startImmediately: true })
      assert.deepStrictEqual(asked, [rootIno])
      yield* Fiber.interrupt(waiting)
      yield* Deferred.await(interrupted)
      listings.delete(rootIno)
      assert.deepStrictEqual(yield* names(rootIno), [])
    })
  )
})

describe("Filesystem: names", () => {
  test(
    "are one entry in any case, kept as they were made",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer()
      const made = yield* fs.mkdir(rootIno, "Straße", 0o755)
      assert.strictEqual((yield* found(fs.lookup(rootIno, "STRAßE"))).item.ino, made.item.ino)
      assert.strictEqual(yield* reasonOf(fs.mkdir(rootIno, "straße", 0o755)), "Exists")
      assert.strictEqual(yield* reasonOf(fs.create(rootIno, "STRAßE", 0o644)), "Exists")
      yield* fs.rename({ parent: rootIno, name: "Straße" }, { parent: rootIno, name: "STRAßE" }, 0)
      assert.deepStrictEqual(yield* names(rootIno), ["STRAßE"])
      assert.strictEqual((yield* found(fs.lookup(rootIno, "straße"))).item.ino, made.item.ino)
    })
  )

  test(
    "that OneDrive refuses are refused with a reason, unless they stay here",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      const tree = yield* Tree
      yield* atServer(remote("CON"))
      assert.strictEqual(yield* reasonOf(fs.create(rootIno, "a:b", 0o644)), "NameInvalid")
      const why = Buffer.from(yield* fs.getXattr(rootIno, "user.onemount.error")).toString()
      assert.strictEqual(why, "a:b: OneDrive does not allow : in names")
      assert.strictEqual(yield* reasonOf(fs.mkdir(rootIno, "x".repeat(256), 0o755)), "NameTooLong")
      assert.strictEqual(yield* reasonOf(fs.lookup(rootIno, "x".repeat(256))), "NameTooLong")
      // The server's own names are what they are.
      assert.strictEqual((yield* found(fs.lookup(rootIno, "CON"))).item.name, "CON")
      const local = yield* fs.mkdir(rootIno, "scratch:1.local", 0o755)
      const below = yield* fs.create(local.item.ino, "what?", 0o644)
      assert.isTrue(local.item.localOnly && below.stat.item.localOnly)
      assert.deepStrictEqual([...(yield* kinds(local.item.ino)), ...(yield* kinds(below.stat.item.ino))], [])
      assert.strictEqual(tree.summary().intents, 0)
      yield* fs.release(below.stat.item.ino, below.content, true)
    })
  )

  test(
    "may not make the path longer than 400 characters",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer()
      const first = yield* fs.mkdir(rootIno, "d".repeat(200), 0o755)
      assert.strictEqual(yield* reasonOf(fs.mkdir(first.item.ino, "e".repeat(200), 0o755)), "PathTooLong")
      yield* fs.mkdir(first.item.ino, "e".repeat(199), 0o755)
    })
  )
})

describe("Filesystem: entries", () => {
  test(
    "follow rename(2) in what may replace what",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer()
      const directory = (yield* fs.mkdir(rootIno, "dir", 0o755)).item.ino
      yield* fs.mkdir(directory, "sub", 0o755)
      yield* fs.mkdir(rootIno, "empty", 0o755)
      yield* fs.mknod(rootIno, "file", 0o644)
      yield* fs.mknod(rootIno, "other", 0o644)
      assert.strictEqual(yield* reasonOf(fs.rename(at("none"), at("x"), 0)), "NotFound")
      assert.strictEqual(yield* reasonOf(fs.rename(at("file"), at("empty"), 0)), "IsDirectory")
      assert.strictEqual(yield* reasonOf(fs.rename(at("empty"), at("file"), 0)), "NotDirectory")
      assert.strictEqual(yield* reasonOf(fs.rename(at("empty"), at("dir"), 0)), "NotEmpty")
      assert.strictEqual(yield* reasonOf(fs.rename(at("dir"), at("in", directory), 0)), "InvalidArgument")
      assert.strictEqual(yield* reasonOf(fs.rename(at("file"), at("other"), 1)), "Exists")
      assert.strictEqual(yield* reasonOf(fs.rename(at("file"), at("none"), 2)), "NotFound")
      assert.strictEqual(yield* reasonOf(fs.rename(at("file"), at("x"), 4)), "InvalidArgument")
      assert.strictEqual(yield* reasonOf(fs.rename(at("file"), at("x"), 3)), "InvalidArgument")
      assert.strictEqual(yield* reasonOf(fs.rename(at("file"), at("a|b"), 0)), "NameInvalid")
      assert.strictEqual(yield* reasonOf(fs.rename(at("file"), at("tmp.local"), 2)), "NotFound")
      const file = (yield* found(fs.lookup(rootIno, "file"))).item.ino
      assert.strictEqual(yield* fs.rename(at("file"), at("file"), 0), file)
      assert.strictEqual(yield* fs.rename(at("file"), at("other"), 0), file)
      assert.strictEqual((yield* found(fs.lookup(rootIno, "other"))).item.ino, file)
      assert.strictEqual(yield* fs.rename(at("other"), at("dir"), 2), file)
      assert.strictEqual((yield* found(fs.lookup(rootIno, "dir"))).item.ino, file)
      yield* fs.rename(at("empty"), at("sub", directory), 0)
      assert.deepStrictEqual((yield* names(rootIno)).sort(), ["dir", "other"])
    })
  )

  test(
    "disappear by the call that fits them, and not with children",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer()
      const directory = (yield* fs.mkdir(rootIno, "dir", 0o755)).item.ino
      yield* fs.mknod(directory, "file", 0o644)
      assert.strictEqual(yield* reasonOf(fs.unlink(rootIno, "dir")), "IsDirectory")
      assert.strictEqual(yield* reasonOf(fs.rmdir(directory, "file")), "NotDirectory")
      assert.strictEqual(yield* reasonOf(fs.rmdir(rootIno, "dir")), "NotEmpty")
      assert.strictEqual((yield* fs.stat(directory)).nlink, 2)
      yield* fs.mkdir(directory, "sub", 0o755)
      assert.strictEqual((yield* fs.stat(directory)).nlink, 3)
      yield* fs.rmdir(directory, "sub")
      yield* fs.unlink(directory, "file")
      yield* fs.rmdir(rootIno, "dir")
      assert.strictEqual(yield* fs.lookup(rootIno, "dir"), undefined)
      assert.strictEqual(yield* reasonOf(fs.create(directory, "x", 0o644)), "Stale")
      assert.strictEqual(yield* reasonOf(fs.stat(Ino(999))), "Stale")
    })
  )

  test(
    "of the web (packages, vaults) are listed, empty and unchangeable",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer(remote("Notebook", { kind: "other" }))
      const notebook = yield* found(fs.lookup(rootIno, "Notebook"))
      assert.strictEqual(notebook.mode, 0o040555)
      assert.deepStrictEqual(yield* names(notebook.item.ino), [])
      assert.strictEqual(yield* fs.lookup(notebook.item.ino, "x"), undefined)
      assert.strictEqual(yield* reasonOf(fs.open(notebook.item.ino, false)), "AccessDenied")
      assert.strictEqual(yield* reasonOf(fs.create(notebook.item.ino, "x", 0o644)), "AccessDenied")
      assert.strictEqual(yield* reasonOf(fs.rmdir(rootIno, "Notebook")), "NotPermitted")
      assert.strictEqual(yield* reasonOf(fs.setattr(notebook.item.ino, { mode: 0o700 })), "NotPermitted")
      const away = fs.rename({ parent: rootIno, name: "Notebook" }, { parent: rootIno, name: "x" }, 0)
      assert.strictEqual(yield* reasonOf(away), "NotPermitted")
    })
  )
})

describe("Filesystem: open files", () => {
  test(
    "are in the journal after close, with their size and time live before",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer()
      const { stat, content } = yield* fs.create(rootIno, "new", 0o644)
      const { ino } = stat.item
      assert.strictEqual(stat.mode, 0o100644)
      yield* write(content, 0, "hello")
      assert.strictEqual((yield* fs.stat(ino)).size, 5)
      yield* fs.flush(ino, content)
      assert.strictEqual((yield* Tree).get(ino)?.size, 5)
      assert.include(yield* kinds(ino), "create")
      yield* fs.fsync(ino, content)
      yield* fs.fsyncDirectory(rootIno)
      yield* fs.release(ino, content, true)
      const again = yield* fs.open(ino, false)
      assert.strictEqual(yield* read(again.content, 10), "hello")
      yield* fs.release(ino, again.content, false)
    })
  )

  test(
    "outlive their name until the last release, then are forgotten",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      const tree = yield* Tree
      yield* atServer()
      const { stat, content } = yield* fs.create(rootIno, "gone", 0o644)
      const { ino } = stat.item
      const second = yield* fs.open(ino, false)
      yield* write(content, 0, "still")
      yield* fs.unlink(rootIno, "gone")
      assert.strictEqual(yield* fs.lookup(rootIno, "gone"), undefined)
      assert.strictEqual((yield* fs.stat(ino)).nlink, 0)
      yield* write(content, 5, " here")
      yield* fs.setattr(ino, { size: 8 })
      yield* fs.flush(ino, content)
      assert.strictEqual(yield* read(second.content, 20), "still he")
      assert.strictEqual((yield* fs.stat(ino)).size, 8)
      yield* fs.release(ino, content, true)
      assert.isDefined(tree.get(ino))
      yield* fs.release(ino, second.content, false)
      assert.isUndefined(tree.get(ino))
      assert.strictEqual(tree.summary().intents, 0)
    })
  )

  test(
    "are replaced by a rename without noticing",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer()
      const old = yield* fs.create(rootIno, "target", 0o644)
      yield* write(old.content, 0, "old")
      const fresh = yield* fs.create(rootIno, "temporary", 0o644)
      yield* write(fresh.content, 0, "fresh")
      yield* fs.flush(fresh.stat.item.ino, fresh.content)
      yield* fs.rename({ parent: rootIno, name: "temporary" }, { parent: rootIno, name: "target" }, 0)
      assert.strictEqual((yield* found(fs.lookup(rootIno, "target"))).item.ino, fresh.stat.item.ino)
      assert.strictEqual(yield* read(old.content, 10), "old")
      assert.strictEqual(yield* read(fresh.content, 10), "fresh")
      yield* fs.release(old.stat.item.ino, old.content, true)
      yield* fs.release(fresh.stat.item.ino, fresh.content, true)
      assert.isUndefined((yield* Tree).get(old.stat.item.ino))
    })
  )
})

describe("Filesystem: attributes", () => {
  test(
    "change where they can be kept, and are refused where not",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer(remote("a"))
      const { ino } = (yield* found(fs.lookup(rootIno, "a"))).item
      assert.strictEqual((yield* fs.setattr(ino, { mode: 0o100755 })).mode, 0o100755)
      assert.deepStrictEqual(yield* kinds(ino), [])
      assert.strictEqual(yield* reasonOf(fs.setattr(ino, { uid: 1000, gid: 1000 })), "ok")
      assert.strictEqual(yield* reasonOf(fs.setattr(ino, { uid: 0 })), "NotPermitted")
      const times = { mtime: { sec: 5, nsec: 6 }, atime: { sec: 7, nsec: 8 } }
      assert.deepInclude(yield* fs.setattr(ino, times), times)
      assert.deepStrictEqual(yield* kinds(ino), ["times"])
      assert.strictEqual(yield* reasonOf(fs.setattr(rootIno, { size: 0 })), "IsDirectory")
      assert.strictEqual(yield* reasonOf(fs.setattr(ino, { size: 2 ** 50 })), "FileTooLarge")
    })
  )

  test(
    "show the mount's permissions until somebody here asks for others, the mount's own included",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer(remote("a"), remote("d", { kind: "folder" }))
      const [file, folder] = [yield* found(fs.lookup(rootIno, "a")), yield* found(fs.lookup(rootIno, "d"))]
      assert.deepStrictEqual([file.mode, folder.mode], [0o100640, 0o040750])
      assert.strictEqual((yield* fs.setattr(file.item.ino, { mode: 0o644 })).mode, 0o100644)
      assert.strictEqual((yield* fs.setattr(folder.item.ino, { mode: 0o755 })).mode, 0o040755)
      assert.strictEqual((yield* fs.mkdir(rootIno, "made", 0o755)).mode, 0o040755)
    })
  )

  test(
    "of a removed file that is open can be set, too",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer(remote("a"))
      const { stat, content } = yield* fs.open((yield* found(fs.lookup(rootIno, "a"))).item.ino, true)
      yield* fs.unlink(rootIno, "a")
      const mtime = { sec: 5, nsec: 6 }
      assert.deepInclude(yield* fs.setattr(stat.item.ino, { mtime, mode: 0o600 }), { mtime, mode: 0o100600 })
      assert.deepStrictEqual(yield* kinds(stat.item.ino), ["delete"])
      yield* fs.release(stat.item.ino, content, true)
    })
  )

  test(
    "move the change time whatever is set",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer(remote("a"))
      const { ino } = (yield* found(fs.lookup(rootIno, "a"))).item
      const value = Buffer.from("v")
      const changes: ReadonlyArray<Effect.Effect<unknown, FsError>> = [
        fs.setattr(ino, { mode: 0o600 }),
        fs.setattr(ino, { uid: 1000 }),
        fs.setattr(ino, {}),
        fs.setattr(ino, { atime: { sec: 1, nsec: 0 } }),
        fs.setattr(ino, { mtime: { sec: 1, nsec: 0 } }),
        fs.setXattr(ino, "user.x", value, 0),
        fs.removeXattr(ino, "user.x")
      ]
      for (const [index, change] of changes.entries()) {
        yield* TestClock.adjust("1 second")
        yield* change
        assert.strictEqual((yield* fs.stat(ino)).ctime.sec, index + 1)
      }
    })
  )

  test(
    "truncate a ghost without a download, on record when nobody writes it",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer(remote("ghost"), remote("same"))
      const { ino } = (yield* found(fs.lookup(rootIno, "ghost"))).item
      assert.strictEqual((yield* fs.setattr(ino, { size: 10 })).size, 10)
      assert.deepStrictEqual(yield* kinds(ino), ["content"])
      assert.strictEqual((yield* Tree).get(ino)?.size, 10)
      const same = (yield* found(fs.lookup(rootIno, "same"))).item.ino
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* fs.setattr(same, { size: 1000 })).mtime.sec, 5)
      assert.deepStrictEqual(yield* kinds(same), ["times"])
      const opened = yield* fs.open(same, true)
      yield* fs.setattr(same, { size: 0 })
      assert.deepStrictEqual(yield* kinds(same), ["times"], "the writer's close records it")
      yield* fs.flush(same, opened.content)
      assert.include(yield* kinds(same), "content")
      yield* fs.release(same, opened.content, true)
    })
  )

  test(
    "of people are kept, the mount's own are read-only, the kernel's not supported",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer(remote("a"))
      const { ino } = (yield* found(fs.lookup(rootIno, "a"))).item
      const text = (name: string) => Effect.map(fs.getXattr(ino, name), (bytes) => Buffer.from(bytes).toString())
      assert.strictEqual(yield* text("user.onemount.state"), "GHOST")
      assert.strictEqual(yield* text("user.onemount.id"), "id-a")
      assert.strictEqual(yield* reasonOf(text("user.onemount.error")), "NoAttribute")
      const set = (name: string, flags = 0, value = "v") => reasonOf(fs.setXattr(ino, name, Buffer.from(value), flags))
      assert.strictEqual(yield* set("user.x", 2), "NoAttribute")
      assert.strictEqual(yield* set("user.x", 1), "ok")
      assert.strictEqual(yield* set("user.x", 1), "Exists")
      assert.strictEqual(yield* set("user.x", 2, "w"), "ok")
      assert.strictEqual(yield* text("user.x"), "w")
      assert.strictEqual(yield* set("user.big", 0, "x".repeat(65_537)), "NoSpace")
      assert.strictEqual(yield* set("user.onemount.id"), "NotPermitted")
      assert.strictEqual(yield* set("security.selinux"), "NotSupported")
      assert.strictEqual(yield* reasonOf(text("system.posix_acl_access")), "NotSupported")
      assert.strictEqual(yield* set("user."), "InvalidArgument")
      assert.strictEqual(yield* reasonOf(text("user.")), "InvalidArgument")
      assert.deepStrictEqual(yield* fs.listXattrs(ino), ["user.x"], "copies would take the mount's own along")
      assert.strictEqual(yield* reasonOf(fs.removeXattr(ino, "user.x")), "ok")
      assert.strictEqual(yield* reasonOf(fs.removeXattr(ino, "user.x")), "NoAttribute")
    })
  )

  test(
    "of the filesystem are the drive's quota, or room enough before it is known",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      const cloud = yield* Cloud
      yield* atServer(remote("a"))
      yield* names(rootIno)
      assert.deepStrictEqual(yield* fs.statfs, { total: 1024 ** 4, free: 1024 ** 4, files: 1 })
      cloud.quota = { total: 5000, used: 6000, remaining: -1000 }
      assert.deepStrictEqual(yield* fs.statfs, { total: 5000, free: 0, files: 1 })
    })
  )

  test(
    "page through a directory in a stable order",
    Effect.gen(function* () {
      const fs = yield* Filesystem
      yield* atServer()
      for (let index = 0; index < 25; index++) yield* fs.mknod(rootIno, `f${index}`, 0o644)
      const seen: Array<string> = []
      let after = 0
      for (;;) {
        const page = yield* fs.readdir(rootIno, after, 10)
        if (page.length === 0) break
        seen.push(...page.map((stat) => stat.item.name))
        after = page.at(-1)?.item.ino ?? after
        if (seen.length === 10) {
          yield* fs.unlink(rootIno, "f3")
          yield* fs.unlink(rootIno, "f20")
        }
      }
      assert.strictEqual(new Set(seen).size, seen.length)
      assert.strictEqual(seen.length, 24)
    })
  )
})

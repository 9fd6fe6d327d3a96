/** Both sides changed: nothing is lost, identical is no conflict, an edit beats a delete. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { DriveAdmin, Faults, RequestLog } from "../../src/graph-server/GraphServer.ts"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { baseLostReason } from "../../src/sync/contents.ts"
import { Sync } from "../../src/sync/Sync.ts"
import { rootIno } from "../../src/tree/Item.ts"
import { Tree } from "../../src/tree/Tree.ts"
import {
  atServer,
  device,
  drive,
  exists,
  here,
  itemAt,
  mkdir,
  onDevice,
  passing,
  patch,
  poll,
  readText,
  remove,
  rename,
  settle,
  temporaryDirectory,
  textAtServer,
  write
} from "./device.ts"
import { layerClient } from "../transfer/memory.ts"

const isCopy = (path: string): boolean => / \(conflict .+ \d{4}-\d\d-\d\d \d{4}\)/.test(path)

describe("conflicts", () => {
  it.effect("edited on both sides: both are kept", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        const { id } = yield* admin.putFile("/doc.txt", "base")
        yield* poll
        yield* admin.replace("/doc.txt", "theirs")
        yield* write("/doc.txt", "mine")
        yield* settle
        yield* settle
        const paths = yield* atServer
        const copy = paths.find(isCopy) ?? ""
        assert.strictEqual(paths.length, 2)
        assert.match(copy, /^\/doc \(conflict .*\)\.txt$/)
        assert.strictEqual(yield* textAtServer(copy), "mine")
        assert.strictEqual(yield* textAtServer("/doc.txt"), "theirs")
        assert.strictEqual((yield* admin.stat("/doc.txt")).id, id)
        assert.strictEqual(yield* passing(readText("/doc.txt")), "theirs")
        assert.deepStrictEqual(yield* here, paths)
      })
    )
  )

  it.effect("edited alike on both sides is no conflict", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.putFile("/doc.txt", "base")
        yield* poll
        yield* admin.replace("/doc.txt", "same")
        yield* write("/doc.txt", "same")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/doc.txt"])
        assert.deepStrictEqual(yield* here, ["/doc.txt"])
        assert.strictEqual((yield* Tree).summary().intents, 0)
      })
    )
  )

  it.effect("created on both sides: both are kept", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        yield* (yield* DriveAdmin).putFile("/new.txt", "theirs")
        yield* write("/new.txt", "mine")
        yield* settle
        yield* settle
        const paths = yield* atServer
        assert.strictEqual(paths.length, 2)
        const texts = yield* Effect.forEach(paths, textAtServer)
        assert.deepStrictEqual(texts.toSorted(), ["mine", "theirs"])
        assert.deepStrictEqual(yield* here, paths)
      })
    )
  )

  it.effect("created on both sides, and theirs seen before ours was sent: both are kept, alike ones are one", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const admin = yield* DriveAdmin
        yield* admin.putFile("/new.txt", "theirs")
        const { id } = yield* admin.putFile("/same.txt", "same")
        yield* write("/new.txt", "mine")
        yield* write("/same.txt", "same")
        yield* poll
        yield* settle
        yield* settle
        const paths = yield* atServer
        assert.strictEqual(paths.length, 3)
        const texts = yield* Effect.forEach(paths, textAtServer)
        assert.deepStrictEqual(texts.toSorted(), ["mine", "same", "theirs"])
        assert.strictEqual(yield* textAtServer("/new.txt"), "theirs")
        assert.strictEqual((yield* admin.stat("/same.txt")).id, id)
        assert.deepStrictEqual(yield* here, paths)
      })
    )
  )

  it.effect("created on both sides and removed here: what nobody saw here stays", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        yield* (yield* DriveAdmin).putFile("/new.txt", "theirs")
        yield* write("/new.txt", "mine")
        yield* poll
        yield* remove("/new.txt")
        yield* settle
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/new.txt"])
        assert.strictEqual(yield* textAtServer("/new.txt"), "theirs")
        assert.deepStrictEqual(yield* here, ["/new.txt"])
      })
    )
  )

  it.effect("edited through a handle on an older version: both are kept", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.putFile("/doc.txt", "base")
        yield* poll
        const content = yield* ContentStore
        const { ino } = yield* itemAt("/doc.txt")
        const opened = yield* content.open(ino)
        yield* passing(readText("/doc.txt"))
        yield* admin.replace("/doc.txt", "theirs")
        yield* poll
        yield* Effect.promise(() => content.table.write(opened.content, 0, new TextEncoder().encode("mine")))
        yield* content.commit(opened.content)
        yield* content.release(opened.content)
        yield* settle
        yield* settle
        const paths = yield* atServer
        assert.strictEqual(paths.length, 2)
        assert.strictEqual(yield* textAtServer("/doc.txt"), "theirs")
        assert.strictEqual(yield* textAtServer(paths.find(isCopy) ?? ""), "mine")
        assert.deepStrictEqual(yield* here, paths)
      })
    )
  )

  it.effect("a folder created on both sides is one folder", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const admin = yield* DriveAdmin
        yield* admin.createFolder("/dir")
        yield* admin.putFile("/dir/theirs", "t")
        yield* mkdir("/dir")
        yield* write("/dir/mine", "m")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/dir/", "/dir/mine", "/dir/theirs"])
        assert.deepStrictEqual(yield* here, ["/dir/", "/dir/mine", "/dir/theirs"])
      })
    )
  )

  it.effect("edited here, deleted there: it is created again", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.putFile("/doc.txt", "base")
        yield* poll
        yield* admin.delete("/doc.txt")
        yield* write("/doc.txt", "mine")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/doc.txt"])
        assert.strictEqual(yield* textAtServer("/doc.txt"), "mine")
      })
    )
  )

  for (const [place, renamed] of [
    ["in its place", "/doc.txt"],
    ["and renamed", "/renamed.txt"]
  ] as const) {
    it.effect(`edited in part here ${place}, deleted there: it waits for a person to save it completely`, () =>
      onDevice(
        Effect.gen(function* () {
          const admin = yield* DriveAdmin
          yield* admin.putFile("/doc.txt", "base, never read here")
          yield* poll
          yield* patch("/doc.txt", 0, "mine")
          if (renamed !== "/doc.txt") yield* rename("/doc.txt", renamed)
          yield* admin.delete("/doc.txt")
          yield* poll
          const left = yield* passing((yield* Sync).flush(rootIno, 60_000))
          assert.deepStrictEqual(new Set(left.map(({ path }) => path)), new Set([renamed]))
          assert.strictEqual(left[0]?.reason, baseLostReason)
          assert.deepStrictEqual(yield* atServer, [])
          yield* write(renamed, "whole again")
          yield* settle
          assert.strictEqual(yield* textAtServer(renamed), "whole again")
        })
      )
    )
  }

  it.effect("a folder moved into a new one of its name here, deleted there: both are created", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.createFolder("/b")
        yield* poll
        yield* admin.delete("/b")
        yield* mkdir("/new")
        yield* rename("/b", "/new/b")
        yield* rename("/new", "/b")
        yield* write("/b/b/file", "mine")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/b/", "/b/b/", "/b/b/file"])
        assert.deepStrictEqual(yield* here, ["/b/", "/b/b/", "/b/b/file"])
      })
    )
  )

  it.effect("deleted here, edited there: it comes back", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.putFile("/doc.txt", "base")
        yield* poll
        yield* admin.replace("/doc.txt", "theirs")
        yield* remove("/doc.txt")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/doc.txt"])
        assert.strictEqual(yield* passing(readText("/doc.txt")), "theirs")
      })
    )
  )

  it.effect("deleted here, only renamed there: it is deleted", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.putFile("/doc.txt", "base")
        yield* poll
        yield* admin.rename("/doc.txt", "other.txt")
        yield* remove("/doc.txt")
        yield* settle
        assert.deepStrictEqual(yield* atServer, [])
        assert.deepStrictEqual(yield* here, [])
      })
    )
  )

  it.effect("renamed here, edited there: both hold", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.putFile("/a", "base")
        yield* poll
        assert.strictEqual(yield* passing(readText("/a")), "base")
        yield* admin.replace("/a", "theirs")
        yield* rename("/a", "/b")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/b"])
        assert.strictEqual(yield* passing(readText("/b")), "theirs")
      })
    )
  )

  it.effect("renamed here, deleted there: it goes, nothing was edited", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.putFile("/a", "base")
        yield* poll
        yield* admin.delete("/a")
        yield* rename("/a", "/b")
        yield* settle
        assert.deepStrictEqual(yield* atServer, [])
        assert.isFalse(yield* exists("/b"))
      })
    )
  )

  it.effect("renamed to a name another client took: another name here", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        const { id } = yield* admin.putFile("/a", "mine")
        yield* poll
        yield* admin.putFile("/b", "theirs")
        yield* rename("/a", "/b")
        yield* settle
        yield* settle
        const copy = (yield* atServer).find(isCopy) ?? ""
        assert.strictEqual((yield* admin.stat(copy)).id, id)
        assert.strictEqual(yield* textAtServer("/b"), "theirs")
        assert.deepStrictEqual(yield* here, yield* atServer)
      })
    )
  )

  it.effect("a second edit after an upload with a lost reply is no conflict with oneself", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        const faults = yield* Faults
        yield* admin.putFile("/x", "base")
        yield* poll
        const lost = yield* faults.inject({ method: "PUT", action: { _tag: "DropReply" } })
        yield* write("/x", "first")
        yield* passing(lost.firstHit)
        yield* faults.inject({ times: 20, action: { _tag: "Refuse" } })
        yield* write("/x", "second")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/x"])
        assert.strictEqual(yield* textAtServer("/x"), "second")
      })
    )
  )

  it.effect("a server that rewrites documents is right, without a conflict or a second upload", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const test = Effect.gen(function* () {
        yield* poll
        yield* write("/doc.txt", "as sent")
        yield* settle
        assert.deepStrictEqual(yield* here, ["/doc.txt"])
        assert.strictEqual(yield* passing(readText("/doc.txt")), "as the server likes it")
        assert.strictEqual((yield* itemAt("/doc.txt")).size, 22)
        yield* settle
        assert.strictEqual(yield* (yield* RequestLog).count("PUT"), 1)
      })
      yield* Effect.provide(test, device(directory, rewriting))
    }).pipe(Effect.provide(drive()))
  )
})

/** SharePoint adds properties to office documents as they arrive, and answers with what it made of them. */
const rewriting = Layer.effect(
  GraphClient,
  Effect.gen(function* () {
    const graph = yield* GraphClient
    const admin = yield* DriveAdmin
    return GraphClient.of({
      ...graph,
      putContent: Effect.fnUntraced(function* (target, body) {
        const { id } = yield* graph.putContent(target, body)
        yield* Effect.orDie(admin.replace("/doc.txt", "as the server likes it"))
        return yield* graph.item(id)
      })
    })
  })
).pipe(Layer.provide(layerClient))

/** What another client does at the server is seen here, and only that. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { DriveAdmin, Faults, RequestLog } from "../../src/graph-server/GraphServer.ts"
import { Sync } from "../../src/sync/Sync.ts"
import { Tree } from "../../src/tree/Tree.ts"
import {
  atServer,
  eventually,
  exists,
  here,
  itemAt,
  onDevice,
  passing,
  poll,
  read,
  readText,
  settle,
  write
} from "./device.ts"

describe("remote changes", () => {
  it.effect("the first poll enumerates everything, content comes on demand", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.createFolder("/a")
        yield* admin.createFolder("/a/b")
        yield* admin.putFile("/a/b/c.txt", "hello")
        for (let i = 0; i < 30; i++) yield* admin.putFile(`/a/f${i}`, `${i}`)
        yield* poll
        assert.deepStrictEqual(yield* here, yield* atServer)
        assert.strictEqual((yield* itemAt("/a/b/c.txt")).content, null)
        assert.strictEqual(yield* passing(readText("/a/b/c.txt")), "hello")
        assert.isTrue((yield* Tree).isComplete((yield* itemAt("/a")).ino))
      })
    )
  )

  it.effect("create, replace, rename, move and delete are seen", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.createFolder("/dir")
        yield* admin.putFile("/one", "1")
        yield* admin.putFile("/two", "2")
        yield* poll
        assert.strictEqual(yield* passing(readText("/one")), "1")
        const { ino } = yield* itemAt("/two")
        yield* admin.replace("/one", "one")
        yield* admin.rename("/two", "deux")
        yield* admin.move("/deux", "/dir")
        yield* admin.putFile("/new", "n")
        yield* poll
        assert.deepStrictEqual(yield* here, ["/dir/", "/dir/deux", "/new", "/one"])
        assert.strictEqual((yield* itemAt("/dir/deux")).ino, ino)
        assert.strictEqual(yield* passing(readText("/one")), "one")
        yield* admin.delete("/dir")
        yield* poll
        assert.deepStrictEqual(yield* here, ["/new", "/one"])
      })
    )
  )

  it.effect("changes are seen without asking, within the interval", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        yield* (yield* DriveAdmin).putFile("/x", "x")
        yield* eventually(exists("/x"), { limit: 31_000 })
      })
    )
  )

  it.effect("410 enumerates again as a difference and keeps local edits", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.putFile("/stays", "s")
        yield* admin.putFile("/goes", "g")
        yield* poll
        yield* (yield* Faults).inject({ method: "PUT", times: 1000, action: { _tag: "Refuse" } })
        yield* write("/mine", "not sent yet")
        yield* admin.delete("/goes")
        yield* admin.expireDeltaTokens()
        yield* poll
        assert.deepStrictEqual(yield* here, ["/mine", "/stays"])
        yield* (yield* Faults).clear
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/mine", "/stays"])
      })
    )
  )

  it.effect("errors of a poll are told and say nothing about items", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        const sync = yield* Sync
        yield* admin.putFile("/x", "x")
        yield* poll
        yield* (yield* Faults).inject({ times: 100_000, action: { _tag: "Refuse" } })
        const error = yield* passing(Effect.flip(sync.poll))
        assert.strictEqual(error._tag, "GraphError")
        assert.strictEqual((yield* sync.status).health, "offline")
        assert.deepStrictEqual(yield* here, ["/x"])
        yield* (yield* Faults).clear
        yield* eventually(Effect.map(sync.status, ({ health }) => health === "online"))
      })
    )
  )

  it.effect("a large file read in small steps through the content table", () =>
    onDevice(
      Effect.gen(function* () {
        const bytes = Uint8Array.from({ length: 10 * 1024 * 1024 }, (_, i) => (i * 31 + (i >> 8) * 7) & 255)
        yield* (yield* DriveAdmin).putFile("/large", bytes)
        yield* poll
        yield* (yield* RequestLog).clear
        const content = yield* ContentStore
        const opened = yield* content.open((yield* itemAt("/large")).ino)
        const parts: Array<Uint8Array> = []
        for (let at = 0; at < bytes.length; at += 1024 * 1024) {
          parts.push(yield* passing(Effect.promise(() => content.table.read(opened.content, at, 1024 * 1024))))
        }
        yield* content.release(opened.content)
        assert.isTrue(Buffer.concat(parts).equals(bytes))
        assert.isAtMost(yield* (yield* RequestLog).count("GET", /^\/transfer\//), 5)
      })
    )
  )

  it.effect("a hydrated file read again makes no request", () =>
    onDevice(
      Effect.gen(function* () {
        yield* (yield* DriveAdmin).putFile("/x", "x".repeat(100_000))
        yield* poll
        yield* passing(read("/x"))
        yield* (yield* Faults).inject({ times: 1000, action: { _tag: "Refuse" } })
        assert.strictEqual((yield* read("/x")).length, 100_000)
      })
    )
  )
})

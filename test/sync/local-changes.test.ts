/** What is done here arrives at the server, with its identity. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, PubSub } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { Events } from "../../src/events/Events.ts"
import { DriveAdmin, Faults, RequestLog } from "../../src/graph-server/GraphServer.ts"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import { massDeleteReason } from "../../src/sync/brake.ts"
import { Sync } from "../../src/sync/Sync.ts"
import { rootIno } from "../../src/tree/Item.ts"
import { Tree } from "../../src/tree/Tree.ts"
import {
  atServer,
  create,
  device,
  drive,
  eventually,
  exists,
  here,
  itemAt,
  mkdir,
  onDevice,
  passing,
  patch,
  poll,
  remove,
  rename,
  settle,
  temporaryDirectory,
  textAtServer,
  write
} from "./device.ts"

describe("local changes", () => {
  it.effect("create, edit, rename, move and delete arrive", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* poll
        yield* mkdir("/dir")
        yield* write("/dir/a", "first")
        yield* write("/empty", "")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/dir/", "/dir/a", "/empty"])
        const { id } = yield* admin.stat("/dir/a")
        yield* write("/dir/a", "second")
        yield* rename("/dir/a", "/b")
        yield* settle
        assert.strictEqual(yield* textAtServer("/b"), "second")
        assert.strictEqual((yield* admin.stat("/b")).id, id)
        yield* remove("/b")
        yield* remove("/dir")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/empty"])
        assert.strictEqual((yield* Tree).summary().intents, 0)
      })
    )
  )

  it.effect("save by rename is a new version of the same item", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        const { id } = yield* admin.putFile("/doc.txt", "old")
        yield* poll
        yield* write("/doc.txt.tmp", "new")
        yield* rename("/doc.txt.tmp", "/doc.txt")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/doc.txt"])
        assert.strictEqual((yield* admin.stat("/doc.txt")).id, id)
        assert.strictEqual(yield* textAtServer("/doc.txt"), "new")
      })
    )
  )

  it.effect("the time of a file survives a simple upload", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        yield* passing(Effect.sleep(300_000))
        yield* write("/x", "x")
        const { mtime } = yield* itemAt("/x")
        yield* passing(Effect.sleep(60_000))
        yield* settle
        assert.strictEqual(Math.floor((yield* (yield* DriveAdmin).stat("/x")).modified / 1000), mtime.sec)
      })
    )
  )

  it.effect("an edit in the middle of a ghost fetches the rest first", () =>
    onDevice(
      Effect.gen(function* () {
        yield* (yield* DriveAdmin).putFile("/x", "a".repeat(1000))
        yield* poll
        yield* patch("/x", 500, "B")
        yield* settle
        assert.strictEqual(yield* textAtServer("/x"), `${"a".repeat(500)}B${"a".repeat(499)}`)
      })
    )
  )

  it.effect("two files swap their names", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        const { id: a } = yield* admin.putFile("/a", "A")
        const { id: b } = yield* admin.putFile("/b", "B")
        yield* poll
        yield* rename("/a", "/t")
        yield* rename("/b", "/a")
        yield* rename("/t", "/b")
        yield* settle
        assert.strictEqual((yield* admin.stat("/a")).id, b)
        assert.strictEqual((yield* admin.stat("/b")).id, a)
        assert.deepStrictEqual(yield* atServer, ["/a", "/b"])
      })
    )
  )

  it.effect("a folder and the folder in it change places", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        const { id: outer } = yield* admin.createFolder("/x")
        const { id: inner } = yield* admin.createFolder("/x/y")
        yield* poll
        yield* rename("/x/y", "/t")
        yield* rename("/x", "/t/y")
        yield* rename("/t", "/x")
        yield* settle
        assert.strictEqual((yield* admin.stat("/x")).id, inner)
        assert.strictEqual((yield* admin.stat("/x/y")).id, outer)
      })
    )
  )

  it.effect("a folder gives its name to what was in it", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        for (const path of ["/a", "/b", "/b/sub", "/c"]) yield* admin.createFolder(path)
        const ids = yield* Effect.forEach(["/a/file", "/b/sub/file", "/c/file"], (path) => admin.putFile(path, path))
        yield* poll
        // mv a/file x; rmdir a; mv x a
        yield* rename("/a/file", "/x")
        yield* remove("/a")
        yield* rename("/x", "/a")
        // The same from further below.
        yield* rename("/b/sub/file", "/x")
        yield* remove("/b/sub")
        yield* remove("/b")
        yield* rename("/x", "/b")
        // mv c old; mkdir c; mv old/file c; rmdir old
        yield* rename("/c", "/old")
        yield* mkdir("/c")
        yield* rename("/old/file", "/c/file")
        yield* remove("/old")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/a", "/b", "/c/", "/c/file"])
        assert.deepStrictEqual(yield* here, ["/a", "/b", "/c/", "/c/file"])
        const now = yield* Effect.forEach(["/a", "/b", "/c/file"], (path) => admin.stat(path))
        assert.deepStrictEqual(
          now.map(({ id }) => id),
          ids.map(({ id }) => id)
        )
      })
    )
  )

  it.effect("a rename of the case only", () =>
    onDevice(
      Effect.gen(function* () {
        yield* (yield* DriveAdmin).putFile("/readme", "r")
        yield* poll
        yield* rename("/readme", "/README")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/README"])
      })
    )
  )

  it.effect("a deep tree made while offline arrives on return, once", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const faults = yield* Faults
        yield* faults.inject({ times: 100_000, action: { _tag: "Refuse" } })
        let path = ""
        for (let depth = 0; depth < 8; depth++) {
          path += `/d${depth}`
          yield* mkdir(path)
          yield* write(`${path}/f`, `at ${depth}`)
        }
        yield* passing(Effect.sleep(120_000))
        assert.deepStrictEqual(yield* atServer, [])
        yield* faults.clear
        yield* settle
        assert.deepStrictEqual(yield* atServer, yield* here)
        assert.strictEqual(yield* textAtServer(`${path}/f`), "at 7")
      })
    )
  )

  it.effect("rm -rf of a known tree", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.createFolder("/t")
        yield* admin.createFolder("/t/s")
        for (let i = 0; i < 20; i++) yield* admin.putFile(`/t/s/${i}`, `${i}`)
        yield* admin.putFile("/keep", "k")
        yield* poll
        for (let i = 0; i < 20; i++) yield* remove(`/t/s/${i}`)
        yield* remove("/t/s")
        yield* remove("/t")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/keep"])
      })
    )
  )

  it.effect("a folder that got a stranger's file is not deleted", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.createFolder("/t")
        yield* poll
        yield* admin.putFile("/t/theirs", "t")
        yield* remove("/t")
        yield* passing((yield* Sync).flush(rootIno, 60_000))
        yield* poll
        assert.deepStrictEqual(yield* atServer, ["/t/", "/t/theirs"])
        assert.deepStrictEqual(yield* here, ["/t/", "/t/theirs"])
      })
    )
  )

  it.effect("very many deletes wait for a yes", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        const sync = yield* Sync
        const told = yield* (yield* Events).subscribe
        const pauses = Effect.map(PubSub.takeUpTo(told, 10_000), (all) =>
          all.flatMap((event) => (event._tag === "IntentParked" ? [event.name] : []))
        )
        for (let i = 0; i < 120; i++) yield* admin.putFile(`/f${i}`, `${i}`)
        yield* poll
        for (let i = 0; i < 110; i++) yield* remove(`/f${i}`)
        const left = yield* passing(sync.flush(rootIno, 60_000))
        assert.strictEqual(left.length, 110)
        assert.match(left[0]?.reason ?? "", /deletions at once wait for confirmation: .*--allow-deletes/)
        assert.deepStrictEqual((yield* Tree).parkedReasons(), [{ reason: massDeleteReason, count: 110 }])
        assert.strictEqual((yield* atServer).length, 120)
        assert.deepStrictEqual(yield* pauses, ["110 items"])
        yield* sync.allowDeletes
        yield* settle
        assert.strictEqual((yield* atServer).length, 10)
        // The yes was for those.
        for (let i = 0; i < 120; i++) yield* admin.putFile(`/g${i}`, `${i}`)
        yield* poll
        for (let i = 0; i < 120; i++) yield* remove(`/g${i}`)
        assert.strictEqual((yield* passing(sync.flush(rootIno, 60_000))).length, 120)
        assert.deepStrictEqual(yield* pauses, ["120 items"])
      })
    )
  )

  it.effect("an edit during the upload ends with the newest content", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const hang = yield* (yield* Faults).inject({ method: "PUT", action: { _tag: "Hang" } })
        yield* write("/x", "first")
        yield* passing(hang.firstHit)
        yield* write("/x", "second")
        yield* hang.release
        yield* settle
        assert.strictEqual(yield* textAtServer("/x"), "second")
        assert.deepStrictEqual(yield* atServer, ["/x"])
      })
    )
  )

  it.effect("a file that is renamed or deleted during its upload ends where it belongs", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const hang = yield* (yield* Faults).inject({ method: "PUT", times: 2, action: { _tag: "Hang" } })
        yield* mkdir("/dir")
        yield* write("/renamed", "r")
        yield* write("/deleted", "d")
        yield* eventually(Effect.map(hang.hits, (hits) => hits === 2))
        yield* rename("/renamed", "/dir/there")
        yield* remove("/deleted")
        yield* hang.release
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/dir/", "/dir/there"])
        assert.deepStrictEqual(yield* here, ["/dir/", "/dir/there"])
      })
    )
  )

  it.effect("a folder is deleted after what is just being created in it, which is nobody else's", () =>
    onDevice(
      Effect.gen(function* () {
        yield* mkdir("/dir")
        yield* settle
        const hang = yield* (yield* Faults).inject({ method: "PUT", action: { _tag: "Hang" } })
        yield* write("/dir/file", "sent")
        yield* passing(hang.firstHit)
        yield* remove("/dir/file")
        yield* remove("/dir")
        const sync = yield* Sync
        const [left] = yield* passing(sync.flush(rootIno, 10_000))
        assert.match(left?.reason ?? "", /waits until what was in the folder has arrived/)
        assert.deepStrictEqual(yield* atServer, ["/dir/"])
        yield* hang.release
        yield* settle
        assert.deepStrictEqual([yield* atServer, yield* here], [[], []])
      })
    )
  )

  it.effect("a move into a folder that is gone at the server loses nothing", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.createFolder("/dir")
        yield* admin.putFile("/file", "f")
        yield* poll
        yield* admin.delete("/dir")
        yield* rename("/file", "/dir/file")
        yield* settle
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/dir/", "/dir/file"])
        assert.deepStrictEqual(yield* here, ["/dir/", "/dir/file"])
      })
    )
  )

  it.effect("lost replies are looked up, nothing is done twice", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.putFile("/gone", "g")
        yield* admin.putFile("/moved", "m")
        yield* poll
        const faults = yield* Faults
        for (const method of ["POST", "PUT", "PATCH", "DELETE"])
          yield* faults.inject({ method, action: { _tag: "DropReply" } })
        yield* mkdir("/dir")
        yield* write("/file", "f")
        yield* rename("/moved", "/dir/moved")
        yield* remove("/gone")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/dir/", "/dir/moved", "/file"])
        assert.deepStrictEqual(yield* here, ["/dir/", "/dir/moved", "/file"])
      })
    )
  )

  it.effect("429 is waited for", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const headers = { "retry-after": "40" }
        yield* (yield* Faults).inject({ method: "PUT", times: 2, action: { _tag: "Respond", status: 429, headers } })
        yield* write("/x", "x")
        yield* settle
        assert.strictEqual(yield* textAtServer("/x"), "x")
      })
    )
  )

  it.effect("a full drive parks the change and sends it when there is room", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        const sync = yield* Sync
        yield* poll
        yield* admin.setQuota(10)
        yield* write("/x", "more than ten bytes")
        const left = yield* passing(sync.flush(rootIno, 60_000))
        assert.match(left[0]?.reason ?? "", /the drive is full/)
        yield* admin.setQuota(1_000_000)
        yield* eventually(
          Effect.map(atServer, (paths) => paths.length === 1),
          { limit: 7_200_000, step: 30_000 }
        )
      })
    )
  )

  it.effect("a large upload goes on where it was after a restart", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const bytes = Uint8Array.from({ length: 25 * 1024 * 1024 }, (_, i) => (i * 31 + (i >> 8) * 7) & 255)
      const faults = yield* Faults
      const first = Effect.gen(function* () {
        yield* poll
        const hang = yield* faults.inject({ method: "PUT", matches: secondFragment(), action: { _tag: "Hang" } })
        yield* write("/large.bin", bytes)
        yield* passing(hang.firstHit)
        assert.isDefined((yield* Tree).upload((yield* itemAt("/large.bin")).ino))
      })
      yield* Effect.provide(Effect.scoped(first), device(directory), { local: true })
      yield* faults.clear
      yield* (yield* RequestLog).clear
      yield* Effect.provide(Effect.scoped(settle), device(directory), { local: true })
      const stat = yield* (yield* DriveAdmin).stat("/large.bin")
      assert.strictEqual(stat.size, bytes.length)
      const sent = (yield* (yield* RequestLog).entries).reduce((sum, { received }) => sum + received, 0)
      assert.isBelow(sent, 16 * 1024 * 1024)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("the lost reply of a last fragment is looked up", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const bytes = Buffer.alloc(12 * 1024 * 1024, "large ")
        yield* (yield* Faults).inject({ method: "PUT", matches: secondFragment(), action: { _tag: "DropReply" } })
        yield* write("/large.bin", bytes)
        yield* settle
        assert.strictEqual((yield* (yield* DriveAdmin).stat("/large.bin")).hash, quickXorHash(bytes))
        assert.strictEqual(yield* (yield* RequestLog).count("POST", /createUploadSession/), 1)
        assert.deepStrictEqual(yield* here, ["/large.bin"])
      })
    )
  )

  it.effect("a name the server refuses is parked with a reason, the rest goes on", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const answer = { error: { code: "invalidRequest", message: "The name is not valid." } }
        const action = { _tag: "Respond", status: 400, body: answer } as const
        yield* (yield* Faults).inject({ matches: /bad/, times: 100, action })
        yield* write("/bad", "b")
        yield* write("/good", "g")
        const left = yield* passing((yield* Sync).flush(rootIno, 60_000))
        assert.include(left[0]?.reason, "rename the item to try again")
        assert.deepStrictEqual(yield* atServer, ["/good"])
        yield* rename("/bad", "/better")
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/better", "/good"])
      })
    )
  )

  it.effect("what waits for a person is looked at ever more rarely", () =>
    onDevice(
      Effect.gen(function* () {
        const admin = yield* DriveAdmin
        yield* admin.createFolder("/dir")
        yield* admin.putFile("/dir/file", "f")
        yield* poll
        yield* (yield* Faults).inject({ method: "PATCH", times: 1_000, action: { _tag: "Respond", status: 400 } })
        yield* rename("/dir/file", "/refused")
        yield* remove("/dir")
        yield* passing(Effect.sleep(600_000), { limit: 700_000, step: 5_000 })
        assert.isBelow(yield* (yield* RequestLog).count("GET"), 150)
        assert.deepStrictEqual(yield* atServer, ["/dir/", "/dir/file"])
        assert.deepStrictEqual(yield* here, ["/refused"])
      })
    )
  )

  it.effect("what is only open for writing does not hold up a flush", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const content = yield* ContentStore
        const { ino } = yield* create("/open", "file")
        const opened = yield* content.open(ino)
        yield* Effect.promise(() => content.table.write(opened.content, 0, Buffer.from("half")))
        yield* settle
        assert.deepStrictEqual(yield* atServer, [])
        yield* content.commit(opened.content)
        yield* content.release(opened.content)
        yield* settle
        assert.strictEqual(yield* textAtServer("/open"), "half")
      })
    )
  )

  it.effect("create and delete before anything was sent leaves no trace", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        yield* write("/tmp1", "t")
        yield* remove("/tmp1")
        yield* settle
        assert.strictEqual(yield* (yield* RequestLog).count("PUT"), 0)
        assert.isFalse(yield* exists("/tmp1"))
      })
    )
  )
})

/** Matches from the second upload fragment on. */
const secondFragment = () => {
  let seen = 0
  return (url: string): boolean => !url.startsWith("/v1.0") && seen++ > 0
}

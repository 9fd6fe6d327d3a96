/** Without a server, and before and after it. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { DriveAdmin, Faults, RequestLog } from "../../src/graph-server/GraphServer.ts"
import { Sync } from "../../src/sync/Sync.ts"
import { Tree } from "../../src/tree/Tree.ts"
import {
  atServer,
  device,
  drive,
  eventually,
  here,
  itemAt,
  mkdir,
  onDevice,
  passing,
  poll,
  read,
  readText,
  remove,
  rename,
  settle,
  temporaryDirectory,
  write
} from "./device.ts"

const refuseAll = Effect.flatMap(Faults, (faults) => faults.inject({ times: 100_000, action: { _tag: "Refuse" } }))

/** One run of the device over `directory`, shut down at its end. */
const run = <A, E, R>(directory: string, effect: Effect.Effect<A, E, R>) =>
  Effect.provide(Effect.scoped(effect), device(directory), { local: true })

const isHealth = (health: string) =>
  Effect.map(
    Effect.flatMap(Sync, (sync) => sync.status),
    (status) => status.health === health
  )

describe("offline", () => {
  it.effect("starts with the known tree, queues changes over a restart, sends them on return", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const admin = yield* DriveAdmin
      yield* admin.createFolder("/dir")
      yield* admin.putFile("/dir/cached", "cached")
      yield* admin.putFile("/ghost", "ghost")
      yield* admin.putFile("/old", "old")
      yield* run(directory, Effect.andThen(poll, passing(readText("/dir/cached"))))
      const outage = yield* refuseAll
      yield* run(
        directory,
        Effect.gen(function* () {
          yield* eventually(isHealth("offline"))
          assert.deepStrictEqual(yield* here, ["/dir/", "/dir/cached", "/ghost", "/old"])
          assert.strictEqual(yield* readText("/dir/cached"), "cached")
          const failure = yield* passing(Effect.exit(read("/ghost")), { limit: 5_000 })
          assert.isTrue(failure._tag === "Failure")
          yield* mkdir("/new")
          yield* write("/new/file", "made offline")
          yield* rename("/old", "/new/moved")
          yield* remove("/dir/cached")
        })
      )
      yield* outage.cancel
      yield* run(
        directory,
        Effect.gen(function* () {
          yield* settle
          assert.deepStrictEqual(yield* here, ["/dir/", "/ghost", "/new/", "/new/file", "/new/moved"])
        })
      )
      assert.deepStrictEqual(yield* atServer, ["/dir/", "/ghost", "/new/", "/new/file", "/new/moved"])
      assert.strictEqual(yield* (yield* RequestLog).count("PUT"), 1)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("comes back by itself after a day, and at once when the machine wakes up", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const outage = yield* refuseAll
        yield* eventually(isHealth("offline"))
        yield* passing(Effect.sleep(86_400_000), { limit: 86_500_000, step: 600_000 })
        yield* outage.cancel
        yield* (yield* Sync).wakeUp
        yield* eventually(isHealth("online"), { limit: 1_000 })
      })
    )
  )

  it.effect("a clock that was ahead holds nothing up once it is set back", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const admin = yield* DriveAdmin
      for (const path of ["/gone", "/moved"]) yield* admin.putFile(path, path)
      const now = yield* Clock.currentTimeMillis
      yield* run(directory, poll)
      const outage = yield* refuseAll
      yield* TestClock.setTime(now + 30 * 86_400_000)
      yield* run(
        directory,
        Effect.gen(function* () {
          yield* write("/new", "made in the future")
          yield* rename("/moved", "/renamed")
          yield* remove("/gone")
        })
      )
      yield* outage.cancel
      yield* TestClock.setTime(now + 60_000)
      yield* run(
        directory,
        eventually(
          Effect.map(Tree, (tree) => tree.summary().intents === 0),
          { limit: 60_000 }
        )
      )
      assert.deepStrictEqual(yield* atServer, ["/new", "/renamed"])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("a sign-in for another drive changes nothing, there or here", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const changes = Effect.gen(function* () {
        yield* write("/edited", "edited here")
        yield* rename("/moved", "/renamed")
        yield* remove("/gone")
      })
      const before = Effect.gen(function* () {
        const admin = yield* DriveAdmin
        for (const path of ["/edited", "/gone", "/moved"]) yield* admin.putFile(path, path)
        yield* run(directory, poll)
        yield* refuseAll
        yield* run(directory, changes)
        yield* (yield* Faults).clear
      })
      const other = Effect.gen(function* () {
        yield* (yield* DriveAdmin).putFile("/foreign", "foreign")
        yield* run(
          directory,
          Effect.gen(function* () {
            yield* eventually(isHealth("signed-out"))
            yield* passing(Effect.sleep(120_000))
            assert.deepStrictEqual(yield* here, ["/edited", "/renamed"])
          })
        )
        assert.deepStrictEqual(yield* atServer, ["/foreign"])
      }).pipe(Effect.provide(drive(), { local: true }))
      const after = Effect.gen(function* () {
        yield* run(directory, settle)
        assert.deepStrictEqual(yield* atServer, ["/edited", "/renamed"])
      })
      yield* before
      yield* other
      yield* after
    }).pipe(Effect.provide(drive()))
  )

  it.effect("a 401 is a lost sign-in, not a lost drive", () =>
    onDevice(
      Effect.gen(function* () {
        yield* (yield* DriveAdmin).putFile("/x", "x")
        yield* poll
        const refusal = yield* (yield* Faults).inject({ times: 100_000, action: { _tag: "Respond", status: 401 } })
        yield* write("/y", "y")
        yield* eventually(isHealth("signed-out"))
        assert.deepStrictEqual(yield* here, ["/x", "/y"])
        yield* refusal.cancel
        yield* settle
        assert.deepStrictEqual(yield* atServer, ["/x", "/y"])
      })
    )
  )
})

describe("listings", () => {
  it.effect("many who ask for one directory are one listing", () =>
    onDevice(
      Effect.gen(function* () {
        const sync = yield* Sync
        const hang = yield* (yield* Faults).inject({ matches: /delta/, times: 2, action: { _tag: "Hang" } })
        yield* (yield* DriveAdmin).putFile("/x", "x")
        yield* passing(hang.firstHit)
        const { ino } = yield* itemAt("/")
        const asking = Effect.all(
          Array.from({ length: 20 }, () => Effect.result(sync.loadChildren(ino))),
          {
            concurrency: "unbounded"
          }
        )
        const fiber = yield* Effect.forkChild(asking)
        yield* passing(Fiber.join(fiber))
        assert.isAtMost(yield* (yield* RequestLog).count("GET", /children/), 1)
        yield* hang.cancel
      })
    )
  )
})

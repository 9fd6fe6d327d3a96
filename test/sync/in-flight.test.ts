/** What changes here while it is being sent, and what nobody knows yet whether it arrived. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DriveAdmin, Faults } from "../../src/graph-server/GraphServer.ts"
import { Tree } from "../../src/tree/Tree.ts"
import {
  atServer,
  device,
  drive,
  here,
  mkdir,
  onDevice,
  passing,
  poll,
  remove,
  rename,
  settle,
  temporaryDirectory,
  textAtServer,
  write
} from "./device.ts"

const both = Effect.gen(function* () {
  const paths = yield* atServer
  assert.deepStrictEqual(yield* here, paths)
  return paths
})

const hangPut = Effect.flatMap(Faults, (faults) => faults.inject({ method: "PUT", action: { _tag: "Hang" } }))

/** The next request of the method takes effect, its reply is lost, and from then on nothing answers. */
const cutAfter = Effect.fnUntraced(function* (method: string) {
  const faults = yield* Faults
  let isOut = false
  const lost = yield* faults.inject({ method, matches: () => (isOut = true), action: { _tag: "DropReply" } })
  const outage = yield* faults.inject({ times: 100_000, matches: () => isOut, action: { _tag: "Refuse" } })
  yield* passing(lost.firstHit)
  return outage
})

describe("changed while it is being sent", () => {
  it.effect("a file that is saved by rename again is one item with the newest content", () =>
    onDevice(
      Effect.gen(function* () {
        const { id } = yield* (yield* DriveAdmin).putFile("/doc", "base")
        yield* poll
        yield* write("/.tmp1", "first save")
        yield* rename("/.tmp1", "/doc")
        const hang = yield* hangPut
        yield* passing(hang.firstHit)
        yield* write("/.tmp2", "second save")
        yield* rename("/.tmp2", "/doc")
        yield* passing(Effect.sleep(10_000))
        yield* hang.release
        yield* settle
        assert.deepStrictEqual(yield* both, ["/doc"])
        assert.strictEqual(yield* textAtServer("/doc"), "second save")
        assert.strictEqual((yield* (yield* DriveAdmin).stat("/doc")).id, id)
      })
    )
  )

  it.effect("as is one whose first save arrived without an answer", () =>
    onDevice(
      Effect.gen(function* () {
        yield* (yield* DriveAdmin).putFile("/doc", "base")
        yield* poll
        yield* write("/.tmp1", "first save")
        yield* rename("/.tmp1", "/doc")
        const outage = yield* cutAfter("PUT")
        yield* write("/.tmp2", "second save")
        yield* rename("/.tmp2", "/doc")
        yield* passing(Effect.sleep(10_000))
        yield* outage.cancel
        yield* settle
        assert.deepStrictEqual(yield* both, ["/doc"])
        assert.strictEqual(yield* textAtServer("/doc"), "second save")
      })
    )
  )

  it.effect("a saved file that is deleted stays deleted", () =>
    onDevice(
      Effect.gen(function* () {
        yield* (yield* DriveAdmin).putFile("/doc", "base")
        yield* poll
        yield* write("/.tmp1", "first save")
        yield* rename("/.tmp1", "/doc")
        const hang = yield* hangPut
        yield* passing(hang.firstHit)
        yield* write("/.tmp2", "second save")
        yield* rename("/.tmp2", "/doc")
        yield* remove("/doc")
        yield* passing(Effect.sleep(10_000))
        yield* hang.release
        yield* settle
        yield* settle
        assert.deepStrictEqual(yield* both, [])
      })
    )
  )

  it.effect("a new file that is removed and made again is one file", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        const hang = yield* hangPut
        yield* write("/out", "first")
        yield* passing(hang.firstHit)
        yield* remove("/out")
        yield* write("/out", "second")
        yield* passing(Effect.sleep(10_000))
        yield* hang.release
        yield* settle
        assert.deepStrictEqual(yield* both, ["/out"])
        assert.strictEqual(yield* textAtServer("/out"), "second")
      })
    )
  )

  it.effect("a new file that another one is renamed over gives it its name", () =>
    onDevice(
      Effect.gen(function* () {
        const { id } = yield* (yield* DriveAdmin).putFile("/old", "old")
        yield* poll
        const hang = yield* hangPut
        yield* write("/out", "new")
        yield* passing(hang.firstHit)
        yield* rename("/old", "/out")
        const faults = yield* Faults
        const late = yield* faults.inject({ method: "DELETE", action: { _tag: "Hang" } })
        yield* hang.release
        yield* passing(Effect.sleep(10_000))
        yield* late.release
        yield* settle
        assert.deepStrictEqual(yield* both, ["/out"])
        assert.strictEqual((yield* (yield* DriveAdmin).stat("/out")).id, id)
      })
    )
  )

  it.effect("a new file that is renamed over another is that one's next version", () =>
    onDevice(
      Effect.gen(function* () {
        const { id } = yield* (yield* DriveAdmin).putFile("/doc", "base")
        yield* poll
        const hang = yield* hangPut
        yield* write("/download", "new")
        yield* passing(hang.firstHit)
        yield* rename("/download", "/doc")
        yield* passing(Effect.sleep(10_000))
        yield* hang.release
        yield* settle
        yield* settle
        assert.deepStrictEqual(yield* both, ["/doc"])
        assert.strictEqual(yield* textAtServer("/doc"), "new")
        assert.strictEqual((yield* (yield* DriveAdmin).stat("/doc")).id, id)
      })
    )
  )
})

describe("arrived without an answer, then the server is out of reach", () => {
  it.effect("a file that is renamed meanwhile is at its new name only", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        yield* write("/first", "content")
        const outage = yield* cutAfter("PUT")
        yield* passing(Effect.sleep(60_000))
        yield* rename("/first", "/second")
        yield* passing(Effect.sleep(60_000))
        yield* outage.cancel
        yield* settle
        assert.deepStrictEqual(yield* both, ["/second"])
      })
    )
  )

  it.effect("a file that is removed meanwhile does not come back", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        yield* write("/first", "content")
        const outage = yield* cutAfter("PUT")
        yield* passing(Effect.sleep(60_000))
        yield* remove("/first")
        yield* passing(Effect.sleep(60_000))
        yield* outage.cancel
        yield* settle
        yield* settle
        assert.deepStrictEqual(yield* both, [])
      })
    )
  )

  it.effect("a file that takes another one's place meanwhile leaves nothing at its old name", () =>
    onDevice(
      Effect.gen(function* () {
        yield* (yield* DriveAdmin).putFile("/doc", "base")
        yield* poll
        yield* write("/download", "content")
        const outage = yield* cutAfter("PUT")
        yield* passing(Effect.sleep(60_000))
        yield* rename("/download", "/doc")
        yield* outage.cancel
        yield* settle
        yield* settle
        assert.deepStrictEqual(yield* both, ["/doc"])
        assert.strictEqual(yield* textAtServer("/doc"), "content")
      })
    )
  )

  it.effect("nor one that is removed after a restart, or before it, and made again", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const run = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.provide(Effect.scoped(effect), device(directory), { local: true })
      const outage = yield* run(
        Effect.gen(function* () {
          yield* mkdir("/dir")
          yield* settle
          yield* write("/dir/before", "content")
          const before = yield* cutAfter("PUT")
          yield* remove("/dir/before")
          yield* before.cancel
          return yield* (yield* Faults).inject({ times: 100_000, action: { _tag: "Refuse" } })
        })
      )
      yield* outage.cancel
      yield* run(write("/dir/before", "another"))
      const later = yield* run(
        Effect.gen(function* () {
          yield* settle
          assert.deepStrictEqual(yield* both, ["/dir/", "/dir/before"])
          yield* write("/dir/after", "content")
          return yield* cutAfter("PUT")
        })
      )
      yield* run(
        Effect.gen(function* () {
          yield* remove("/dir/after")
          yield* remove("/dir/before")
          yield* remove("/dir")
        })
      )
      yield* later.cancel
      yield* run(
        Effect.gen(function* () {
          yield* settle
          assert.deepStrictEqual(yield* both, [])
          assert.deepStrictEqual((yield* Tree).strays(), [])
        })
      )
    }).pipe(Effect.provide(drive()))
  )

  it.effect("a saved file that is removed meanwhile stays removed", () =>
    onDevice(
      Effect.gen(function* () {
        yield* (yield* DriveAdmin).putFile("/doc", "base")
        yield* poll
        yield* write("/doc", "saved")
        const outage = yield* cutAfter("PUT")
        yield* passing(Effect.sleep(60_000))
        yield* remove("/doc")
        yield* outage.cancel
        yield* settle
        yield* settle
        assert.deepStrictEqual(yield* both, [])
      })
    )
  )

  it.effect("a folder that is renamed meanwhile is at its new name only, one that is removed is gone", () =>
    onDevice(
      Effect.gen(function* () {
        yield* poll
        yield* mkdir("/New Folder")
        const outage = yield* cutAfter("POST")
        yield* passing(Effect.sleep(60_000))
        yield* rename("/New Folder", "/Photos")
        yield* passing(Effect.sleep(60_000))
        yield* outage.cancel
        yield* settle
        assert.deepStrictEqual(yield* both, ["/Photos/"])
        yield* mkdir("/New Folder")
        const again = yield* cutAfter("POST")
        yield* passing(Effect.sleep(60_000))
        yield* remove("/New Folder")
        yield* passing(Effect.sleep(60_000))
        yield* again.cancel
        yield* settle
        yield* settle
        assert.deepStrictEqual(yield* both, ["/Photos/"])
      })
    )
  )
})

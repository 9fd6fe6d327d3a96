/** Downloads against the embedded drive: how many requests, which bytes, which errors. */
import { constants } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, PubSub, Queue } from "effect"
import { Events, type OneMountEvent } from "../../src/events/Events.ts"
import { DriveAdmin, Faults, RequestLog } from "../../src/graph-server/GraphServer.ts"
import { Transfers } from "../../src/transfer/Transfers.ts"
import { passing } from "./clock.ts"
import { layerDownloads, Memory } from "./memory.ts"

const KiB = 1024
const MiB = 1024 * KiB

/** Bytes without a period a wrong offset could hide behind. */
const pattern = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * 7) & 255)

const given = Effect.fnUntraced(function* (size: number) {
  const bytes = pattern(size)
  yield* (yield* DriveAdmin).putFile("/file.bin", bytes)
  const ino = yield* (yield* Memory).ghost("/file.bin")
  yield* (yield* RequestLog).clear
  return { bytes, ino }
})

/** Requests for bytes: the pre-authenticated URLs lie outside the API. */
const isContent = (url: string): boolean => !url.startsWith("/v1.0")

const transfersOf = Effect.gen(function* () {
  const entries = yield* (yield* RequestLog).entries
  const bodies = entries.filter(({ method, sent, url }) => method === "GET" && sent > 0 && isContent(url))
  return { count: bodies.length, bytes: bodies.reduce((sum, { sent }) => sum + sent, 0) }
})

const takeStale = ({ stale }: Transfers["Service"]) => Queue.take(stale)

const nextFailure = (subscription: PubSub.Subscription<OneMountEvent>) =>
  Effect.gen(function* () {
    while (true) {
      const event = yield* PubSub.take(subscription)
      if (event._tag === "TransferFailed") return event
    }
  })

const isSame = (actual: Uint8Array, expected: Uint8Array): void =>
  assert.isTrue(Buffer.from(actual).equals(expected), "bytes differ")

describe("downloads", () => {
  it.effect("a small file comes whole, once, for fifty readers", () =>
    Effect.gen(function* () {
      const { bytes, ino } = yield* given(3 * MiB)
      const memory = yield* Memory
      const reads = Array.from({ length: 50 }, (_, i) => memory.read(ino, i * 60 * KiB, 60 * KiB))
      const parts = yield* passing(Effect.all(reads, { concurrency: "unbounded" }))
      parts.forEach((part, i) => isSame(part, bytes.subarray(i * 60 * KiB, (i + 1) * 60 * KiB)))
      assert.strictEqual((yield* transfersOf).count, 1)
      assert.deepStrictEqual(memory.missing(ino), [])
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("10 MiB read in sequence take at most 5 requests and 12 MiB", () =>
    Effect.gen(function* () {
      const { bytes, ino } = yield* given(10 * MiB)
      const memory = yield* Memory
      for (let at = 0; at < bytes.length; at += MiB) {
        isSame(yield* passing(memory.read(ino, at, MiB, at)), bytes.subarray(at, at + MiB))
      }
      const { bytes: moved, count } = yield* transfersOf
      assert.isAtMost(count, 5)
      assert.isAtMost(moved, 12 * MiB)
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("a far read of a large ghost costs little", () =>
    Effect.gen(function* () {
      const { bytes, ino } = yield* given(64 * MiB)
      const memory = yield* Memory
      const tail = yield* passing(memory.read(ino, bytes.length - 64 * KiB, 64 * KiB))
      isSame(tail, bytes.subarray(bytes.length - 64 * KiB))
      assert.isBelow((yield* transfersOf).bytes, 8 * MiB)
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("a reader that leaves does not stop the others", () =>
    Effect.gen(function* () {
      const { bytes, ino } = yield* given(2 * MiB)
      const memory = yield* Memory
      const hang = yield* (yield* Faults).inject({ method: "GET", matches: isContent, action: { _tag: "Hang" } })
      const leaving = yield* Effect.forkChild(memory.read(ino, 0, KiB), { startImmediately: true })
      const staying = yield* Effect.forkChild(memory.read(ino, 0, 4 * KiB), { startImmediately: true })
      yield* hang.firstHit
      yield* Fiber.interrupt(leaving)
      yield* hang.release
      isSame(yield* passing(Fiber.join(staying)), bytes.subarray(0, 4 * KiB))
      assert.strictEqual((yield* transfersOf).count, 1)
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("one corrupt byte in a small file is never seen", () =>
    Effect.gen(function* () {
      const { bytes, ino } = yield* given(MiB)
      yield* (yield* Faults).inject({ matches: isContent, action: { _tag: "CorruptByte", offset: 1234 } })
      isSame(yield* passing((yield* Memory).read(ino, 0, 4 * KiB)), bytes.subarray(0, 4 * KiB))
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("bytes that stay corrupt are EIO and an event", () =>
    Effect.gen(function* () {
      const { ino } = yield* given(MiB)
      const action = { _tag: "CorruptByte", offset: 1234 } as const
      yield* (yield* Faults).inject({ matches: isContent, times: 100, action })
      const subscription = yield* (yield* Events).subscribe
      const errno = yield* passing(Effect.flip((yield* Memory).read(ino, 0, 4 * KiB)))
      assert.strictEqual(errno, constants.errno.EIO)
      const event = yield* passing(nextFailure(subscription))
      assert.strictEqual(event.name, "file.bin")
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("a large file that is corrupt once is fetched again and then right", () =>
    Effect.gen(function* () {
      const { bytes, ino } = yield* given(12 * MiB)
      yield* (yield* Faults).inject({ matches: isContent, action: { _tag: "CorruptByte", offset: 99 } })
      yield* passing((yield* Transfers).hydrate(ino))
      isSame(yield* (yield* Memory).read(ino, 0, bytes.length), bytes)
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("a cut connection is continued where it broke", () =>
    Effect.gen(function* () {
      const { bytes, ino } = yield* given(12 * MiB)
      yield* (yield* Faults).inject({ matches: isContent, action: { _tag: "CutBody", bytes: 2 * MiB } })
      yield* passing((yield* Transfers).hydrate(ino))
      isSame(yield* (yield* Memory).read(ino, 0, bytes.length), bytes)
      assert.isAtMost((yield* transfersOf).bytes, bytes.length + MiB)
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("a silent server is EIO after the patience, not earlier, and the next read tries again", () =>
    Effect.gen(function* () {
      const { bytes, ino } = yield* given(MiB)
      const hang = yield* (yield* Faults).inject({ matches: isContent, times: 100, action: { _tag: "Hang" } })
      const memory = yield* Memory
      const reader = yield* Effect.forkChild(Effect.flip(memory.read(ino, 0, KiB)), { startImmediately: true })
      yield* hang.firstHit
      yield* passing(Effect.sleep(29_000))
      assert.isUndefined(reader.pollUnsafe())
      const errno = yield* passing(Fiber.join(reader), { limit: 5_000 })
      assert.strictEqual(errno, constants.errno.EIO)
      yield* hang.cancel
      isSame(yield* passing(memory.read(ino, 0, KiB)), bytes.subarray(0, KiB))
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("offline a missing range fails fast with ENETUNREACH", () =>
    Effect.gen(function* () {
      const { ino } = yield* given(MiB)
      yield* (yield* Faults).inject({ times: 1000, action: { _tag: "Refuse" } })
      yield* (yield* Events).publish({ _tag: "HealthChanged", health: "offline", detail: "" })
      const read = Effect.flip((yield* Memory).read(ino, 0, KiB))
      assert.strictEqual(yield* passing(read, { limit: 2_100 }), constants.errno.ENETUNREACH)
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("a version that is gone is ESTALE and asks for a poll", () =>
    Effect.gen(function* () {
      const { ino } = yield* given(MiB)
      yield* (yield* DriveAdmin).replace("/file.bin", pattern(MiB + 1))
      const errno = yield* passing(Effect.flip((yield* Memory).read(ino, 0, KiB)))
      assert.strictEqual(errno, constants.errno.ESTALE)
      yield* passing(Effect.flatMap(Transfers, takeStale))
    }).pipe(Effect.provide(layerDownloads))
  )

  it.effect("nothing stays open when everything has come", () =>
    Effect.gen(function* () {
      const { ino } = yield* given(12 * MiB)
      const transfers = yield* Transfers
      yield* passing(transfers.hydrate(ino))
      yield* passing(Effect.sleep(1_000))
      assert.strictEqual((yield* Memory).references(), 0)
      assert.deepStrictEqual((yield* transfers.stats).downloads, { active: 0, queued: 0, bytes: 0 })
    }).pipe(Effect.provide(layerDownloads))
  )
})

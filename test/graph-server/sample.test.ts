import { inflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { drive } from "./api.ts"

describe("the sample drive", () => {
  const seeded = Effect.gen(function* () {
    const admin = yield* GraphServer.DriveAdmin
    assert.isTrue(yield* GraphServer.seedSample)
    const entries = yield* admin.tree()
    return entries.map(({ path, hash, modified }) => ({ path, hash, modified }))
  })

  it.effect("is the same every time and only for empty drives", () =>
    Effect.gen(function* () {
      const first = yield* Effect.provide(seeded, drive(), { local: true })
      const second = yield* Effect.provide(
        Effect.tap(seeded, () => Effect.map(GraphServer.seedSample, assert.isFalse)),
        drive(),
        { local: true }
      )
      assert.deepStrictEqual(second, first)
      assert.isTrue(first.some(({ path }) => path === "/Documents/Übersicht für Jörg.txt"))
    })
  )

  it.effect("has pictures that are pictures, an empty file and a large one", () =>
    Effect.gen(function* () {
      const admin = yield* GraphServer.DriveAdmin
      yield* GraphServer.seedSample
      const png = Buffer.from(yield* admin.read("/Pictures/Checkerboard.png"))
      assert.strictEqual(png.toString("latin1", 1, 4), "PNG")
      const data = png.subarray(png.indexOf("IDAT") + 4, png.indexOf("IEND") - 8)
      assert.strictEqual(inflateSync(data).length, 128 * (1 + 128 * 3))
      assert.strictEqual((yield* admin.stat("/Documents/Empty file.txt")).size, 0)
      assert.strictEqual((yield* admin.stat("/Large file.bin")).size, 12 * 1024 * 1024)
    }).pipe(Effect.provide(drive()))
  )
})

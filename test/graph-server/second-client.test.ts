import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { bytesOf, drive } from "./api.ts"

describe("the second client", () => {
  it.effect("puts, lists in pages, moves and removes, with names that need encoding", () =>
    Effect.gen(function* () {
      const { token } = yield* GraphServer.DriveTokens
      const client = yield* GraphServer.makeSecondClient(GraphServer.baseUrl, token)
      yield* client.createFolder("/a b")
      for (const name of ["100% #1?.txt".replace("?", ""), "ü", "c"]) {
        yield* client.put(`/a b/${name}`, Stream.succeed(Buffer.from(name)), Buffer.byteLength(name))
      }
      assert.deepStrictEqual(
        (yield* client.list("/a b")).map(({ name }) => name),
        ["100% #1.txt", "c", "ü"]
      )
      assert.strictEqual((yield* client.move("/a b/ü", "/moved ü")).name, "moved ü")
      yield* client.remove("/a b")
      assert.deepStrictEqual(
        (yield* client.list("/")).map(({ name }) => name),
        ["moved ü"]
      )
      const refused = yield* Effect.flip(client.remove("/a b"))
      assert.deepStrictEqual([refused.status, refused.code], [404, "itemNotFound"])
    }).pipe(Effect.provide(drive({ settings: { pageSize: 2 } })))
  )

  it.effect("puts by a session what one PUT cannot hold, and leaves nothing of what it cannot finish", () =>
    Effect.gen(function* () {
      const { token } = yield* GraphServer.DriveTokens
      const admin = yield* GraphServer.DriveAdmin
      const client = yield* GraphServer.makeSecondClient(GraphServer.baseUrl, token, { largestPut: 1000 })
      const bytes = bytesOf(12 * 1024 * 1024)
      const chunks = Stream.make(bytes.subarray(0, 5_000_000), bytes.subarray(5_000_000))
      assert.strictEqual((yield* client.put("/big.bin", chunks, bytes.length)).size, bytes.length)
      assert.strictEqual((yield* admin.stat("/big.bin")).hash, quickXorHash(bytes))
      const log = yield* GraphServer.RequestLog
      assert.strictEqual(yield* log.count("PUT", /upload/), 2)
      const short = yield* Effect.flip(client.put("/short.bin", chunks, bytes.length + 1))
      assert.include(short.message, "bytes it should have")
      assert.strictEqual(yield* log.count("DELETE", /upload/), 1)
      assert.strictEqual((yield* admin.tree()).length, 1)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("changes a further drive by its id", () =>
    Effect.gen(function* () {
      const { token } = yield* GraphServer.DriveTokens
      const further = yield* (yield* GraphServer.Drives).add({ label: { name: "Second" } })
      const client = yield* GraphServer.makeSecondClient(GraphServer.baseUrl, token, { drive: further.driveId })
      yield* client.put("/a", Stream.succeed(bytesOf(3)), 3)
      assert.deepStrictEqual(
        (yield* further.admin.tree()).map(({ path }) => path),
        ["/a"]
      )
      assert.deepStrictEqual(yield* (yield* GraphServer.DriveAdmin).tree(), [])
    }).pipe(Effect.provide(drive()))
  )
})

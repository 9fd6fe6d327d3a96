import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { drive } from "./api.ts"

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
})

import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Effect, FileSystem, Layer, Logger, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Auth } from "../../src/graph/Auth.ts"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { fileItem, json, refusal, ScriptedServer } from "./ScriptedServer.ts"

const withFile = <A, E>(use: (path: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, FileSystem.FileSystem>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const dir = yield* fs.makeTempDirectoryScoped({ prefix: "onemount-auth-" })
    return yield* use(`${dir}/token`, fs)
  }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

const value = Effect.map(
  Effect.flatMap(Auth, (auth) => auth.token),
  Redacted.value
)

describe("Auth.layerFile", () => {
  for (const [name, content, token] of [
    ["plain text", "abc.def\n", "abc.def"],
    ["JSON", JSON.stringify({ access_token: "xyz", expires_in: 3600 }), "xyz"]
  ] as const) {
    it.live(`reads ${name}`, () =>
      withFile((path, fs) =>
        Effect.gen(function* () {
          yield* fs.writeFileString(path, content)
          assert.strictEqual(yield* Effect.provide(value, Auth.layerFile(path)), token)
        })
      )
    )
  }

  for (const [name, content] of [
    ["missing", null],
    ["empty", " \n"],
    ["with two lines", "abc\ndef"],
    ["with JSON without a token", "{}"],
    ["with broken JSON", '{"access_token": '],
    ["with a control character", "abc\u0000"]
  ] as const) {
    it.live(`fails as Unauthenticated for a file ${name}, and says why once`, () => {
      const logged: Array<string> = []
      const logger = Logger.make(({ message }) => {
        logged.push(String(message))
      })
      return withFile((path, fs) =>
        Effect.gen(function* () {
          if (content !== null) yield* fs.writeFileString(path, content)
          yield* Effect.gen(function* () {
            for (let n = 0; n < 2; n++) {
              const error = yield* Effect.flip(value)
              assert.strictEqual(error.reason._tag, "Unauthenticated")
            }
          }).pipe(Effect.provide(Auth.layerFile(path)))
          assert.strictEqual(logged.length, 1)
          assert.include(logged[0], path)
          assert.notInclude(logged[0], "abc")
        }).pipe(Effect.provide(Logger.layer([logger])))
      )
    })
  }

  it.effect("reads again a second after the file was replaced, and after a refusal", () =>
    withFile((path, fs) =>
      Effect.gen(function* () {
        yield* fs.writeFileString(path, "one")
        yield* Effect.gen(function* () {
          const auth = yield* Auth
          const first = yield* auth.token
          yield* fs.writeFileString(`${path}.new`, "two-longer")
          yield* fs.rename(`${path}.new`, path)
          assert.strictEqual(Redacted.value(yield* auth.token), "one")
          yield* TestClock.adjust(1_000)
          assert.strictEqual(Redacted.value(yield* auth.token), "two-longer")
          yield* fs.writeFileString(path, "3")
          yield* auth.invalidate(yield* auth.token)
          assert.strictEqual(Redacted.value(yield* auth.token), "3")
          yield* auth.invalidate(first)
          assert.strictEqual(Redacted.value(yield* auth.token), "3")
        }).pipe(Effect.provide(Auth.layerFile(path)))
      })
    )
  )
})

describe("a token file that looks unchanged", () => {
  it.effect("is read once, and again after a refusal", () => {
    let reads = 0
    const files = FileSystem.layerNoop({
      stat: () => Effect.succeed(unchanged),
      readFileString: () => Effect.sync(() => `token-${++reads}`)
    })
    return Effect.gen(function* () {
      const auth = yield* Auth
      const first = yield* auth.token
      assert.strictEqual(Redacted.value(yield* auth.token), "token-1")
      yield* auth.invalidate(first)
      assert.strictEqual(Redacted.value(yield* auth.token), "token-2")
      yield* auth.invalidate(first)
      assert.strictEqual(Redacted.value(yield* auth.token), "token-2")
    }).pipe(Effect.provide(Auth.layerFile("/token").pipe(Layer.provide(files))))
  })
})

const unchanged: FileSystem.File.Info = {
  type: "File",
  mtime: Option.some(new Date(0)),
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 0n,
  ino: Option.some(1n),
  mode: 0o600,
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  size: ByteSize.bytes(7),
  blksize: Option.none(),
  blocks: Option.none()
}

describe("401", () => {
  it.effect("asks for another token and repeats once, mutations too", () => {
    const tokens = ["old", "new"]
    let at = 0
    const auth = Layer.succeed(
      Auth,
      Auth.of({
        token: Effect.sync(() => Redacted.make(tokens[at] ?? "")),
        invalidate: (rejected) =>
          Effect.sync(() => {
            assert.strictEqual(Redacted.value(rejected), "old")
            at++
          })
      })
    )
    const server = new ScriptedServer(({ headers }) =>
      headers["authorization"] === "Bearer new" ? json(fileItem()) : refusal(401, "InvalidAuthenticationToken")
    )
    return Effect.gen(function* () {
      const graph = yield* GraphClient
      yield* graph.update(ItemId("01FILE"), { name: "b" }, null)
      assert.deepStrictEqual(
        server.seen.map((seen) => seen.headers["authorization"]),
        ["Bearer old", "Bearer new"]
      )
    }).pipe(Effect.provide(server.layer({ auth })))
  })

  it.effect("twice is Unauthenticated, without further attempts", () => {
    const server = new ScriptedServer(() => refusal(401, "InvalidAuthenticationToken"))
    return Effect.gen(function* () {
      const error = yield* Effect.flip(GraphClient.use((graph) => graph.root))
      assert.strictEqual(error.reason._tag, "Unauthenticated")
      assert.strictEqual(server.seen.length, 2)
    }).pipe(Effect.provide(server.layer()))
  })
})

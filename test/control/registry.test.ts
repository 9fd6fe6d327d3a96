import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import * as Registry from "../../src/control/registry.ts"
import { identity } from "../../src/platform/Processes.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-registry-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

const entryAt = (mountpoint: string, change: Partial<Registry.Entry> = {}): Registry.Entry => ({
  mountpoint,
  pid: process.pid,
  startTime: identity(process.pid)?.startTime ?? "",
  socket: "/nowhere.sock",
  cacheDirectory: "/cache",
  ...change
})

describe("registry", () => {
  it.live("shows an entry for the life of its scope", () =>
    Effect.gen(function* () {
      const env = { XDG_RUNTIME_DIR: yield* temporary }
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Registry.prepare(env, "/mnt/b")
          yield* Registry.register(env, entryAt("/mnt/b"))
          yield* Registry.register(env, entryAt("/mnt/a"))
          assert.deepStrictEqual(yield* Registry.list(env), [entryAt("/mnt/a"), entryAt("/mnt/b")])
          assert.strictEqual(statSync(Registry.directory(env)).mode & 0o777, 0o700)
        })
      )
      assert.deepStrictEqual(yield* Registry.list(env), [])
    })
  )

  it.live("removes entries of dead processes, recycled pids and broken files, with their sockets", () =>
    Effect.gen(function* () {
      const env = { XDG_RUNTIME_DIR: yield* temporary }
      const socket = yield* Registry.prepare(env, "/mnt/a")
      const directory = Registry.directory(env)
      writeFileSync(socket, "")
      writeFileSync(socket.replace(/sock$/, "json"), JSON.stringify(entryAt("/mnt/a", { startTime: "1" })))
      writeFileSync(join(directory, "torn.json"), '{"mountpoint":')
      assert.deepStrictEqual(yield* Registry.list(env), [])
      assert.deepStrictEqual(readdirSync(directory), [])
    })
  )

  it.live("refuses a directory that is not ours to trust", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      symlinkSync(tmpdir(), join(base, "onemount"))
      const error = yield* Effect.flip(Registry.prepare({ XDG_RUNTIME_DIR: base }, "/mnt/a"))
      assert.strictEqual(error.reason, "Unsafe")
    })
  )

  it.live("closes a directory that stands open", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      mkdirSync(join(base, "onemount"))
      chmodSync(join(base, "onemount"), 0o777)
      yield* Registry.prepare({ XDG_RUNTIME_DIR: base }, "/mnt/a")
      assert.strictEqual(statSync(join(base, "onemount")).mode & 0o777, 0o700)
    })
  )

  it("goes elsewhere when the runtime directory is too deep for a socket address", () => {
    const env = { XDG_RUNTIME_DIR: `/run/${"x".repeat(90)}` }
    assert.strictEqual(Registry.directory(env), `/tmp/onemount-${userInfo().uid}`)
    assert.isAtMost(Registry.socketPath(env, `/mnt/${"y".repeat(300)}`).length, 107)
  })

  it("finds the innermost mount of a path", () => {
    const entries = [entryAt("/mnt/a"), entryAt("/mnt/a/b/c"), entryAt("/mnt/ab")]
    assert.strictEqual(Registry.containing(entries, "/mnt/a/b/x")?.mountpoint, "/mnt/a")
    assert.strictEqual(Registry.containing(entries, "/mnt/a/b/c/d")?.mountpoint, "/mnt/a/b/c")
    assert.isUndefined(Registry.containing(entries, "/mnt/abc"))
    assert.isFalse(existsSync("/mnt/ab"))
  })
})

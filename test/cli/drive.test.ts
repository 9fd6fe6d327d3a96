/** `onemount drive` as a process, against a drive that this one serves. */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { bytesOf, temporaryFolder } from "../graph-server/api.ts"

const program = join(import.meta.dirname, "../../src/main.ts")

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const run = (args: ReadonlyArray<string>) =>
  Effect.callback<Ran>((resume) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    const output = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (chunk: string) => (output[name] += chunk))
    }
    child.on("close", (status) => resume(Effect.succeed({ status, ...output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** A served drive, a folder of this machine, and the command pointed at it. */
const served = <A, E, R>(
  use: (world: {
    readonly folder: string
    readonly url: string
    readonly dir: string
    readonly drive: (command: string, ...args: ReadonlyArray<string>) => Effect.Effect<Ran>
  }) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const dir = join(folder, "drive")
    const work = Effect.gen(function* () {
      const { url } = yield* GraphServer.serveHttp()
      const drive = (command: string, ...args: ReadonlyArray<string>) =>
        run(["drive", command, "--url", url, "--dir", dir, ...args])
      return yield* use({ folder, url, dir, drive })
    })
    return yield* Effect.provide(Effect.scoped(work), GraphServer.layer({ dir }))
  })

describe("onemount drive", () => {
  it.live(
    "puts, lists, moves and removes",
    () =>
      served(({ folder, drive }) =>
        Effect.gen(function* () {
          const admin = yield* GraphServer.DriveAdmin
          yield* admin.createFolder("/Docs & more")
          const file = join(folder, "ünïcode 100% #1.txt")
          writeFileSync(file, "hello\n")
          assert.deepStrictEqual(yield* drive("put", file, "/Docs & more/"), { status: 0, stdout: "", stderr: "" })
          writeFileSync(file, bytesOf(300_000))
          assert.strictEqual((yield* drive("put", file, "/Docs & more/ünïcode 100% #1.txt")).status, 0)
          const path = "/Docs & more/ünïcode 100% #1.txt"
          assert.strictEqual((yield* admin.stat(path)).hash, quickXorHash(bytesOf(300_000)))
          const listed = yield* drive("ls", "/Docs & more")
          assert.match(listed.stdout, /^ +300000 {2}\d{4}-\d\d-\d\dT\S+Z {2}ünïcode 100% #1\.txt\n$/)
          assert.match((yield* drive("ls", "/")).stdout, /^ +300000 {2}\S+ {2}Docs & more\/\n$/)
          assert.strictEqual((yield* drive("mv", path, "/moved.txt")).status, 0)
          assert.strictEqual((yield* drive("rm", "/Docs & more")).status, 0)
          assert.deepStrictEqual(
            (yield* admin.tree()).map((entry) => entry.path),
            ["/moved.txt"]
          )
        })
      ),
    120_000
  )

  it.live(
    "says in a sentence what cannot be done, and ends with the status for it",
    () =>
      served(({ folder, url, dir, drive }) =>
        Effect.gen(function* () {
          const file = join(folder, "a.txt")
          writeFileSync(file, "x")
          mkdirSync(join(folder, "sub"))
          yield* drive("put", file, "/taken")
          yield* drive("put", file, "/other")
          const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, RegExp]> = [
            [["ls", "--url", url, "--dir", dir, "/missing"], 1, /\/missing: .*could not be found/],
            [["put", "--url", url, "--dir", dir, join(folder, "nothing"), "/"], 2, /nothing cannot be read/],
            [["put", "--url", url, "--dir", dir, join(folder, "sub"), "/"], 2, /sub is not a file/],
            [["mv", "--url", url, "--dir", dir, "/other", "/taken"], 1, /already exists/],
            [["rm", "--url", url, "--dir", dir, "/"], 1, /root/],
            [["ls", "--url", url, "--dir", folder, "/"], 5, /no token/],
            [["ls", "--url", "http://127.0.0.1:1", "--dir", dir, "/"], 6, /127\.0\.0\.1:1/],
            [["ls", "--url", "nonsense", "--dir", dir, "/"], 2, /--url is nonsense/]
          ]
          const runs = Effect.forEach(cases, ([args]) => run(["drive", ...args]), { concurrency: 2 })
          for (const [index, ended] of (yield* runs).entries()) {
            const [args, status, message] = cases[index] ?? [[], 0, /^/]
            assert.match(ended.stderr, message, args.join(" "))
            assert.deepStrictEqual([ended.status, ended.stdout], [status, ""], args.join(" "))
            assert.notMatch(ended.stderr, /\n\s+at /, args.join(" "))
          }
        })
      ),
    120_000
  )
})

describe("onemount serve", () => {
  it.live(
    "refuses a network, or a port that is none, before it makes anything",
    () =>
      Effect.gen(function* () {
        const dir = join(yield* temporaryFolder, "drive")
        const ended = yield* run(["serve", "--dir", dir, "--host", "0.0.0.0"])
        assert.match(ended.stderr, /--allow-remote/)
        assert.deepStrictEqual([ended.status, existsSync(dir)], [2, false])
      }),
    120_000
  )
})

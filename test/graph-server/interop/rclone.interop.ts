import { mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../../src/graph-server/GraphServer.ts"
import { bytesOf } from "../api.ts"
import {
  absent,
  driveFiles,
  faces,
  localFiles,
  rcloneConfig,
  run,
  stepsOf,
  succeeded,
  temporaryFolder,
  versionOf
} from "./clients.ts"

const version = versionOf("rclone", "--version")
if (version === undefined) absent("rclone", "not installed")

/** rclone with a remote of its own. */
const remote = (kind: GraphServer.DriveKind) =>
  Effect.gen(function* () {
    const { env, token } = yield* faces
    const folder = yield* temporaryFolder
    const { driveId } = yield* GraphServer.DriveAdmin
    const config = join(folder, "rclone.conf")
    writeFileSync(config, rcloneConfig(driveId, kind, token))
    const rclone = (...args: ReadonlyArray<string>) =>
      run("rclone", ["--config", config, "--retries", "1", "--low-level-retries", "2", ...args], env)
    return { folder, config, rclone, ok: (...args: ReadonlyArray<string>) => Effect.map(rclone(...args), succeeded) }
  })

/** Names that have to be encoded somewhere on their way, and sizes around the limits of the ways to upload. */
const prepare = (folder: string): void => {
  mkdirSync(join(folder, "sub folder", "ünïcode #1 100%"), { recursive: true })
  const files: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["empty.bin", bytesOf(0)],
    ["small.txt", Buffer.from("hello\n")],
    ["sub folder/it's & more;.txt", Buffer.from("names\n")],
    ["sub folder/ünïcode #1 100%/日本語.md", Buffer.from("text\n")],
    ["large.bin", bytesOf(25 * 1024 * 1024)]
  ]
  for (const [name, bytes] of files) {
    writeFileSync(join(folder, name), bytes)
    utimesSync(join(folder, name), 1_700_000_000, 1_700_000_000)
  }
}

describe.skipIf(version === undefined)("rclone", () => {
  for (const kind of ["personal", "business"] as const) {
    it.live(`does all its work on a ${kind} drive`, () =>
      Effect.gen(function* () {
        const step = stepsOf(`${version} ${kind}`)
        const admin = yield* GraphServer.DriveAdmin
        const { folder, config, ok, rclone } = yield* remote(kind)
        const source = join(folder, "source")
        prepare(source)

        yield* step("refresh, copy up: empty, small, 25 MB, awkward names", ok("copy", source, "od:up"))
        assert.deepStrictEqual(yield* driveFiles("/up"), localFiles(source))
        assert.notInclude(readFileSync(config, "utf8"), '"stale"')
        const check = yield* step(
          "check --download against the local files",
          ok("check", "--download", source, "od:up")
        )
        assert.include(check.stderr, "0 differences found")

        const list = JSON.parse((yield* step("list", ok("lsjson", "-R", "od:"))).stdout) as ReadonlyArray<{
          readonly Path: string
          readonly Size: number
          readonly ModTime: string
        }>
        const large = list.find(({ Path }) => Path === "up/large.bin")
        assert.deepStrictEqual([large?.Size, large?.ModTime], [25 * 1024 * 1024, "2023-11-14T22:13:20Z"])
        assert.strictEqual(list.length, 8)
        const stat = yield* step("stat", ok("lsjson", "--stat", "od:up/small.txt"))
        assert.include(stat.stdout, '"Size": 6')
        assert.strictEqual((yield* step("read", ok("cat", "od:up/small.txt"))).stdout, "hello\n")
        const range = yield* step("read a range", ok("cat", "--offset", "1", "--count", "3", "od:up/small.txt"))
        assert.strictEqual(range.stdout, "ell")

        writeFileSync(join(source, "small.txt"), "changed and longer\n")
        yield* step("overwrite", ok("copy", source, "od:up"))
        assert.deepStrictEqual(yield* driveFiles("/up"), localFiles(source))
        yield* step("rename a file", ok("moveto", "od:up/small.txt", "od:up/renamed.txt"))
        yield* step("move a folder", ok("moveto", "od:up/sub folder", "od:elsewhere/moved"))
        assert.strictEqual((yield* admin.tree("/elsewhere/moved")).length, 3)
        yield* step("copy on the server", ok("copyto", "od:up/large.bin", "od:up/copy.bin"))
        const [original, copy] = [yield* admin.stat("/up/large.bin"), yield* admin.stat("/up/copy.bin")]
        assert.deepStrictEqual([copy.hash, copy.size], [original.hash, original.size])
        assert.strictEqual(copy.modified, original.modified)
        yield* step("copy a changed tree down", ok("copy", "od:up", join(folder, "down")))
        assert.deepStrictEqual(localFiles(join(folder, "down")), yield* driveFiles("/up"))

        const about = JSON.parse((yield* step("about", ok("about", "--json", "od:"))).stdout) as {
          readonly total: number
        }
        assert.strictEqual(about.total, 1024 ** 4)
        const link = yield* step("link", ok("link", "od:up/copy.bin"))
        assert.match(link.stdout, kind === "personal" ? /\/shares\/u![\w-]+\/root\/content\n$/ : /^https:\/\/.*\/s\/s!/)
        yield* step("remove old versions", ok("cleanup", "od:up"))
        yield* step("delete a file", ok("deletefile", "od:up/copy.bin"))
        yield* step("make and remove a folder", Effect.andThen(ok("mkdir", "od:new"), ok("rmdir", "od:new")))
        yield* step("purge", ok("purge", "od:up"))
        assert.strictEqual((yield* rclone("lsf", "od:up")).code, 3)
        assert.deepStrictEqual(
          (yield* admin.tree()).map(({ path }) => path).filter((path) => path.split("/").length === 2),
          ["/elsewhere"]
        )
      }).pipe(Effect.provide(GraphServer.layerMemory({ kind })))
    )
  }
})

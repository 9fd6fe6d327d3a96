/** rclone's mount and ours on the same drive, and somebody who changes it from outside. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../../src/graph-server/GraphServer.ts"
import { bytesOf } from "../api.ts"
import { absent, faces, rcloneConfig, run, stepsOf, succeeded, temporaryFolder, versionOf } from "./clients.ts"
import { gone, mounted, shows, text, write } from "./mounting.ts"

const version = versionOf("rclone", "--version")
const hasFuse = versionOf("fusermount3", "--version") !== undefined
if (version !== undefined && !hasFuse) absent("mounts", "fusermount3 is not installed")

const program = join(import.meta.dirname, "../../../dist/main.js")

describe.skipIf(version === undefined || !hasFuse)("mounts", () => {
  it.live("of rclone and of ours show the same drive while others change it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const dir = join(folder, "drive")
      const work = Effect.gen(function* () {
        const step = stepsOf("rclone mount + ours")
        const { env, token } = yield* faces
        const { url } = yield* GraphServer.serveHttp()
        const admin = yield* GraphServer.DriveAdmin
        yield* admin.createFolder("/docs")
        yield* admin.putFile("/docs/a.txt", "from the start\n")
        yield* admin.putFile("/large.bin", bytesOf(25 * 1024 * 1024))
        const config = join(folder, "rclone.conf")
        writeFileSync(config, rcloneConfig(admin.driveId, "personal", token))
        const [theirs, ours] = [join(folder, "rclone"), join(folder, "onemount")]

        /** Somebody else, by the command line. */
        const drive = (command: string, ...args: ReadonlyArray<string>) =>
          Effect.map(
            run(process.execPath, [program, "drive", command, "--url", url, "--dir", dir, ...args], {}),
            succeeded
          )

        yield* step(
          "rclone mounts",
          mounted(
            theirs,
            "rclone",
            [
              "--config",
              config,
              "mount",
              "od:",
              theirs,
              "--vfs-cache-mode",
              "writes",
              "--dir-cache-time",
              "1s",
              "--poll-interval",
              "1s"
            ],
            env
          )
        )
        const args = [
          "mount",
          "--graph-url",
          `${url}/v1.0`,
          "--token-file",
          join(dir, "token"),
          "--set",
          "sync.interval=5s"
        ]
        yield* step(
          "we mount beside it",
          mounted(ours, process.execPath, [program, ...args, "--cache-dir", join(folder, "cache"), ours], {})
        )
        assert.strictEqual(yield* text(join(theirs, "docs/a.txt")), "from the start\n")

        const file = join(folder, "new.txt")
        writeFileSync(file, "put from outside\n")
        yield* drive("put", file, "/docs/")
        yield* step(
          "a file put outside appears in both",
          Effect.andThen(
            shows(join(theirs, "docs/new.txt"), "put from outside\n"),
            shows(join(ours, "docs/new.txt"), "put from outside\n")
          )
        )
        writeFileSync(file, "changed outside, and longer\n")
        yield* drive("put", file, "/docs/")
        yield* step(
          "new content put outside appears in both",
          Effect.andThen(
            shows(join(theirs, "docs/new.txt"), "changed outside, and longer\n"),
            shows(join(ours, "docs/new.txt"), "changed outside, and longer\n")
          )
        )
        yield* drive("mv", "/docs/new.txt", "/moved.txt")
        yield* drive("rm", "/docs/a.txt")
        yield* step(
          "moves and deletes outside appear in both",
          Effect.all([
            shows(join(theirs, "moved.txt"), "changed outside, and longer\n"),
            shows(join(ours, "moved.txt"), "changed outside, and longer\n"),
            gone(join(theirs, "docs/a.txt")),
            gone(join(ours, "docs/a.txt"))
          ])
        )
        yield* step(
          "what rclone's mount writes appears in ours",
          Effect.andThen(
            write(join(theirs, "by rclone.txt"), "by rclone"),
            shows(join(ours, "by rclone.txt"), "by rclone")
          )
        )
        yield* step(
          "what our mount writes appears in rclone's",
          Effect.andThen(write(join(ours, "by us.txt"), "by us"), shows(join(theirs, "by us.txt"), "by us"))
        )

        const check = yield* step(
          "rclone check of the drive against our mount",
          Effect.map(run("rclone", ["--config", config, "check", "--download", ours, "od:"], env), succeeded)
        )
        assert.include(check.stderr, "0 differences found")
        const listed = yield* Effect.map(
          run("find", [ours, "-type", "f"], {}),
          ({ stdout }) => stdout.trim().split("\n").length
        )
        assert.strictEqual(listed, (yield* admin.tree()).filter(({ kind }) => kind === "file").length)
      })
      yield* Effect.provide(Effect.scoped(work), GraphServer.layer({ dir }))
    })
  )
})

import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as GraphServer from "../../../src/graph-server/GraphServer.ts"
import { bytesOf } from "../api.ts"
import {
  absent,
  background,
  driveFiles,
  eventually,
  faces,
  localFiles,
  run,
  stepsOf,
  succeeded,
  temporaryFolder,
  versionOf
} from "./clients.ts"

const version = versionOf("onedrive", "--version")
/** The client takes its authorities from the system only: ours is put there for its process alone, which needs root. */
const isRoot = process.getuid?.() === 0
if (version === undefined) absent("onedrive", "not installed")
else if (!isRoot) absent("onedrive", "it needs root for a mount namespace of its own")

/** From 2.5 on its monitor lets five minutes pass between polls, whatever its configuration says. */
const nextPoll = /v(2\.[0-4]|1)\./.test(version ?? "") ? "2 minutes" : "7 minutes"

const systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"

const client = Effect.gen(function* () {
  const { env, token, authorityFile } = yield* faces
  // Also makes the authority's file exist before it is read.
  const folder = yield* temporaryFolder
  const confdir = join(folder, "conf")
  const local = join(folder, "OneDrive")
  mkdirSync(confdir)
  const system = existsSync(systemAuthorities) ? readFileSync(systemAuthorities, "utf8") : ""
  const bundle = join(folder, "bundle.crt")
  writeFileSync(bundle, system + readFileSync(authorityFile, "utf8"))
  writeFileSync(
    join(confdir, "config"),
    `sync_dir = "${local}"\napplication_id = "onemount-interop"\nmonitor_interval = "5"\n`
  )
  writeFileSync(join(confdir, "refresh_token"), token)
  const script = `mount --bind "$0" ${systemAuthorities} && exec onedrive "$@"`
  const home = { ...env, HOME: folder, XDG_CONFIG_HOME: folder }
  const command = (mode: string) => ["-m", "sh", "-c", script, bundle, "--confdir", confdir, mode, "--verbose"]
  return {
    local,
    sync: () => Effect.map(run("unshare", command("--synchronize"), home), succeeded),
    /** Goes on until the scope ends. */
    monitor: background("unshare", command("--monitor"), home)
  }
})

describe.skipIf(version === undefined || !isRoot)("onedrive", () => {
  for (const kind of ["personal", "business"] as const) {
    it.live(`synchronises a ${kind} drive both ways`, () =>
      Effect.gen(function* () {
        const step = stepsOf(`${version} ${kind}`)
        const admin = yield* GraphServer.DriveAdmin
        const { local, sync } = yield* client
        yield* admin.createFolder("/Documents")
        yield* admin.putFile("/Documents/from the drive.txt", "one\n")
        yield* admin.putFile("/large.bin", bytesOf(25 * 1024 * 1024))
        yield* admin.putFile("/empty", "")
        yield* step("first sync brings everything down", sync())
        assert.deepStrictEqual(localFiles(local), yield* driveFiles())

        mkdirSync(join(local, "new folder"))
        writeFileSync(join(local, "new folder/small.txt"), "small\n")
        writeFileSync(join(local, "new folder/empty"), "")
        writeFileSync(join(local, "new folder/large.bin"), bytesOf(25 * 1024 * 1024 + 1))
        appendFileSync(join(local, "Documents/from the drive.txt"), "two\n")
        yield* step("local changes go up", sync())
        assert.deepStrictEqual(localFiles(local), yield* driveFiles())
        assert.strictEqual((yield* admin.tree()).length, 8)

        yield* admin.replace("/new folder/small.txt", "changed outside\n")
        yield* admin.rename("/Documents", "Papers")
        yield* admin.delete("/empty")
        rmSync(join(local, "large.bin"))
        yield* step("changes of both sides meet", sync())
        assert.deepStrictEqual(localFiles(local), yield* driveFiles())
        assert.strictEqual(readFileSync(join(local, "new folder/small.txt"), "utf8"), "changed outside\n")
        assert.isFalse(existsSync(join(local, "empty")))
        const log = yield* GraphServer.RequestLog
        const before = yield* log.count("PUT")
        yield* step("nothing left to do", sync())
        assert.strictEqual(yield* log.count("PUT"), before)
      }).pipe(Effect.provide(GraphServer.layerMemory({ kind })))
    )
  }

  it.live("follows both sides in monitor mode", () =>
    Effect.gen(function* () {
      const step = stepsOf(`${version} personal`)
      const admin = yield* GraphServer.DriveAdmin
      const { local, sync, monitor } = yield* client
      yield* admin.createFolder("/Documents")
      yield* sync()
      const { output } = yield* monitor
      const agree = eventually(
        Effect.map(driveFiles(), (files) => existsSync(local) && localFiles(local).join() === files.join())
      )
      yield* eventually(
        Effect.sync(() => /Initializing monitor|Starting a sync|OneDrive monitor interval/.test(output.text))
      )
      yield* admin.putFile("/Documents/by the drive.txt", "from the drive\n")
      yield* step(
        "monitor: a change of the drive comes down",
        Effect.andThen(
          eventually(
            Effect.sync(() => existsSync(join(local, "Documents/by the drive.txt"))),
            nextPoll
          ),
          agree
        )
      )
      writeFileSync(join(local, "Documents/by us.txt"), "from here\n")
      const arrived = eventually(
        Effect.map(driveFiles(), (files) => files.some((line) => line.startsWith("/Documents/by us.txt 10 ")))
      )
      yield* step("monitor: a local change goes up", Effect.andThen(arrived, agree))
      rmSync(join(local, "Documents/by the drive.txt"))
      yield* step(
        "monitor: a local deletion goes up",
        eventually(Effect.map(driveFiles(), (files) => files.every((line) => !line.includes("by the drive"))))
      )
    }).pipe(Effect.scoped, Effect.provide(GraphServer.layerMemory()))
  )
})

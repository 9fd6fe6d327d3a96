/** What is asked before a mount starts, so that bad input is refused before anything is made. */
import { existsSync } from "node:fs"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect } from "effect"
import { type Drive, databaseOf } from "../app.ts"
import { Config } from "../config/Config.ts"
import { check } from "../control/mountpoint.ts"
import { readTokenFile } from "../graph/Auth.ts"
import { expandHome } from "../platform/Paths.ts"
import { failure } from "./exit.ts"

/** Where the mount goes: an empty directory apart from everything the daemon reads and writes; its canonical path. */
export const checkMountpoint = Effect.fn("cli.checkMountpoint")(function* (
  mountpoint: string,
  drive: Drive,
  cache: string
) {
  const { current, file } = yield* Config
  const { log } = yield* current
  const ownPaths = [
    { path: cache, what: "cache directory" },
    drive._tag === "Embedded"
      ? { path: drive.dir, what: "folder of the embedded drive" }
      : { path: drive.tokenFile, what: "token file" },
    { path: file, what: "configuration file" },
    ...(log.file === "" ? [] : [{ path: expandHome(process.env, log.file), what: "log file" }])
  ]
  return yield* Effect.mapError(check({ env: process.env, mountpoint, ownPaths }), (error) =>
    failure("mountpoint", error.message)
  )
})

/** Without a token a known drive still serves what is here; a new one would have nothing to show. */
export const checkToken = Effect.fn("cli.checkToken")(function* (drive: Drive, cache: string) {
  if (drive._tag === "Embedded" || existsSync(databaseOf(cache))) return
  yield* readTokenFile(drive.tokenFile).pipe(
    Effect.mapError((error) => failure("signIn", error.message)),
    Effect.provide(NodeFileSystem.layer)
  )
})

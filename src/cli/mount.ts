/** `onemount mount`: from flags to a running mount, here or in a daemon. */
import { createHash } from "node:crypto"
import { basename, join } from "node:path"
import { Console, Effect, Option } from "effect"
import { type Drive, runMount } from "../app.ts"
import { Config, type Values } from "../config/Config.ts"
import { cacheDirectory, expandHome } from "../platform/Paths.ts"
import type { ConfigOptions } from "./commands.ts"
import { daemonLayer } from "./daemon.ts"
import { detachDaemon, tellFailure, tellMounted } from "./detach.ts"
import { type Failure, failure } from "./exit.ts"
import { checkMountpoint, checkToken } from "./preflight.ts"
import { absolute, portProblem, sourcesOf } from "./settings.ts"
import { version } from "./version.ts"

export interface MountFlags extends ConfigOptions {
  readonly mountpoint: string
  readonly embedded: Option.Option<string>
  readonly sample: boolean
  readonly port: Option.Option<number>
  readonly graphUrl: Option.Option<string>
  readonly tokenFile: Option.Option<string>
  readonly cacheDir: Option.Option<string>
  readonly foreground: boolean
  readonly daemon: boolean
}

export const mountCommand = Effect.fn("cli.mount")(function* (flags: MountFlags) {
  yield* checkFlags(flags)
  const sources = sourcesOf(flags, [
    { key: "graph.url", flag: "--graph-url", value: flags.graphUrl },
    { key: "graph.tokenFile", flag: "--token-file", value: Option.map(flags.tokenFile, absolute) },
    { key: "cache.directory", flag: "--cache-dir", value: Option.map(flags.cacheDir, absolute) }
  ])
  const mount = Effect.gen(function* () {
    const values = yield* Effect.flatMap(Config, (config) => config.current)
    const drive = yield* driveOf(flags, values)
    const cache = cacheOf(values, drive)
    yield* checkToken(drive, cache)
    const mountpoint = yield* checkMountpoint(absolute(flags.mountpoint), drive, cache)
    return yield* flags.daemon ? detachDaemon(cache, process.argv) : serveMount(mountpoint, drive, cache)
  })
  yield* mount.pipe(
    Effect.provide(daemonLayer(sources)),
    Effect.catchTag("ConfigError", (error) => Effect.fail(failure("usage", error.message)))
  )
}, tellFailure)

const checkFlags = (flags: MountFlags): Effect.Effect<void, Failure> => {
  // A script's variable that was not set must not mean the working directory.
  if (flags.mountpoint === "") return failure("usage", "MOUNTPOINT is empty")
  const remote = Option.isSome(flags.graphUrl) || Option.isSome(flags.tokenFile)
  if (Option.isSome(flags.embedded) && remote) {
    return failure("usage", "--embedded serves its own drive: leave out --graph-url and --token-file")
  }
  if (flags.sample && Option.isNone(flags.embedded)) return failure("usage", "--sample needs --embedded DIR")
  if (Option.isSome(flags.port)) {
    if (Option.isNone(flags.embedded)) return failure("usage", "--port needs --embedded DIR")
    const problem = portProblem(flags.port.value)
    if (problem !== undefined) return failure("usage", problem)
  }
  if (flags.foreground && flags.daemon) return failure("usage", "choose one of --foreground and --daemon")
  return Effect.void
}

const driveOf = (flags: MountFlags, { graph }: Values): Effect.Effect<Drive, Failure> => {
  if (Option.isSome(flags.embedded)) {
    return Effect.succeed({
      _tag: "Embedded",
      dir: absolute(flags.embedded.value),
      sample: flags.sample,
      port: Option.getOrUndefined(flags.port)
    })
  }
  if (graph.tokenFile === "") {
    return failure(
      "signIn",
      "no account: give a bearer token with --token-file FILE (or graph.tokenFile in the configuration), " +
        "or try an embedded drive with --embedded DIR"
    )
  }
  return Effect.succeed({ _tag: "Remote", url: graph.url, tokenFile: expandHome(process.env, graph.tokenFile) })
}

/** One folder per drive: two accounts must never share a tree. */
const cacheOf = ({ cache }: Values, drive: Drive): string => {
  if (cache.directory !== "") return absolute(cache.directory)
  const identity = drive._tag === "Embedded" ? drive.dir : `${drive.url} ${drive.tokenFile}`
  const label = drive._tag === "Embedded" ? basename(drive.dir) : new URL(drive.url).hostname
  return join(
    cacheDirectory(process.env),
    `${label}-${createHash("sha256").update(identity).digest("hex").slice(0, 12)}`
  )
}

const serveMount = Effect.fnUntraced(function* (mountpoint: string, drive: Drive, cache: string) {
  const ended = yield* runMount({
    mountpoint,
    drive,
    cacheDirectory: cache,
    version,
    onMounted: () => Effect.andThen(Console.log(`mounted ${mountpoint}`), tellMounted(mountpoint))
  }).pipe(Effect.mapError(explain))
  if (ended.failed) return yield* failure("failed", `the mount ended: ${ended.reason}; the log has the cause`)
  if (!ended.forced) return
  const unwritten =
    ended.unwritten === 0 ? "" : `; ${ended.unwritten} waiting writes were not made, their programs got ECONNABORTED`
  return yield* failure("forced", `the mount was torn down by force (${ended.reason})${unwritten}`)
})

/** Every way in which a mount does not come about, with its exit status. */
const explain = (error: Effect.Error<ReturnType<typeof runMount>>): Failure => {
  switch (error._tag) {
    case "FuseError":
      return failure("mountpoint", error.message)
    case "DirectoryUnusable":
      return failure("inUse", `the cache ${error.message}: give another --cache-dir`)
    case "DirectoryLocked":
      return failure("inUse", `the cache ${error.message}: unmount that first, or give another --cache-dir`)
    case "FirstContactError":
      return failure(error.reason === "SignIn" ? "signIn" : "failed", error.message)
    case "MountDatabaseError":
    case "ContentError":
    case "DriveFolderError":
    case "ServeError":
      return failure("inUse", error.message)
    default:
      return failure("failed", error.message)
  }
}

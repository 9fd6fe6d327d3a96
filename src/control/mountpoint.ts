/**
 * Whether a mount can go to a directory, asked before anything starts. A dead mount of a crashed run (the kernel
 * answers ENOTCONN) is cleared; everything else that is in the way is an error that says what to do.
 *
 * Assumption: whatever is mounted there may hang, our own mounts of crashed runs included. So the mount table is asked
 * first, and a mounted filesystem is only touched by a child process with a limit.
 */
import { constants, existsSync, readdirSync, realpathSync, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { Effect, Schema } from "effect"
import * as MountTable from "../platform/MountTable.ts"
import { accessible, linkTarget, longestLinkChain } from "../platform/PathChecks.ts"
import { type Environment, isWithin } from "../platform/Paths.ts"
import { commandLine, run, runScript } from "../platform/Processes.ts"
import { directory, list } from "./registry.ts"

/** Why a directory cannot become a mountpoint; the message says what to do. */
export class MountpointError extends Schema.TaggedError<MountpointError>()("MountpointError", {
  reason: Schema.Literals(["NoFuse", "Missing", "NotDirectory", "NotEmpty", "NoAccess", "Mounted", "Dead", "Overlaps"]),
  message: Schema.String
}) {}

const refuse = (reason: MountpointError["reason"], message: string) =>
  Effect.fail(new MountpointError({ reason, message }))

/** How long a mounted filesystem may take to answer, in milliseconds. */
const probeLimit = 2000

/** `silent`: nothing within the limit. */
export type Answer = "alive" | "dead" | "silent"

/** Of all calls: statfs(2) is the one that the kernel never answers from its caches, which outlive the daemon. */
const probeScript = `
try { require("node:fs").statfsSync(process.argv[1]) }
catch (error) { process.exit(["ENOTCONN", "ECONNABORTED"].includes(error.code) ? 10 : 11) }`

/**
 * Asks what is mounted at `path` through a child. Any answer but that there is no connection, or that it ended meanwhile,
 * means somebody serves it, errors included.
 */
export const probe = (path: string): Effect.Effect<Answer> =>
  Effect.map(runScript(probeScript, [path], { timeout: probeLimit }), ({ code, timedOut }) =>
    timedOut ? "silent" : code === 10 ? "dead" : "alive"
  )

/** Detaches a mount that nobody serves. */
export const detach = Effect.fn("mountpoint.detach")(function* (path: string) {
  const direct = yield* run("umount", ["-l", path], { timeout: probeLimit })
  if (direct.code === 0) return
  const helper = yield* run("fusermount3", ["-u", "-z", path], { timeout: probeLimit })
  if (helper.code === 0 || MountTable.at(MountTable.read(), path) === undefined) return
  return yield* refuse(
    "Dead",
    `${path} is a dead mount of a crashed run and cannot be cleared: ${(helper.stderr || direct.stderr).trim()}. ` +
      `Run \`sudo umount -l ${path}\` and try again.`
  )
})

/** What is asked for, and what it must not get into the way of. */
export interface MountpointOptions {
  readonly env: Environment
  readonly mountpoint: string
  /**
   * Files and directories that the daemon uses, with their names for people: inside the mount it would wait for itself,
   * around it the mount would be part of what it keeps. The runtime directory is always one of them.
   */
  readonly ownPaths: ReadonlyArray<OwnPath>
}

/** Something the daemon uses; `what` names it to people. */
export interface OwnPath {
  readonly path: string
  readonly what: string
}

/** Returns the mountpoint, absolute and without symbolic links. */
export const check = Effect.fn("mountpoint.check")(function* ({ env, mountpoint, ownPaths }: MountpointOptions) {
  yield* checkFuse(env)
  const asked = MountTable.resolveOutside(mountpoint, new Set(MountTable.served(MountTable.read())))
  yield* checkUnmounted(env, asked)
  const path = yield* canonical(asked)
  if (path !== asked) yield* checkUnmounted(env, path)
  for (const own of [{ path: directory(env), what: "runtime directory" }, ...ownPaths]) yield* checkApart(path, own)
  yield* checkDirectory(path)
  return path
})

const checkApart = (mountpoint: string, { path, what }: OwnPath): Effect.Effect<void, MountpointError> => {
  const own = canonicalPrefix(resolve(path))
  const choose = "choose another folder for one of them"
  if (own === mountpoint) return refuse("Overlaps", `the mountpoint ${mountpoint} is the ${what}, too: ${choose}`)
  if (isWithin(mountpoint, own)) {
    return refuse("Overlaps", `the ${what} ${own} lies inside the mountpoint ${mountpoint}: ${choose}`)
  }
  if (isWithin(own, mountpoint)) {
    return refuse("Overlaps", `the mountpoint ${mountpoint} lies inside the ${what} ${own}: ${choose}`)
  }
  return Effect.void
}

const checkFuse = (env: Environment): Effect.Effect<void, MountpointError> => {
  if (!existsSync("/dev/fuse")) {
    return refuse(
      "NoFuse",
      "there is no /dev/fuse: run `sudo modprobe fuse`; in a container, start it with --device /dev/fuse --cap-add SYS_ADMIN"
    )
  }
  if (!accessible("/dev/fuse", constants.R_OK | constants.W_OK)) {
    return refuse("NoFuse", "/dev/fuse may not be opened: run `sudo chmod 666 /dev/fuse`, or add yourself to its group")
  }
  const helper = (env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, "fusermount3")))
  return helper || process.getuid?.() === 0
    ? Effect.void
    : refuse("NoFuse", "fusermount3 is missing: install the package fuse3 (apt, dnf, pacman and zypper call it so)")
}

/** Clears dead mounts, several on top of each other too, and refuses living ones. */
const checkUnmounted = Effect.fnUntraced(function* (env: Environment, path: string) {
  for (let layers = 0; layers < 10; layers++) {
    const mount = MountTable.at(MountTable.read(), path)
    if (mount === undefined) return
    const answer = mount.type.startsWith("fuse") ? yield* probe(path) : "alive"
    if (answer !== "dead") return yield* refuse("Mounted", yield* describeMount(env, mount, answer))
    yield* Effect.logWarning(`clearing the dead mount of a crashed run at ${path}`)
    yield* detach(path)
  }
  return yield* refuse("Dead", `more than 10 dead mounts at ${path}: run \`sudo umount -l ${path}\` until it is free`)
})

const describeMount = Effect.fnUntraced(function* (env: Environment, mount: MountTable.Mount, answer: Answer) {
  const owner = (yield* list(env)).find((entry) => entry.mountpoint === mount.mountpoint)
  const silence = answer === "silent" ? ", which does not answer" : ""
  if (owner === undefined) {
    return (
      `${mount.mountpoint} is already mounted (${mount.source}, type ${mount.type}${silence}): ` +
      `unmount it with \`umount ${mount.mountpoint}\`, or choose another folder`
    )
  }
  const command = commandLine(owner.pid)
  return (
    `${mount.mountpoint} is already mounted by process ${owner.pid} (${command}${silence}): ` +
    `unmount it with \`onemount unmount ${mount.mountpoint}\`, or choose another folder`
  )
})

const canonical = (path: string): Effect.Effect<string, MountpointError> =>
  Effect.try({
    try: () => realpathSync(path),
    catch: (cause) => fromErrno(path, cause as NodeJS.ErrnoException)
  })

const fromErrno = (path: string, { code, message }: NodeJS.ErrnoException): MountpointError => {
  switch (code) {
    case "ENOENT":
      return new MountpointError({
        reason: "Missing",
        message: `the mountpoint ${path} does not exist: create it with \`mkdir -p ${path}\``
      })
    case "ENOTDIR":
      return new MountpointError({
        reason: "NotDirectory",
        message: `${path} is not in a directory: a part of it is a file`
      })
    default:
      return new MountpointError({ reason: "NoAccess", message: `the mountpoint ${path} cannot be used: ${message}` })
  }
}

const checkDirectory = Effect.fnUntraced(function* (path: string) {
  const isDirectory = yield* Effect.try({
    try: () => statSync(path).isDirectory(),
    catch: (cause) => fromErrno(path, cause as NodeJS.ErrnoException)
  })
  if (!isDirectory) return yield* refuse("NotDirectory", `the mountpoint ${path} is a file: give an empty directory`)
  const names = yield* Effect.try({
    try: () => readdirSync(path),
    catch: (cause) => fromErrno(path, cause as NodeJS.ErrnoException)
  })
  if (names.length > 0) {
    const shown = names.sort().slice(0, 5).join(", ")
    const more = names.length > 5 ? ` and ${names.length - 5} more` : ""
    return yield* refuse("NotEmpty", `the mountpoint ${path} is not empty (${shown}${more}): give an empty directory`)
  }
  // fusermount3 asks for the same of everybody but root.
  if (!accessible(path, constants.W_OK)) {
    return yield* refuse("NoAccess", `you may not write to the mountpoint ${path}: give a directory of your own`)
  }
})

/** Like realpath for a path whose end does not exist yet; links to what does not exist are followed, too. */
const canonicalPrefix = (path: string, links = longestLinkChain): string => {
  try {
    return realpathSync(path)
  } catch {
    if (path === "/") return path
    const place = join(canonicalPrefix(dirname(path), links), basename(path))
    const target = links > 0 ? linkTarget(place) : undefined
    return target === undefined ? place : canonicalPrefix(resolve(dirname(place), target), links - 1)
  }
}

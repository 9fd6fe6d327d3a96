/**
 * What `onemount doctor` looks at on this machine. Each check tells what it found, what that means, and what to do.
 */
import { constants, existsSync, readFileSync } from "node:fs"
import { release } from "node:os"
import { libfuseVersion } from "@onemount/fuse-native"
import { Effect } from "effect"
import { accessible } from "../platform/PathChecks.ts"
import { openFileLimit, run } from "../platform/Processes.ts"

export interface Check {
  /** Stable, for scripts: `kernel`, `cache.space`, `feature.epoch`. */
  readonly name: string
  /** `warn`: a mount works, but not as well as it could. `fail`: it does not. */
  readonly result: "ok" | "warn" | "fail"
  readonly found: string
  readonly meaning: string
  /** What to do; empty when nothing. */
  readonly advice: string
}

/** A check with nothing wrong. */
export const check = (name: string, found: string, meaning: string): Check => ({
  name,
  result: "ok",
  found,
  meaning,
  advice: ""
})

/** The check as it is when all is well, else with advice. */
export const unless = (fine: boolean, worst: "warn" | "fail", given: Check, advice: string): Check =>
  fine ? given : { ...given, result: worst, advice }

const versionOf = (text: string): readonly [number, number] => {
  const [major = 0, minor = 0] = text.split(".").map((part) => Number.parseInt(part, 10))
  return [major, minor]
}

const atLeast = (text: string, major: number, minor: number): boolean => {
  const [ownMajor, ownMinor] = versionOf(text)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

/** A line of a file of /proc that may not be there. */
const lineOf = (path: string, start: string): string => {
  if (!existsSync(path)) return ""
  const line = readFileSync(path, "utf8")
    .split("\n")
    .find((text) => text.startsWith(start))
  return line?.slice(start.length).trim() ?? ""
}

/** Node, kernel and libfuse. */
export const versions = (): ReadonlyArray<Check> => [
  unless(
    atLeast(process.versions.node, 20, 0),
    "fail",
    check("node", `Node ${process.versions.node}`, "runs the daemon"),
    "install Node 20 or newer"
  ),
  unless(
    atLeast(release(), 5, 4),
    "fail",
    unless(
      atLeast(release(), 6, 16),
      "warn",
      check("kernel", `Linux ${release()}`, "names that changed under another spelling are right at once from 6.16 on"),
      "a newer kernel; until then such names can be wrong for milliseconds (docs/SEMANTICS.md, N13)"
    ),
    "a kernel from 5.4 on"
  ),
  check(
    "libfuse",
    `libfuse ${libfuseVersion()}`,
    "talks to the kernel; part of the addon where it was built statically"
  )
]

/** The way to the kernel (fuse(4)). */
export const device = (): Check => {
  const given = check("fuse", "/dev/fuse can be opened", "the way from the kernel to the daemon")
  if (!existsSync("/dev/fuse")) {
    const advice = "`sudo modprobe fuse`; in a container, --device /dev/fuse --cap-add SYS_ADMIN"
    return { ...given, result: "fail", found: "there is no /dev/fuse", advice }
  }
  const open = accessible("/dev/fuse", constants.R_OK | constants.W_OK)
  const found = open ? given.found : "/dev/fuse may not be opened"
  return unless(open, "fail", { ...given, found }, "`sudo chmod 666 /dev/fuse`, or add yourself to its group")
}

/** CAP_SYS_ADMIN, capabilities(7). */
const administrator = (): boolean => (BigInt(`0x${lineOf("/proc/self/status", "CapEff:") || "0"}`) & (1n << 21n)) !== 0n

/** Who cannot mount itself needs fusermount3; it is run for its version, for at most 2 s. */
export const helper: Effect.Effect<Check> = Effect.gen(function* () {
  const { code, stdout } = yield* run("fusermount3", ["--version"], { timeout: 2000 })
  const found = code === 0 ? stdout.trim() : "fusermount3 is missing"
  return unless(
    code === 0,
    administrator() ? "warn" : "fail",
    check("fusermount3", found, "mounts and unmounts for users without privilege"),
    "install the package fuse3"
  )
})

/** What this process may do: mounting, its user namespace (user_namespaces(7)) and open files. */
export const privileges = (): ReadonlyArray<Check> => {
  const [, , count] = readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/)
  const initial = count === "4294967295"
  const files = openFileLimit()
  return [
    check(
      "privileges",
      `user ${process.getuid?.() ?? "?"}, ${administrator() ? "may mount itself" : "mounts through fusermount3"}`,
      "only who may mount itself can pass reads and writes through to local files"
    ),
    check(
      "namespace",
      initial ? "the initial user namespace" : "a user namespace of its own",
      "in a namespace of its own the mount is seen only there, and nothing is passed through"
    ),
    unless(
      files >= 256,
      "fail",
      unless(
        files >= 4096,
        "warn",
        check("descriptors", `${files} open files`, "each open file of the mount takes one, besides a few dozen"),
        "`ulimit -n 4096` or more before mounting, or LimitNOFILE= in the unit"
      ),
      "`ulimit -n 4096` before mounting"
    )
  ]
}

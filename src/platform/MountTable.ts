/**
 * The kernel's mount table as this process sees it (proc_pid_mountinfo(5)). Reading it never touches the mounted
 * filesystems, which is why it is the first thing asked about a path that may be a dead mount.
 */
import { readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { linkTarget, longestLinkChain } from "./PathChecks.ts"

/** One line of the table. */
export interface Mount {
  readonly mountpoint: string
  /** `fuse.onemount`, `ext4`, ... */
  readonly type: string
  readonly source: string
}

/** Space, tab, newline and backslash are written as three octal digits. */
const unescape = (field: string): string =>
  field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** From the text of /proc/self/mountinfo, in its order. */
export const parse = (table: string): ReadonlyArray<Mount> =>
  table.split("\n").flatMap((line) => {
    // A variable number of optional fields ends with a lone "-".
    const [head = "", tail = ""] = line.split(" - ")
    const mountpoint = head.split(" ")[4]
    const [type, source] = tail.split(" ")
    if (mountpoint === undefined || type === undefined || type === "") return []
    return [{ mountpoint: unescape(mountpoint), type: unescape(type), source: unescape(source ?? "") }]
  })

/** Throws what reading /proc throws; there is no Linux without it. */
export const read = (): ReadonlyArray<Mount> => parse(readFileSync("/proc/self/mountinfo", "utf8"))

/** The topmost mount exactly at `path`. */
export const at = (mounts: ReadonlyArray<Mount>, path: string): Mount | undefined =>
  mounts.findLast((mount) => mount.mountpoint === path)

/** Mountpoints of filesystems that a process serves: looking at one could wait for that process. */
export const served = (mounts: ReadonlyArray<Mount>): ReadonlyArray<string> =>
  mounts.filter(({ type }) => type.startsWith("fuse")).map(({ mountpoint }) => mountpoint)

/**
 * `path` with symbolic links resolved up to the first mountpoint on the way: from there on every look could wait for
 * a daemon.
 */
export const resolveOutside = (path: string, mountpoints: ReadonlySet<string>): string => {
  let done = "/"
  let rest = resolve(path).split("/").filter(Boolean)
  for (let links = 0; rest.length > 0;) {
    const next = join(done, rest[0] ?? "")
    if (mountpoints.has(next)) return join(next, ...rest.slice(1))
    const target = links < longestLinkChain ? linkTarget(next) : undefined
    if (target === undefined) {
      done = next
      rest = rest.slice(1)
      continue
    }
    links++
    rest = [...resolve(dirname(next), target).split("/").filter(Boolean), ...rest.slice(1)]
    done = "/"
  }
  return done
}

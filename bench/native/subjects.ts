/** The mounts of bench/native.ts: every server over the same folder, with the same options for the same kind of work. */
import { once } from "node:events"
import { mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import type { MountOptions } from "@onemount/fuse-native"
import { exec, type Server, serving, start } from "../subjects.ts"
import type { Peer } from "./peers.ts"
import { fuseNativeLibraries } from "./peers.ts"

/**
 * `cached`: the kernel keeps names, attributes and pages for a day. `uncached`: it keeps nothing, and checks
 * permissions itself. `direct`: pages are not cached (FOPEN_DIRECT_IO). `javascript`: as `uncached`, with every request
 * answered by JavaScript. `passthrough`: as `cached`, and the kernel reads and writes files itself.
 */
export type Kind = "cached" | "uncached" | "direct" | "javascript" | "passthrough"

export interface Mounted {
  readonly name: string
  readonly directory: string
  readonly pid: number | undefined
  /** Sends a line to our server and waits for its answer. */
  say(line: string): Promise<string>
  stop(): Promise<void>
}

const day = "86400"
const silent = async (): Promise<string> => ""

export const local = (source: string): Mounted => ({
  name: "ext4",
  directory: source,
  pid: undefined,
  say: silent,
  stop: async () => undefined
})

const mounted = async (name: string, folder: string, server: (directory: string) => Server, line?: RegExp) => {
  const directory = join(folder, name.replaceAll(" ", "-"))
  await mkdir(directory)
  const running = server(directory)
  const stop = await serving(running, directory, line)
  return { name, directory, pid: running.process.pid, say: silent, stop, running }
}

const serverArguments: Readonly<Record<Kind, readonly [timeout: string, ...flags: ReadonlyArray<string>]>> = {
  cached: [day],
  uncached: ["0"],
  direct: [day, "direct"],
  javascript: ["0", "javascript"],
  passthrough: [day, "passthrough"]
}

/** With other mount options than usual where they are given, and then under a name of its own. */
export const ours = async (
  kind: Kind,
  source: string,
  folder: string,
  options: Partial<MountOptions> = {},
  name = `ours ${kind}`
): Promise<Mounted> => {
  const program = join(import.meta.dirname, "server.ts")
  const [seconds, ...flags] = serverArguments[kind]
  const server = (directory: string) =>
    start(process.execPath, [program, source, directory, seconds, JSON.stringify(options), ...flags])
  const { running, ...subject } = await mounted(name, folder, server, /^mounted$/m)
  const lines = createInterface({ input: running.process.stdout! })
  const say = async (line: string): Promise<string> => {
    const answered = once(lines, "line")
    running.process.stdin!.write(`${line}\n`)
    return String((await answered)[0])
  }
  return { ...subject, say }
}

/** The examples keep a descriptor for each inode the kernel knows. */
const withDescriptors = (...command: ReadonlyArray<string>): Server =>
  start("sh", ["-ec", 'ulimit -n "$(ulimit -H -n)"; exec "$@"', "sh", ...command])

const llOptions: Readonly<Record<Exclude<Kind, "passthrough">, string>> = {
  cached: `cache=always,timeout=${day}`,
  uncached: "cache=auto,timeout=0",
  direct: `cache=never,timeout=${day}`,
  javascript: "cache=auto,timeout=0"
}

export const passthroughLl = async (
  peer: Peer,
  kind: keyof typeof llOptions,
  source: string,
  folder: string
): Promise<Mounted> => {
  if ("absent" in peer) throw new Error(peer.absent)
  const options = `default_permissions,source=${source},${llOptions[kind]}`
  return await mounted(`passthrough_ll ${kind}`, folder, (at) => withDescriptors(peer.path, "-f", "-o", options, at))
}

/** Sets default_permissions itself; cached is its default. */
export const passthroughHp = async (peer: Peer, source: string, folder: string): Promise<Mounted> => {
  if ("absent" in peer) throw new Error(peer.absent)
  return await mounted("passthrough_hp", folder, (at) => withDescriptors(peer.path, source, at, "--foreground"))
}

export const fuseNative = async (peer: Peer, kind: Kind, source: string, folder: string): Promise<Mounted> => {
  if ("absent" in peer) throw new Error(peer.absent)
  const program = join(import.meta.dirname, "fuse-native-server.ts")
  const env = { ...process.env, LD_LIBRARY_PATH: fuseNativeLibraries }
  const args = (at: string) => [program, peer.path, source, at, kind === "uncached" ? "0" : day]
  return await mounted(`fuse-native ${kind}`, folder, (at) => start(process.execPath, args(at), env), /^mounted$/m)
}

/** Lets all threads of a server run on `cpus` only (taskset's list). */
export const pin = async ({ pid }: Mounted, cpus: string): Promise<void> => {
  if (pid !== undefined) await exec("taskset", ["-a", "-p", "-c", cpus, String(pid)])
}

/** Waits until a server has done nothing for a while (forgets come after the fact), for at most five seconds. */
export const idle = async ({ pid }: Mounted): Promise<void> => {
  if (pid === undefined) return
  // utime and stime of all threads, in ticks of 10 ms (proc(5)).
  const ticks = async () =>
    (await readFile(`/proc/${pid}/stat`, "utf8"))
      .replace(/^.*\) /s, "")
      .split(" ")
      .slice(11, 13)
  let before = await ticks()
  for (let round = 0; round < 100; round++) {
    await sleep(50)
    const after = await ticks()
    if (after.join() === before.join()) return
    before = after
  }
}

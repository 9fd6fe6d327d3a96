/** The filesystems under test: how each is made, settles after changes, and goes away whatever happens. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { output } from "./report.ts"

/** A filesystem under test: a directory to work in and how to end it. */
export interface Subject {
  readonly name: string
  readonly directory: string
  /** Waits until nothing of what was changed is still worked on, so that it does not slow down the next measurement. */
  settle(): Promise<void>
  /** Afterwards no process and no mount is left. */
  stop(): Promise<void>
}

const example = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"
export const program = join(import.meta.dirname, "../dist/main.js")

/** Limits for mounting, settling and unmounting, in milliseconds. */
const mountLimit = 15_000
const settleLimit = 60_000
const stopLimit = 20_000

export const exec = (command: string, args: ReadonlyArray<string>, env = process.env): Promise<string> =>
  output(spawn(command, args, { env }), command)

/** Says what is missing before anything is made. */
export const requirements = (): void => {
  if (!existsSync(example)) throw new Error(`${example} is missing: install libfuse3-dev`)
  if (!existsSync(program)) throw new Error(`${program} is missing: npm run build`)
  if (process.getuid?.() !== 0) throw new Error("dropping the kernel's caches for cold runs needs root")
}

export const ext4 = async (root: string): Promise<Subject> => {
  const directory = join(root, "ext4")
  await mkdir(directory)
  return { name: "ext4", directory, settle: async () => undefined, stop: async () => undefined }
}

export const passthrough = async (root: string): Promise<Subject> => {
  const binary = join(root, "passthrough_ll")
  const flags = (await exec("pkg-config", ["--cflags", "--libs", "fuse3"])).trim().split(/\s+/)
  await exec("cc", ["-O2", "-w", "-D_FILE_OFFSET_BITS=64", "-o", binary, example, ...flags])
  const [source, directory] = [join(root, "ll-source"), join(root, "ll")]
  await mkdir(source)
  await mkdir(directory)
  const server = start(binary, ["-f", "-o", `source=${source},cache=always,timeout=86400`, directory])
  return { name: "passthrough_ll", directory, settle: async () => undefined, stop: await serving(server, directory) }
}

export const onemount = async (root: string): Promise<Subject> => {
  const directory = join(root, "onemount")
  await mkdir(directory)
  const env = { ...process.env, XDG_RUNTIME_DIR: join(root, "run") }
  const paths = ["--embedded", join(root, "drive"), "--cache-dir", join(root, "cache"), directory]
  const server = start(process.execPath, [program, "mount", ...paths], env)
  const stop = await serving(server, directory, /^mounted /m)
  const args = [program, "sync", "--wait", "--timeout", String(settleLimit / 1000), directory]
  const settle = async () => {
    await output(spawn(process.execPath, args, { env }), "onemount sync --wait")
  }
  return { name: "onemount", directory, settle, stop }
}

export interface Server {
  readonly process: ChildProcess
  readonly ended: Promise<void>
  /** Both streams so far, shown only when something goes wrong. */
  log(): string
}

export const start = (command: string, args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = process.env): Server => {
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "pipe"] })
  let text = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
  }
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()).on("error", () => resolve()))
  return { process: child, ended, log: () => text }
}

const isMounted = async (directory: string): Promise<boolean> =>
  (await readFile("/proc/self/mountinfo", "utf8")).includes(` ${directory} `)

/** Waits until it is mounted (and, where it says so, has `line` in its output); returns how to end it. */
export const serving = async (server: Server, directory: string, line?: RegExp): Promise<() => Promise<void>> => {
  const stop = () => end(server, directory)
  const deadline = performance.now() + mountLimit
  while (!(await isMounted(directory)) || line?.test(server.log()) === false) {
    const gone = server.process.exitCode !== null || server.process.signalCode !== null
    if (gone || performance.now() > deadline) {
      await stop()
      throw new Error(`${directory} was not mounted:\n${server.log()}`)
    }
    await sleep(20)
  }
  return stop
}

/** SIGTERM unmounts both; what does not listen is killed, and its mount taken away. */
const end = async (server: Server, directory: string): Promise<void> => {
  server.process.kill("SIGTERM")
  const late = new AbortController()
  const inTime = await Promise.race([
    server.ended.then(() => true),
    sleep(stopLimit, false, { signal: late.signal }).catch(() => false)
  ])
  late.abort()
  if (!inTime) server.process.kill("SIGKILL")
  if (await isMounted(directory)) await exec("umount", ["--lazy", directory])
  await server.ended
  if (!inTime) console.error(`${directory} had to be killed:\n${server.log()}`)
}

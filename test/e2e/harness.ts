/**
 * Runs the real program as a person would: `onemount serve` and `onemount mount` as processes, the mount touched only by
 * child processes, the drive read over HTTP. Everything started here ends in `Harness.close`, even when a test fails.
 */
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"

const repository = join(import.meta.dirname, "../..")
const program = join(repository, "dist/main.js")

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

interface RunOptions {
  readonly cwd?: string
  readonly timeout?: number
  readonly env?: Record<string, string>
}

/** A process whose output is kept and whose end can be awaited once or often. */
export class Running {
  stdout = ""
  stderr = ""
  readonly child: ChildProcess
  readonly finished: Promise<Finished>

  constructor(command: string, args: ReadonlyArray<string>, options: RunOptions = {}) {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    this.child = child
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (this.stdout += chunk))
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (this.stderr += chunk))
    const limit = options.timeout === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), options.timeout)
    this.finished = new Promise((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (code, signal) => {
        clearTimeout(limit)
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })
      })
    })
    // A process that is never awaited must not turn a spawn error into an unhandled rejection.
    this.finished.catch(() => undefined)
  }

  /** Resolves with the first stdout line that matches; rejects when the process ends or the time is over. */
  line(pattern: RegExp, timeout: number): Promise<RegExpMatchArray> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(limit)
        this.child.stdout?.off("data", look)
        settle()
      }
      const look = () => {
        const match = this.stdout.match(pattern)
        if (match) done(() => resolve(match))
      }
      const limit = setTimeout(
        () => done(() => reject(new Error(`no ${pattern} within ${timeout} ms\n${this.stdout}\n${this.stderr}`))),
        timeout
      )
      this.child.stdout?.on("data", look)
      void this.finished.then(
        (end) =>
          done(() =>
            reject(new Error(`ended (${end.code ?? end.signal}) before ${pattern}\n${end.stdout}\n${end.stderr}`))
          ),
        (cause: unknown) => done(() => reject(cause))
      )
      look()
    })
  }
}

/** Runs a command to its end. */
export const run = (command: string, args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Finished> =>
  new Running(command, args, { timeout: 300_000, ...options }).finished

/** Runs a shell script to its end and returns stdout; fails with everything it printed. */
export const shell = async (script: string, options: RunOptions = {}): Promise<string> => {
  const end = await run("/bin/sh", ["-euc", script], options)
  if (end.code !== 0) {
    throw new Error(`exit ${end.code ?? end.signal}: ${script}\n${end.stdout}\n${end.stderr}`)
  }
  return end.stdout
}

/** Runs one of the scripts in `actors/` in a process of its own: what touches the mount must not be this process. */
export const actor = async (name: string, args: ReadonlyArray<string>, options: RunOptions = {}): Promise<string> => {
  const end = await run(process.execPath, [join(import.meta.dirname, "actors", `${name}.ts`), ...args], options)
  if (end.code !== 0)
    throw new Error(`actor ${name} ${args.join(" ")}: exit ${end.code ?? end.signal}\n${end.stdout}\n${end.stderr}`)
  return end.stdout
}

/** A file by path: size and quickXorHash; folders have neither. */
export type TreeListing = ReadonlyMap<string, string>

export class Drive {
  readonly url: string
  readonly token: string
  readonly directory: string
  readonly process: Running

  constructor(url: string, token: string, directory: string, process: Running) {
    this.url = url
    this.token = token
    this.directory = directory
    this.process = process
  }

  get port(): string {
    return new URL(this.url).port
  }

  /** One API call; the body is JSON unless it is bytes. */
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const bytes = body instanceof Uint8Array || typeof body === "string"
    return fetch(path.startsWith("http") ? path : `${this.url}/v1.0${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined || bytes ? {} : { "content-type": "application/json" }),
        ...headers
      },
      ...(body === undefined ? {} : { body: bytes ? (body as Uint8Array<ArrayBuffer> | string) : JSON.stringify(body) })
    })
  }

  async json(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<any> {
    const response = await this.call(method, path, body, headers)
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response.status === 204 ? undefined : response.json()
  }

  /** A request to the server's own control, as in docs/embedded-drive.md. */
  async admin(method: string, path: string, body?: unknown): Promise<void> {
    await this.json(method, `${this.url}/_admin/${path}`, body)
  }

  /** The whole drive as `path -> "size hash"` (files) or `path/ -> ""` (folders), read through delta. */
  async listing(): Promise<TreeListing> {
    const items = new Map<string, any>()
    let link: string | undefined = "/me/drive/root/delta"
    while (link !== undefined) {
      const page: any = await this.json("GET", link)
      for (const item of page.value) {
        if (item.deleted) items.delete(item.id)
        else items.set(item.id, item)
      }
      link = page["@odata.nextLink"]
    }
    const pathOf = (item: any): string => {
      if (item.root) return ""
      const parent = items.get(item.parentReference.id)
      if (!parent) throw new Error(`no parent for ${item.name}`)
      return `${pathOf(parent)}/${item.name}`
    }
    const listing = new Map<string, string>()
    for (const item of items.values()) {
      if (item.root) continue
      if (item.folder) listing.set(`${pathOf(item)}/`, "")
      else listing.set(pathOf(item), `${item.size} ${item.file.hashes?.quickXorHash ?? ""}`)
    }
    return listing
  }

  async stop(): Promise<void> {
    this.process.child.kill("SIGTERM")
    await this.process.finished
  }
}

export class Mount {
  readonly path: string
  readonly cache: string
  readonly process: Running
  readonly env: Record<string, string>

  constructor(path: string, cache: string, process: Running, env: Record<string, string>) {
    this.path = path
    this.cache = cache
    this.process = process
    this.env = env
  }

  cli(args: ReadonlyArray<string>, timeout = 120_000): Promise<Finished> {
    return run(process.execPath, [program, ...args], { env: this.env, timeout })
  }

  /** `onemount sync --wait`; fails with the reasons it printed. */
  async sync(timeoutSeconds = 240): Promise<void> {
    const end = await this.cli(
      ["sync", "--wait", "--timeout", String(timeoutSeconds), this.path],
      (timeoutSeconds + 30) * 1000
    )
    if (end.code !== 0)
      throw new Error(
        `sync: exit ${end.code ?? end.signal}\n${end.stdout}\n${end.stderr}\n${this.process.stderr.slice(-4000)}`
      )
  }

  async status(): Promise<any> {
    const end = await this.cli(["status", "--json", this.path])
    if (end.code !== 0) throw new Error(`status: exit ${end.code}\n${end.stderr}`)
    return JSON.parse(end.stdout)
  }

  /** The mount as `Drive.listing` gives the drive. */
  async listing(): Promise<TreeListing> {
    const lines = (await actor("list-tree", [this.path])).split("\n").filter((line) => line !== "")
    return new Map(lines.map((line) => JSON.parse(line) as [string, string]))
  }

  async signal(signal: NodeJS.Signals): Promise<Finished> {
    this.process.child.kill(signal)
    return this.process.finished
  }
}

/** Mount points below `directory` that the kernel still knows. */
export const mountsBelow = (directory: string): ReadonlyArray<string> =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(directory))

export class Harness {
  readonly directory: string
  readonly env: Record<string, string>
  readonly #running: Array<Running> = []

  private constructor(directory: string) {
    this.directory = directory
    this.env = {
      HOME: join(directory, "home"),
      XDG_RUNTIME_DIR: join(directory, "run"),
      XDG_CACHE_HOME: join(directory, "home/.cache"),
      XDG_CONFIG_HOME: join(directory, "home/.config"),
      XDG_DATA_HOME: join(directory, "home/.local/share")
    }
  }

  static async open(): Promise<Harness> {
    if (!existsSync(program)) throw new Error("dist/main.js is missing: run `npm run build`")
    const harness = new Harness(await mkdtemp(join(tmpdir(), "onemount-e2e-")))
    await mkdir(join(harness.directory, "home"))
    await mkdir(join(harness.directory, "run"), { mode: 0o700 })
    return harness
  }

  /** A path in the harness's directory. */
  at(name: string): string {
    return join(this.directory, name)
  }

  /** Runs one command of the program to its end. */
  onemount(...args: ReadonlyArray<string>): Promise<Finished> {
    return run(process.execPath, [program, ...args], { env: this.env, timeout: 60_000 })
  }

  /** The server is not there until `resume`, at the same address. */
  async pause(drive: Drive): Promise<void> {
    await drive.stop()
  }

  async resume(drive: Drive): Promise<Drive> {
    return this.serve(basename(drive.directory), drive.port)
  }

  /** An empty filesystem of its own, for full and read-only disks; needs root. `options` as mount(8) takes them. */
  async tmpfs(name: string, options: string): Promise<string> {
    const path = this.at(name)
    await mkdir(path, { recursive: true })
    await shell(`mount -t tmpfs -o ${options} onemount-test ${path}`)
    return path
  }

  start(args: ReadonlyArray<string>): Running {
    const running = new Running(process.execPath, [program, ...args], { env: this.env })
    this.#running.push(running)
    return running
  }

  async serve(name = "drive", port = "0"): Promise<Drive> {
    const directory = join(this.directory, name)
    const running = this.start(["serve", "--dir", directory, "--port", port])
    const [, url] = await running.line(/^listening (http:\/\/\S+)$/m, 30_000)
    const token = (await readFile(join(directory, "token"), "utf8")).trim()
    return new Drive(url!, token, directory, running)
  }

  /** `cache` is made beside the mountpoint unless it is given. */
  async mount(
    drive: Pick<Drive, "url" | "directory">,
    name = "mnt",
    options: ReadonlyArray<string> = [],
    cache = join(this.directory, `${name}-cache`)
  ): Promise<Mount> {
    const path = join(this.directory, name)
    await mkdir(path, { recursive: true }).catch((cause: NodeJS.ErrnoException) => {
      // A mount that died answers ENOTCONN here; the next mount has to clear it.
      if (cause.code !== "EEXIST" && cause.code !== "ENOTCONN") throw cause
    })
    const running = this.start([
      "mount",
      "--graph-url",
      `${drive.url}/v1.0`,
      "--token-file",
      join(drive.directory, "token"),
      "--cache-dir",
      cache,
      ...options,
      path
    ])
    await running.line(/^mounted /m, 60_000)
    return new Mount(path, cache, running, this.env)
  }

  /** Ends every process and mount of this harness and removes its directory. */
  async close(): Promise<void> {
    for (const running of this.#running.toReversed()) {
      if (running.child.exitCode !== null || running.child.signalCode !== null) continue
      running.child.kill("SIGTERM")
      const limit = setTimeout(() => running.child.kill("SIGKILL"), 30_000)
      await running.finished
      clearTimeout(limit)
    }
    for (const path of mountsBelow(this.directory)) {
      await once(spawn("umount", ["-l", path], { stdio: "ignore" }), "close")
    }
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

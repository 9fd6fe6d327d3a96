/**
 * What the mount tests share: this process serves, child processes touch the mount. Nothing here may look at a
 * mountpoint itself: the thread that would answer is the one that would wait.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ContentId, ContentTable, HandleId, NodeId, Session, StrayReply, rootNodeId } from "../../src/index.ts"
import type {
  Attr,
  ContentEvent,
  ContentOptions,
  MountOptions,
  Request,
  SetAttrRequest,
  WriteLimits
} from "../../src/index.ts"

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly pid: number
  readonly finished: Promise<Finished>
  kill(signal: NodeJS.Signals): void
}

export const start = (command: string, ...args: ReadonlyArray<string>): Running => {
  // A sanitizer that is preloaded into this process is meant for others that load the addon, too, and for nobody else.
  const { LD_PRELOAD: _, ...plain } = process.env
  const env = [command, ...args].includes(process.execPath) ? process.env : plain
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env })
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return { pid: child.pid ?? 0, finished, kill: (signal) => void child.kill(signal) }
}

/** Runs a script in the folder; fails with its words when it exits with something else than 0. */
export const shell = async (folder: string, script: string): Promise<string> => {
  const { code, signal, stderr, stdout } = await start("sh", "-ec", `cd '${folder}'; ${script}`).finished
  if (code !== 0) throw new Error(`exit ${code ?? signal}\n${stdout}${stderr}`)
  return stdout
}

/** Isolated: an import must not look into the folder, which is a filesystem that may not list. */
export const python = async (folder: string, script: string): Promise<string> => {
  const { code, signal, stderr, stdout } = await start(
    "python3",
    "-I",
    "-c",
    `import os\nos.chdir('${folder}')\n${script}`
  ).finished
  if (code !== 0) throw new Error(`exit ${code ?? signal}\n${stdout}${stderr}`)
  return stdout
}

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), "fuse-native-test-"))
export const removeFolder = (path: string): void => rmSync(path, { recursive: true })

export const descriptors = (): number => readdirSync("/proc/self/fd").length
export const threads = (): number => readdirSync("/proc/self/task").length
export const isMounted = (path: string): boolean =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === path)

/** Keeps this thread from doing anything until the file exists; whether it came to be within the limit. */
export const blockUntil = (path: string, limit = 30_000): boolean => {
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  const end = performance.now() + limit
  while (!existsSync(path) && performance.now() < end) Atomics.wait(sleeper, 0, 0, 5)
  return existsSync(path)
}

/** Something that others wait for to become true; they are told by whoever changes what it depends on. */
export class Signal {
  readonly #waiting = new Set<() => void>()

  changed(): void {
    for (const check of this.#waiting) check()
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }
}

const attr = (ino: number, mode: number, size: number): Attr => {
  const time = { sec: 1_700_000_000, nsec: 0 }
  return {
    ino,
    size,
    blocks: Math.ceil(size / 512),
    atime: time,
    mtime: time,
    ctime: time,
    mode,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    blksize: 4096
  }
}

/** The names `f1`, `f2`, ... in a root folder; file N is content N. Requests and events are recorded. */
export class FlatFilesystem {
  readonly folder = temporaryFolder()
  readonly mountpoint = temporaryFolder()
  readonly contents: ContentTable
  readonly session: Session
  readonly seen: Array<Request | ContentEvent> = []
  readonly signal = new Signal()
  /** Answers `dirty`; 0 lets the write go on, less than 0 is left to the test. */
  permission = (): number => 0
  /** Answers `space`: 0 lets the write try again. */
  room = (): number => 28
  /** Names in here are looked up, but nobody answers. */
  readonly silent = new Set<string>()
  /** Opens go through the page cache, and keep it. */
  cached = false
  /** The kernel may serve them itself. */
  passthrough = false
  #closed = false

  constructor(options: Partial<MountOptions> = {}, limits: WriteLimits = {}) {
    this.contents = ContentTable.create(
      () => {
        for (const event of this.contents.take()) {
          this.seen.push(event)
          if (event.op === "fetch") continue
          const errno = event.op === "dirty" ? this.permission() : this.room()
          if (errno < 0) continue
          if (event.op === "dirty") this.contents.replyDirty(event.id, errno)
          else this.contents.replySpace(event.id, errno)
        }
        this.signal.changed()
      },
      { writes: limits }
    )
    const all = { mountpoint: this.mountpoint, fsName: "flat", subtype: "flat", ...options }
    this.session = Session.mount(all, this.contents, () => {
      for (const request of this.session.take()) {
        this.seen.push(request)
        try {
          this.#answer(request)
        } catch (cause) {
          // The binding has ended it meanwhile: its caller was interrupted, or waited for too long on a slow machine.
          if (!(cause instanceof StrayReply)) throw cause
        }
      }
      this.signal.changed()
    })
  }

  add(id: number, options: Partial<ContentOptions> & { readonly size: number }): string {
    const path = join(this.folder, String(id))
    const defaults = { path, create: true, mtime: { sec: 1, nsec: 0 }, valid: [], generation: 0 }
    this.contents.open(ContentId(id), { ...defaults, ...options })
    return join(this.mountpoint, `f${id}`)
  }

  of<Op extends (Request | ContentEvent)["op"]>(op: Op): ReadonlyArray<Extract<Request | ContentEvent, { op: Op }>> {
    return this.seen.filter((one): one is Extract<Request | ContentEvent, { op: Op }> => one.op === op)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.session.unmount({ deadline: 2000 })
    this.contents.dispose()
    removeFolder(this.folder)
    removeFolder(this.mountpoint)
  }

  #attr(node: number): Attr {
    return node === rootNodeId
      ? attr(1, 0o040755, 0)
      : attr(node, 0o100644, this.contents.state(ContentId(node - 1))?.size ?? 0)
  }

  async #setattr({ id, node, size }: SetAttrRequest): Promise<void> {
    if (size !== undefined) await this.contents.truncate(ContentId(node - 1), size)
    this.session.replyAttr(id, this.#attr(node), 100)
  }

  #answer(request: Request): void {
    const { session } = this
    switch (request.op) {
      case "lookup": {
        if (this.silent.has(request.name)) return
        const id = Number(request.name.slice(1))
        if (!Number.isSafeInteger(id) || this.contents.state(ContentId(id)) === undefined) {
          return session.replyNegative(request.id, 0)
        }
        const nodeId = NodeId(id + 1)
        return session.replyEntry(request.id, {
          nodeId,
          generation: 0,
          attr: this.#attr(nodeId),
          attrTimeout: 100,
          entryTimeout: 100
        })
      }
      case "getattr":
        return session.replyAttr(request.id, this.#attr(request.node), 100)
      case "setattr":
        return void this.#setattr(request)
      case "open":
        return session.replyOpen(request.id, {
          handle: HandleId(request.id),
          content: ContentId(request.node - 1),
          keepCache: this.cached,
          directIo: !this.cached,
          passthrough: this.passthrough
        })
      case "flush":
      case "fsync":
        return session.replyOk(request.id)
      case "cancel":
        return session.replyError(request.target, 4)
      case "forget":
      case "release":
      case "drained":
      case "closed":
        return
      default:
        return session.replyError(request.id, 38)
    }
  }
}

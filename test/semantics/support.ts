/**
 * What the tests of docs/SEMANTICS.md share: one drive and one mount per file, and Python in child processes, because
 * system calls and errnos are what the document speaks of. The test process itself never touches a mount.
 */
import { afterAll, beforeAll } from "vitest"
import { Harness, run, Running, shell, type Drive, type Mount } from "../e2e/harness.ts"

/** Milliseconds that a script may take; every promise below is kept within much less. */
const scriptLimit = 60_000

const prelude = `
import ctypes, errno, fcntl, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def errno_of(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"

def checked(result):
    if result != 0: raise OSError(ctypes.get_errno(), "libc")

def renameat2(old, new, flags):
    checked(libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags))

def fallocate(fd, mode, offset, length):
    checked(libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))

def write(path, text):
    with open(path, "w") as file: file.write(text)

def read(path):
    with open(path) as file: return file.read()
`

/** Runs Python in the root of the mount and returns what it printed, line by line. */
export const python = async (mount: Mount, script: string): Promise<ReadonlyArray<string>> => {
  const end = await run("python3", ["-I", "-c", prelude + script], { cwd: mount.path, timeout: scriptLimit })
  if (end.code !== 0) throw new Error(`exit ${end.code ?? end.signal}: ${script}\n${end.stdout}\n${end.stderr}`)
  return end.stdout.split("\n").slice(0, -1)
}

/** Starts Python in the root of the mount; wait for what it prints with `line`, and for its end. */
export const startPython = (mount: Mount, script: string): Running =>
  new Running("python3", ["-I", "-u", "-c", prelude + script], { cwd: mount.path, timeout: scriptLimit })

export const here = (mount: Mount, script: string): Promise<string> =>
  shell(script, { cwd: mount.path, env: mount.env, timeout: scriptLimit })

/** Makes a folder in the server's root; the id of its item. */
export const putFolder = async (drive: Drive, name: string): Promise<string> =>
  (await drive.json("POST", "/me/drive/root/children", { name, folder: {} })).id

/** Makes a file at the server, as a person on another machine would; the id of its item. */
export const put = async (drive: Drive, path: string, body: string | Uint8Array): Promise<string> =>
  (await drive.json("PUT", `/me/drive/root:/${encodeURI(path)}:/content`, body)).id

/** The content of a file at the server; undefined when it is not there. */
export const at = async (drive: Drive, path: string): Promise<string | undefined> => {
  const response = await drive.call("GET", `/me/drive/root:/${encodeURI(path)}:/content`)
  if (response.status === 404) return undefined
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
  return response.text()
}

/** The server's paths in order. */
export const paths = async (drive: Drive): Promise<ReadonlyArray<string>> =>
  [...(await drive.listing()).keys()].toSorted()

/** Runs `body` while the server takes connections and answers none. */
export const whileSilent = async <A>(drive: Drive, body: () => Promise<A>): Promise<A> => {
  drive.process.child.kill("SIGSTOP")
  try {
    return await body()
  } finally {
    drive.process.child.kill("SIGCONT")
  }
}

/** Asks until the answer is right, or until the time (in milliseconds) is over; how long that took. */
export const eventually = async (limit: number, isRight: () => Promise<boolean>): Promise<number> => {
  const started = performance.now()
  while (!(await isRight())) {
    if (performance.now() - started > limit) throw new Error(`not within ${limit} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return performance.now() - started
}

export interface Shared {
  harness: Harness
  drive: Drive
  mount: Mount
}

/** One drive with the files of `seed`, and a mount of it, for all tests of a file. */
export const shareMount = (seed: (drive: Drive) => Promise<unknown> = () => Promise.resolve()): Shared => {
  const shared = {} as Shared
  beforeAll(async () => {
    shared.harness = await Harness.open()
    shared.drive = await shared.harness.serve()
    await seed(shared.drive)
    shared.mount = await shared.harness.mount(shared.drive)
    // Mounted is not yet known: the tests speak of directories that are.
    await shared.mount.sync()
  }, 120_000)
  afterAll(() => shared.harness.close(), 120_000)
  return shared
}

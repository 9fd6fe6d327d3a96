/**
 * The same folder as server.ts serves, through npm's fuse-native: metadata in memory, bodies by synchronous system
 * calls. Usage: fuse-native-server.ts PACKAGE SOURCE MOUNTPOINT TIMEOUT_SECONDS, with libfuse.so.2 where the loader
 * finds it. Prints "mounted"; SIGTERM unmounts.
 */
import { closeSync, lstatSync, openSync, readSync, readdirSync, type Stats } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"

type Reply<Value = undefined> = (errno: number, value?: Value) => void

interface Mounted {
  mount(done: (error: Error | null) => void): void
  unmount(done: (error: Error | null) => void): void
}

/** What is used of fuse-native 2.2.6; it has no types. */
type FuseNative = new (
  mountpoint: string,
  operations: {
    readonly getattr: (path: string, reply: Reply<Stats>) => void
    readonly readdir: (path: string, reply: Reply<ReadonlyArray<string>>) => void
    readonly open: (path: string, flags: number, reply: Reply<number>) => void
    readonly release: (path: string, descriptor: number, reply: Reply) => void
    readonly read: (
      path: string,
      descriptor: number,
      buffer: Buffer,
      length: number,
      position: number,
      reply: (lengthOrErrno: number) => void
    ) => void
  },
  options: Readonly<Record<string, boolean | string>>
) => Mounted

const ENOENT = -2
const [packageFolder, source, mountpoint, seconds] = process.argv.slice(2)
if (packageFolder === undefined || source === undefined || mountpoint === undefined || seconds === undefined) {
  throw new Error("usage: fuse-native-server.ts PACKAGE SOURCE MOUNTPOINT TIMEOUT_SECONDS")
}
const Fuse = createRequire(import.meta.url)(packageFolder) as FuseNative

const stats = new Map<string, Stats>()
const lists = new Map<string, ReadonlyArray<string>>()

const scan = (path: string): void => {
  const local = join(source, path)
  const stat = lstatSync(local)
  stats.set(path, stat)
  if (!stat.isDirectory()) return
  const names = readdirSync(local)
  lists.set(path, names)
  for (const name of names) scan(join(path, name))
}
scan("/")

const filesystem = new Fuse(
  mountpoint,
  {
    getattr: (path, reply) => {
      const stat = stats.get(path)
      if (stat === undefined) reply(ENOENT)
      else reply(0, stat)
    },
    readdir: (path, reply) => reply(0, lists.get(path) ?? []),
    open: (path, flags, reply) => reply(0, openSync(join(source, path), flags)),
    release: (_path, descriptor, reply) => {
      closeSync(descriptor)
      reply(0)
    },
    read: (_path, descriptor, buffer, length, position, reply) =>
      reply(readSync(descriptor, buffer, 0, length, position))
  },
  {
    force: true,
    defaultPermissions: true,
    // As texts: it leaves out a number 0, which stands for one second then.
    attrTimeout: seconds,
    entryTimeout: seconds,
    acAttrTimeout: seconds,
    kernelCache: Number(seconds) > 0
  }
)
filesystem.mount((error) => {
  if (error !== null) throw error
  console.log("mounted")
})
process.once("SIGTERM", () =>
  filesystem.unmount(() => {
    process.exit(0)
  })
)

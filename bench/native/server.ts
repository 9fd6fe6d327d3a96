/**
 * Our side of bench/native.ts: a folder served through @onemount/fuse-native with its metadata in memory and its files
 * as contents. Usage: server.ts SOURCE MOUNTPOINT KERNEL_TIMEOUT_SECONDS MOUNT_OPTIONS [direct] [javascript]
 * [passthrough], with the binding's mount options as JSON.
 *
 * The folder is read once at the start. What the binding is told it may repeat for a day, so that every request is
 * answered natively after the first; with `javascript` it may repeat nothing, so that each one comes up. `direct` keeps
 * the kernel from caching pages, `passthrough` lets it read and write files itself. Prints "mounted"; on standard input, a
 * line "busy" keeps the JavaScript thread busy for 20 of every 40 ms, "idle" ends that, each answered by the same word;
 * "passthrough" is answered by why that does not happen, or an empty line; SIGTERM unmounts.
 */
import { lstatSync, readdirSync, type Stats, unlinkSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { ContentId, ContentTable, Dispatcher, HandleId, NodeId, Session, rootNodeId } from "@onemount/fuse-native"
import type { Attr, DirEntry, Entry, MountOptions, Time } from "@onemount/fuse-native"

const [ENOENT, ENODATA] = [2, 61]
const [S_IFMT, S_IFREG] = [0o170000, 0o100000]
const [source, mountpoint, seconds, mountOptions, ...flags] = process.argv.slice(2)
if (source === undefined || mountpoint === undefined || seconds === undefined || mountOptions === undefined) {
  throw new Error("usage: server.ts SOURCE MOUNTPOINT KERNEL_TIMEOUT_SECONDS MOUNT_OPTIONS [FLAG]...")
}
const [directIo, javascript] = [flags.includes("direct"), flags.includes("javascript")]
const passthrough = flags.includes("passthrough")
const kernelTimeouts = Number(seconds)
/** Entries; more would not fit into one of the kernel's pages anyway. */
const longestPage = 1000
/** Of the replies: what the binding may repeat. */
const timeout = javascript ? 0 : 86_400

interface Node {
  readonly id: NodeId
  readonly path: string
  attr: Attr
  readonly entry: Entry
  readonly names: Map<string, Node>
  /** Cookies are positions plus one; what was removed leaves a hole. */
  readonly list: Array<DirEntry | undefined>
}

const nodes = new Map<number, Node>()
let lastId: number = rootNodeId - 1

const timeOf = (milliseconds: number): Time => ({
  sec: Math.floor(milliseconds / 1000),
  nsec: Math.floor((milliseconds % 1000) * 1e6)
})

const attrOf = (ino: number, stat: Stats): Attr => {
  const { blksize, blocks, gid, mode, nlink, rdev, size, uid } = stat
  const [atime, mtime, ctime] = [timeOf(stat.atimeMs), timeOf(stat.mtimeMs), timeOf(stat.ctimeMs)]
  return { ino, size, blocks, atime, mtime, ctime, mode, nlink, uid, gid, rdev, blksize }
}

const makeNode = (path: string, stat: Stats): Node => {
  const id = NodeId(++lastId)
  const attr = attrOf(id, stat)
  const entry = { nodeId: id, generation: 0, attr, attrTimeout: timeout, entryTimeout: timeout }
  const node = { id, path, attr, entry, names: new Map(), list: [] }
  nodes.set(id, node)
  return node
}

/** Returns the cookie of the new entry. */
const link = (parent: Node, name: string, { attr, entry, id }: Node): number => {
  const offset = parent.list.length + 1
  parent.names.set(name, get(id))
  parent.list.push({ name, ino: id, type: attr.mode & S_IFMT, offset, entry })
  return offset
}

const scan = (path: string): Node => {
  const node = makeNode(path, lstatSync(path))
  for (const item of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, item.name)
    link(node, item.name, item.isDirectory() ? scan(below) : makeNode(below, lstatSync(below)))
  }
  return node
}

const get = (id: number): Node => {
  const node = nodes.get(id)
  if (node === undefined) throw new Error(`the kernel names an unknown node ${id}`)
  return node
}

/** With the size of what was written. */
const current = (node: Node): Attr => {
  const state = written.has(node.id) ? contents.state(ContentId(node.id)) : undefined
  if (state !== undefined) node.attr = { ...node.attr, size: state.size, mtime: state.mtime }
  return node.attr
}
const written = new Set<number>()

/** Bodies stay open once they were opened: opening a file is the filesystem's affair, not the binding's. */
const opened = new Set<number>()
let lastHandle = 0
const open = (node: Node, create = false) => {
  const shareable = !javascript && !create
  const content = ContentId(node.id)
  if (!opened.has(node.id)) {
    const { mtime, size } = node.attr
    contents.open(content, { path: node.path, create, size, mtime, valid: "all", generation: 0 })
    opened.add(node.id)
  }
  return { handle: HandleId(++lastHandle), content, keepCache: kernelTimeouts > 0, directIo, passthrough, shareable }
}

const remove = (parent: Node, name: string): number => {
  const node = parent.names.get(name)
  if (node === undefined) return ENOENT
  parent.names.delete(name)
  parent.list[parent.list.findIndex((entry) => entry?.ino === node.id)] = undefined
  unlinkSync(node.path)
  session.withdraw(node.id)
  // A handle's release comes later than its close; such a body stays until the end.
  if (contents.state(ContentId(node.id))?.handles === 0) contents.close(ContentId(node.id))
  return 0
}

const template = lstatSync(source)
const dispatcher = new Dispatcher({ session: () => session, onProblem: console.error })
dispatcher.handle("lookup", ({ id, name, parent }) => {
  const node = get(parent).names.get(name)
  if (node === undefined) session.replyNegative(id, timeout)
  else session.replyEntry(id, written.has(node.id) ? { ...node.entry, attr: current(node) } : node.entry)
})
dispatcher.handle("forget", () => undefined)
for (const op of ["getattr", "setattr"] as const) {
  dispatcher.handle(op, ({ id, node }) => session.replyAttr(id, current(get(node)), timeout))
}
dispatcher.handle("open", ({ id, node }) => session.replyOpen(id, open(get(node))))
dispatcher.handle("create", ({ id, mode, name, parent }) => {
  const directory = get(parent)
  const stat = Object.assign(Object.create(template), { mode: S_IFREG | (mode & 0o1777), size: 0, nlink: 1 })
  const node = makeNode(join(directory.path, name), stat)
  const reply = open(node, true)
  written.add(node.id)
  link(directory, name, node)
  session.replyCreate(id, node.entry, reply)
})
dispatcher.handle("release", () => undefined)
dispatcher.handle("unlink", ({ id, name, parent }) => {
  const errno = remove(get(parent), name)
  if (errno === 0) session.replyOk(id)
  else session.replyError(id, errno)
})
dispatcher.handle("readdir", ({ id, node, offset }) => {
  const { list } = get(node)
  const page = list.slice(offset, offset + longestPage).filter((entry) => entry !== undefined)
  session.replyDirectory(id, page, { last: offset + longestPage >= list.length, timeout })
})
for (const op of ["flush", "fsync"] as const) dispatcher.handle(op, ({ id }) => session.replyOk(id))
dispatcher.handle("getxattr", ({ id }) => session.replyError(id, ENODATA))

scan(source)
const contents: ContentTable = ContentTable.create(() => {
  for (const event of contents.take()) if (event.op === "dirty") contents.replyDirty(event.id, 0)
})
const chosen: Partial<MountOptions> = JSON.parse(mountOptions)
// Nobody sets privileges here that a write would have to take away.
const features = { killPrivileges: true, ...chosen.features }
const options = { mountpoint, fsName: "bench", subtype: "bench", passthrough, kernelTimeouts, ...chosen, features }
const session: Session = Session.mount(options, contents, () => dispatcher.drain())
console.log("mounted")

let busy: NodeJS.Timeout | undefined
const spin = (): void => {
  const end = performance.now() + 20
  while (performance.now() < end);
}

const input = createInterface({ input: process.stdin })
input.on("line", (line) => {
  if (line === "passthrough") return console.log(session.passthroughRefusal() ?? "")
  clearInterval(busy)
  busy = line === "busy" ? setInterval(spin, 40) : undefined
  console.log(line)
})

process.once("SIGTERM", () => {
  clearInterval(busy)
  input.close()
  process.stdin.destroy()
  void session.unmount({ deadline: 2000 }).then(() => contents.dispose())
})

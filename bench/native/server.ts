/**
 * Our side of bench/native.ts: a folder served through @onemount/fuse-native with its metadata in memory and its files
 * as contents. Usage: server.ts SOURCE MOUNTPOINT TIMEOUT_SECONDS [direct] [javascript]
 *
 * The folder is read once at the start and belongs to the server then, except for names that others make in it and it
 * never hears of. Prints "mounted"; on standard input, a line "busy" keeps the JavaScript thread busy for 20 of every
 * 40 ms, "idle" ends that, each answered by the same word; SIGTERM unmounts.
 */
import { lstatSync, readdirSync, type Stats, unlinkSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { ContentId, ContentTable, HandleId, NodeId, Session, rootNodeId } from "@onemount/fuse-native"
import type { Attr, DirEntry, Entry, Request, Time } from "@onemount/fuse-native"

const [ENOENT, ENOSYS, ENODATA] = [2, 38, 61]
const [S_IFMT, S_IFREG] = [0o170000, 0o100000]
const [source, mountpoint, seconds, ...flags] = process.argv.slice(2)
if (source === undefined || mountpoint === undefined || seconds === undefined) {
  throw new Error("usage: server.ts SOURCE MOUNTPOINT TIMEOUT_SECONDS [direct]")
}
/** Entries; more would not fit into one of the kernel's pages anyway. */
const longestPage = 1000
const timeout = Number(seconds)
const directIo = flags.includes("direct")

interface Node {
  readonly id: NodeId
  readonly path: string
  attr: Attr
  readonly entry: Entry
  readonly names: Map<string, Node>
  /** Cookies are positions plus one; what was removed leaves a hole. */
  readonly list: Array<DirEntry | undefined>
  /** The same for pages without attributes. */
  readonly plainList: Array<DirEntry | undefined>
}

const nodes = new Map<number, Node>()
const content = (node: NodeId) => ContentId(node)

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
  const id = NodeId(nodes.size === 0 ? rootNodeId : lastId++)
  const attr = attrOf(id, stat)
  const entry = { nodeId: id, generation: 0, attr, attrTimeout: timeout, entryTimeout: timeout }
  const node = { id, path, attr, entry, names: new Map(), list: [], plainList: [] }
  nodes.set(id, node)
  return node
}
let lastId: number = rootNodeId + 1

const link = (parent: Node, name: string, node: Node): void => {
  parent.names.set(name, node)
  const plain = { name, ino: node.id, type: node.attr.mode & S_IFMT, offset: parent.list.length + 1 }
  parent.list.push({ ...plain, entry: node.entry })
  parent.plainList.push(plain)
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
  const state = written.has(node.id) ? contents.state(content(node.id)) : undefined
  if (state !== undefined) node.attr = { ...node.attr, size: state.size, mtime: state.mtime }
  return node.attr
}
const written = new Set<number>()

/** Bodies stay open once they were opened: opening a file is the filesystem's affair, not the binding's. */
const opened = new Set<number>()
let lastHandle = 0
const open = (node: Node, create = false) => {
  if (!opened.has(node.id)) {
    const { mtime, size } = node.attr
    contents.open(content(node.id), { path: node.path, create, size, mtime, valid: "all", generation: 0 })
    opened.add(node.id)
  }
  return { handle: HandleId(++lastHandle), content: content(node.id), keepCache: timeout > 0, directIo }
}

const close = (node: Node): void => {
  if (!opened.delete(node.id)) return
  contents.close(content(node.id))
  written.delete(node.id)
}

const template = lstatSync(source)

const answers: { readonly [Op in Request["op"]]?: (request: Extract<Request, { op: Op }>) => void } = {
  lookup: ({ id, name, parent }) => {
    const node = get(parent).names.get(name)
    if (node === undefined) session.replyNegative(id, timeout)
    else session.replyEntry(id, written.has(node.id) ? { ...node.entry, attr: current(node) } : node.entry)
  },
  getattr: ({ id, node }) => session.replyAttr(id, current(get(node)), timeout),
  setattr: ({ id, node }) => session.replyAttr(id, current(get(node)), timeout),
  open: ({ id, node }) => session.replyOpen(id, open(get(node))),
  create: ({ id, mode, name, parent }) => {
    const directory = get(parent)
    const stat = Object.assign(Object.create(template), { mode: S_IFREG | (mode & 0o7777), size: 0, nlink: 1 })
    const node = makeNode(join(directory.path, name), stat)
    const reply = open(node, true)
    written.add(node.id)
    link(directory, name, node)
    session.replyCreate(id, node.entry, reply)
  },
  unlink: ({ id, name, parent }) => {
    const directory = get(parent)
    const node = directory.names.get(name)
    if (node === undefined) return session.replyError(id, ENOENT)
    directory.names.delete(name)
    const position = directory.list.findIndex((entry) => entry?.ino === node.id)
    directory.list[position] = directory.plainList[position] = undefined
    unlinkSync(node.path)
    nodes.delete(node.id)
    if (contents.state(content(node.id))?.handles === 0) close(node)
    session.replyOk(id)
  },
  readdir: ({ id, node, offset, plus }) => {
    const directory = get(node)
    const page = (plus ? directory.list : directory.plainList).slice(offset, offset + longestPage)
    session.replyDirectory(
      id,
      page.filter((entry) => entry !== undefined)
    )
  },
  flush: ({ id }) => session.replyOk(id),
  fsync: ({ id }) => session.replyOk(id),
  getxattr: ({ id }) => session.replyError(id, ENODATA)
}

const answer = (request: Request): void => {
  const handler = answers[request.op] as ((request: Request) => void) | undefined
  if (handler !== undefined) handler(request)
  else if ("id" in request) session.replyError(request.id, ENOSYS)
}

scan(source)
const contents: ContentTable = ContentTable.create(() => {
  for (const event of contents.take()) if (event.op === "dirty") contents.replyDirty(event.id, 0)
})
const options = { mountpoint, fsName: "bench", subtype: "bench" }
const session: Session = Session.mount(options, contents, () => session.take().forEach(answer))
console.log("mounted")

let busy: NodeJS.Timeout | undefined
const spin = (): void => {
  const end = performance.now() + 20
  while (performance.now() < end);
}

const input = createInterface({ input: process.stdin })
input.on("line", (line) => {
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

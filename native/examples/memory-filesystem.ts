/**
 * A filesystem in memory: names and attributes in a map, file bodies as contents in a temporary directory, whose bytes
 * never come up here. Run it with `node native/examples/memory-filesystem.ts MOUNTPOINT`; Ctrl-C unmounts.
 */
import { mkdtempSync, rmSync, unlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ContentId, ContentTable, Dispatcher, HandleId, NodeId, Session, rootNodeId } from "@onemount/fuse-native"
import type { Attr, DirEntry, Entry, MountOptions, RequestId, RequestOf, Time } from "@onemount/fuse-native"

const [ENOENT, EEXIST, EINVAL, ENOTEMPTY] = [2, 17, 22, 39]
const [S_IFMT, S_IFDIR, S_IFREG, RENAME_NOREPLACE] = [0o170000, 0o040000, 0o100000, 1]
const timeout = 86_400
const withoutSetId = (mode: number): number => ((mode & S_IFMT) === S_IFREG ? mode & ~0o6000 : mode)

interface Inode {
  readonly id: number
  attr: Attr
  /** Directories only. Insertion order is the listing's order, and each name keeps its cookie. */
  readonly children: Map<string, Inode> | undefined
  parent: number
  cookie: number
}

const now = (): Time => ({ sec: Math.floor(Date.now() / 1000), nsec: (Date.now() % 1000) * 1_000_000 })

const touch = (...directories: ReadonlyArray<Inode>): void => {
  for (const directory of directories) directory.attr = { ...directory.attr, mtime: now(), ctime: now() }
}

export class MemoryFilesystem {
  readonly session: Session
  readonly contents: ContentTable
  readonly #bodies = mkdtempSync(join(tmpdir(), "memory-filesystem-"))
  readonly #inodes = new Map<number, Inode>()
  readonly #path = (id: number): string => join(this.#bodies, String(id))
  /** Of inodes, cookies and handles; the root and two dots come first. */
  #lastNumber = 2

  constructor(mountpoint: string, options: Partial<MountOptions> = {}) {
    this.#make(rootNodeId, S_IFDIR | 0o755, rootNodeId, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })
    this.contents = ContentTable.create(() => {
      // Bodies are always complete here, so nothing is ever fetched; every write is welcome.
      for (const event of this.contents.take()) if (event.op === "dirty") this.contents.replyDirty(event.id, 0)
    })
    const dispatcher = new Dispatcher({ session: () => this.session, onProblem: console.error })
    const cached = { keepCache: true, shareable: true }
    const opened = (id: number) => ({ ...cached, handle: HandleId(++this.#lastNumber), content: ContentId(id) })
    // Operations without a handler are ENOSYS, and a handler that throws is EIO.
    dispatcher.handle("lookup", ({ id, name, parent }) => {
      const inode = this.#inodes.get(this.#get(parent).children?.get(name)?.id ?? 0)
      if (inode === undefined) return this.session.replyNegative(id, timeout)
      this.session.replyEntry(id, this.#entry(inode))
    })
    dispatcher.handle("forget", ({ nodes }) => nodes.forEach((node) => this.#collect(node)))
    dispatcher.handle("drained", ({ node }) => this.#collect(node))
    dispatcher.handle("getattr", ({ id, node }) => this.session.replyAttr(id, this.#attr(this.#get(node)), timeout))
    dispatcher.handle("setattr", (request) => this.#setattr(request))
    dispatcher.handle("mkdir", (request) => this.session.replyEntry(request.id, this.#entry(this.#create(request))))
    dispatcher.handle("create", (request) => {
      const inode = this.#create(request)
      this.session.replyCreate(request.id, this.#entry(inode), opened(inode.id))
    })
    dispatcher.handle("open", ({ id, node }) => this.session.replyOpen(id, opened(node)))
    dispatcher.handle("release", ({ node }) => this.#collect(node))
    dispatcher.handle("readdir", (request) => this.#list(request))
    for (const op of ["unlink", "rmdir"] as const)
      dispatcher.handle(op, ({ id, name, parent }) => this.#end(id, this.#remove(this.#get(parent), name)))
    dispatcher.handle("rename", (request) => this.#end(request.id, this.#rename(request), this.#lastNumber))
    for (const op of ["flush", "fsync"] as const) dispatcher.handle(op, ({ id }) => this.session.replyOk(id))
    const features = { killPrivileges: true, ...options.features }
    const mount = { fsName: "memory", subtype: "memory", ...options, features, mountpoint }
    this.session = Session.mount(mount, this.contents, () => dispatcher.drain())
  }

  async close(): Promise<void> {
    await this.session.unmount({ deadline: 2000 })
    this.contents.dispose()
    rmSync(this.#bodies, { recursive: true })
  }

  #end(id: RequestId, errno: number, cookie = 0): void {
    if (errno === 0) this.session.replyOk(id, cookie)
    else this.session.replyError(id, errno)
  }

  #get(id: number): Inode {
    const inode = this.#inodes.get(id)
    if (inode === undefined) throw new Error(`the kernel names an unknown inode ${id}`)
    return inode
  }

  #make(id: number, mode: number, parent: number, { gid, uid }: { uid: number; gid: number }): Inode {
    const children = (mode & S_IFMT) === S_IFDIR ? new Map() : undefined
    const [time, nlink] = [now(), children === undefined ? 1 : 2]
    const times = { atime: time, mtime: time, ctime: time }
    const attr = { ino: id, size: 0, blocks: 0, ...times, mode, nlink, uid, gid, rdev: 0, blksize: 4096 }
    const inode = { id, attr, children, parent, cookie: ++this.#lastNumber }
    this.#inodes.set(id, inode)
    return inode
  }

  #attr({ attr, children, id }: Inode): Attr {
    const state = children === undefined ? this.contents.state(ContentId(id)) : undefined
    if (state === undefined) return attr
    const mtime = state.mtimeMoved ? state.mtime : attr.mtime
    return { ...attr, size: state.size, blocks: Math.ceil(state.size / 512), mtime }
  }

  #entry(inode: Inode): Entry {
    const kept = { attrTimeout: timeout, entryTimeout: timeout, cookie: inode.cookie }
    return { ...kept, nodeId: NodeId(inode.id), generation: 0, attr: this.#attr(inode) }
  }

  #create(request: RequestOf<"create" | "mkdir">): Inode {
    const parent = this.#get(request.parent)
    const mode = withoutSetId((request.op === "mkdir" ? S_IFDIR : S_IFREG) | (request.mode & 0o7777))
    const inode = this.#make(++this.#lastNumber, mode, parent.id, request.caller)
    if (inode.children === undefined) {
      const body = { create: true, size: 0, mtime: inode.attr.mtime, valid: "all", generation: 0 } as const
      this.contents.open(ContentId(inode.id), { ...body, path: this.#path(inode.id) })
    }
    parent.children?.set(request.name, inode)
    touch(parent)
    return inode
  }

  async #setattr({ gid, id, mode, mtime, node, size, uid }: RequestOf<"setattr">): Promise<void> {
    const inode = this.#get(node)
    if (size !== undefined) await this.contents.truncate(ContentId(inode.id), size)
    const { attr } = inode
    const time = mtime === "now" ? now() : (mtime ?? attr.mtime)
    if (mtime !== undefined && inode.children === undefined) this.contents.setTime(ContentId(inode.id), time)
    const changed = { uid: uid ?? attr.uid, gid: gid ?? attr.gid, mtime: time, ctime: now() }
    inode.attr = { ...attr, ...changed, mode: withoutSetId((attr.mode & S_IFMT) | ((mode ?? attr.mode) & 0o7777)) }
    this.session.replyAttr(id, this.#attr(inode), timeout)
  }

  /** Takes a name away; the kernel has made sure that it is there. */
  #remove(parent: Inode, name: string): number {
    const inode = this.#get(parent.children?.get(name)?.id ?? 0)
    if ((inode.children?.size ?? 0) > 0) return ENOTEMPTY
    parent.children?.delete(name)
    touch(parent)
    inode.attr = { ...inode.attr, nlink: 0 }
    this.#collect(inode.id)
    return 0
  }

  #rename(request: RequestOf<"rename">): number {
    const [from, to] = [this.#get(request.parent), this.#get(request.newParent)]
    const source = from.children?.get(request.name)
    if (source === undefined) return ENOENT
    if (request.flags > RENAME_NOREPLACE) return EINVAL
    if (to.children?.has(request.newName) === true) {
      const errno = request.flags === RENAME_NOREPLACE ? EEXIST : this.#remove(to, request.newName)
      if (errno !== 0) return errno
    }
    from.children?.delete(request.name)
    to.children?.set(request.newName, source)
    source.cookie = ++this.#lastNumber
    source.parent = to.id
    touch(from, to)
    return 0
  }

  #list({ id, node, offset }: RequestOf<"readdir">): void {
    const { children, id: ino, parent } = this.#get(node)
    const dots = [".", ".."].map((name, at) => ({ name, ino: at === 0 ? ino : parent, type: S_IFDIR, offset: at + 1 }))
    const page: Array<DirEntry> = dots.filter((entry) => entry.offset > offset)
    for (const [name, inode] of children ?? []) {
      // The kernel's pages have room for fewer; the binding answers the next ones from what did not fit.
      if (inode.cookie <= offset || page.length === 1000) continue
      const [type, entry] = [inode.attr.mode & S_IFMT, this.#entry(inode)]
      page.push({ name, ino: inode.id, type, offset: inode.cookie, entry })
    }
    this.session.replyDirectory(id, page, { last: page.length < 1000, timeout })
  }

  /** A file lives while it has a name, it is open, also by the binding itself, or the kernel knows it. */
  #collect(id: number): void {
    const inode = this.#inodes.get(id)
    if (inode === undefined || inode.attr.nlink > 0) return
    if (this.session.withdraw(NodeId(id)) || (this.contents.state(ContentId(id))?.handles ?? 0) > 0) return
    if (!this.session.retire(NodeId(id))) return
    if (inode.children === undefined) {
      this.contents.close(ContentId(id))
      unlinkSync(this.#path(id))
    }
    this.#inodes.delete(id)
  }
}

if (process.argv[1] === import.meta.filename) {
  const filesystem = new MemoryFilesystem(process.argv[2] ?? "")
  const alive = setInterval(() => undefined, 1 << 30)
  process.once("SIGINT", () => void filesystem.close().finally(() => clearInterval(alive)))
  console.log(`mounted ${filesystem.session.mountpoint}`)
}

/**
 * A filesystem in memory: names and attributes in a map, file bodies as contents in a temporary directory.
 * Run it with `node native/examples/memory-filesystem.ts MOUNTPOINT`; Ctrl-C unmounts.
 */
import { mkdtempSync, rmSync, unlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ContentId, ContentTable, HandleId, NodeId, Session, rootNodeId } from "@onemount/fuse-native"
import type { Attr, DirEntry, Entry, OpenReply, Request, RequestId, SetAttrRequest, Time } from "@onemount/fuse-native"

const [ENOENT, EIO, EEXIST, EINVAL, ENOTEMPTY, ENOSYS] = [2, 5, 17, 22, 39, 38]
const [S_IFMT, S_IFDIR, S_IFREG] = [0o170000, 0o040000, 0o100000]
const RENAME_NOREPLACE = 1
const timeout = 86_400
/** Entries; more would not fit into one of the kernel's pages anyway. */
const longestPage = 1000

interface Inode {
  readonly id: number
  mode: number
  uid: number
  gid: number
  mtime: Time
  ctime: Time
  /** Directories only. Insertion order is the listing's order, and each name keeps its cookie. */
  readonly children: Map<string, { readonly id: number; readonly cookie: number }> | undefined
  parent: number
  linked: boolean
  lookups: number
}

const now = (): Time => ({ sec: Math.floor(Date.now() / 1000), nsec: (Date.now() % 1000) * 1_000_000 })

export class MemoryFilesystem {
  readonly session: Session
  readonly contents: ContentTable
  readonly #bodies = mkdtempSync(join(tmpdir(), "memory-filesystem-"))
  readonly #inodes = new Map<number, Inode>()
  #lastId: number = rootNodeId
  #lastCookie = 2
  #lastHandle = 0

  constructor(mountpoint: string) {
    const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
    this.#inodes.set(rootNodeId, this.#inode(rootNodeId, S_IFDIR | 0o755, rootNodeId, owner))
    this.contents = ContentTable.create(() => {
      // Bodies are always complete here, so nothing is ever fetched; every write is welcome.
      for (const event of this.contents.take()) if (event.op === "dirty") this.contents.replyDirty(event.id, 0)
    })
    this.session = Session.mount({ mountpoint, fsName: "memory", subtype: "memory" }, this.contents, () => {
      for (const request of this.session.take()) this.#answer(request)
    })
  }

  async close(): Promise<void> {
    await this.session.unmount({ deadline: 2000 })
    this.session.take()
    this.contents.dispose()
    rmSync(this.#bodies, { recursive: true })
  }

  #inode(id: number, mode: number, parent: number, { gid, uid }: { uid: number; gid: number }): Inode {
    const children = (mode & S_IFMT) === S_IFDIR ? new Map() : undefined
    return { id, mode, uid, gid, mtime: now(), ctime: now(), children, parent, linked: true, lookups: 0 }
  }

  #path = (id: number): string => join(this.#bodies, String(id))

  #get(id: number): Inode {
    const inode = this.#inodes.get(id)
    if (inode === undefined) throw new Error(`the kernel names an unknown inode ${id}`)
    return inode
  }

  #attr(inode: Inode): Attr {
    const state = inode.children === undefined ? this.contents.state(ContentId(inode.id)) : undefined
    const mtime = state?.mtimeMoved === true ? state.mtime : inode.mtime
    const size = state?.size ?? 0
    const { ctime, gid, id, mode, uid } = inode
    const nlink = inode.linked ? (inode.children === undefined ? 1 : 2) : 0
    const blocks = Math.ceil(size / 512)
    return { ino: id, size, blocks, atime: mtime, mtime, ctime, mode, nlink, uid, gid, rdev: 0, blksize: 4096 }
  }

  #entry(inode: Inode): Entry {
    const nodeId = NodeId(inode.id)
    return { nodeId, generation: 0, attr: this.#attr(inode), attrTimeout: timeout, entryTimeout: timeout }
  }

  #create(request: Extract<Request, { op: "create" | "mkdir" | "mknod" }>): Inode {
    const parent = this.#get(request.parent)
    const mode = (request.op === "mkdir" ? S_IFDIR : S_IFREG) | (request.mode & 0o7777)
    const inode = this.#inode(++this.#lastId, mode, parent.id, request.caller)
    if (inode.children === undefined) {
      const path = this.#path(inode.id)
      const body = { path, create: true, size: 0, mtime: inode.mtime, valid: "all", generation: 0 } as const
      this.contents.open(ContentId(inode.id), body)
    }
    this.#inodes.set(inode.id, inode)
    parent.children?.set(request.name, { id: inode.id, cookie: ++this.#lastCookie })
    parent.mtime = parent.ctime = now()
    inode.lookups = 1
    return inode
  }

  #open(node: number): OpenReply {
    return { handle: HandleId(++this.#lastHandle), content: ContentId(node), keepCache: true }
  }

  /** Takes a name away; the kernel has made sure that it is there. */
  #remove(parent: Inode, name: string): number {
    const inode = this.#get(parent.children?.get(name)?.id ?? 0)
    if ((inode.children?.size ?? 0) > 0) return ENOTEMPTY
    parent.children?.delete(name)
    parent.mtime = parent.ctime = now()
    inode.linked = false
    this.#collect(inode)
    return 0
  }

  /** A file lives while it has a name, the kernel knows it or it is open. */
  #collect(inode: Inode | undefined): void {
    if (inode === undefined || inode.linked || inode.lookups > 0 || !this.#inodes.has(inode.id)) return
    if (inode.children === undefined) {
      if ((this.contents.state(ContentId(inode.id))?.handles ?? 0) > 0) return
      this.contents.close(ContentId(inode.id))
      unlinkSync(this.#path(inode.id))
    }
    this.#inodes.delete(inode.id)
  }

  async #setattr({ gid, id, mode, mtime, node, size, uid }: SetAttrRequest): Promise<void> {
    const inode = this.#get(node)
    if (size !== undefined) await this.contents.truncate(ContentId(inode.id), size)
    if (mode !== undefined) inode.mode = (inode.mode & S_IFMT) | (mode & 0o7777)
    if (mtime !== undefined) {
      inode.mtime = mtime === "now" ? now() : mtime
      if (inode.children === undefined) this.contents.setTime(ContentId(inode.id), inode.mtime)
    }
    inode.uid = uid ?? inode.uid
    inode.gid = gid ?? inode.gid
    inode.ctime = now()
    this.session.replyAttr(id, this.#attr(inode), timeout)
  }

  #rename(request: Extract<Request, { op: "rename" }>): number {
    const [from, to] = [this.#get(request.parent), this.#get(request.newParent)]
    const source = from.children?.get(request.name)
    if (source === undefined) return ENOENT
    if (request.flags > RENAME_NOREPLACE) return EINVAL
    if (to.children?.has(request.newName) === true) {
      const errno = request.flags === RENAME_NOREPLACE ? EEXIST : this.#remove(to, request.newName)
      if (errno !== 0) return errno
    }
    from.children?.delete(request.name)
    to.children?.set(request.newName, { id: source.id, cookie: ++this.#lastCookie })
    this.#get(source.id).parent = to.id
    from.mtime = to.mtime = now()
    return 0
  }

  #list({ id, node, offset, plus }: Extract<Request, { op: "readdir" }>): void {
    const directory = this.#get(node)
    const page: Array<DirEntry> = [
      { name: ".", ino: directory.id, type: S_IFDIR, offset: 1 },
      { name: "..", ino: directory.parent, type: S_IFDIR, offset: 2 }
    ].filter((entry) => entry.offset > offset)
    for (const [name, child] of directory.children ?? []) {
      if (child.cookie <= offset) continue
      if (page.length === longestPage) break
      const inode = this.#get(child.id)
      const entry = { name, ino: child.id, type: inode.mode & S_IFMT, offset: child.cookie }
      page.push(plus ? { ...entry, entry: this.#entry(inode) } : entry)
    }
    const packed = this.session.replyDirectory(id, page)
    for (const { entry } of page.slice(0, packed)) if (entry !== undefined) this.#get(entry.nodeId).lookups += 1
  }

  #lookup({ id, name, parent }: Extract<Request, { op: "lookup" }>): void {
    const inode = this.#inodes.get(this.#get(parent).children?.get(name)?.id ?? 0)
    if (inode === undefined) return this.session.replyNegative(id, timeout)
    inode.lookups += 1
    this.session.replyEntry(id, this.#entry(inode))
  }

  #forget(node: number, count: number): void {
    const inode = this.#inodes.get(node)
    if (inode !== undefined) inode.lookups -= count
    this.#collect(inode)
  }

  #end(id: RequestId, errno: number): void {
    if (errno === 0) this.session.replyOk(id)
    else this.session.replyError(id, errno)
  }

  readonly #handlers: { readonly [Op in Request["op"]]?: (request: Extract<Request, { op: Op }>) => void } = {
    lookup: (request) => this.#lookup(request),
    forget: (request) => request.nodes.forEach(({ count, node }) => this.#forget(node, count)),
    getattr: (request) => this.session.replyAttr(request.id, this.#attr(this.#get(request.node)), timeout),
    setattr: (request) => void this.#setattr(request).catch(() => this.#end(request.id, EIO)),
    mkdir: (request) => this.session.replyEntry(request.id, this.#entry(this.#create(request))),
    mknod: (request) => this.session.replyEntry(request.id, this.#entry(this.#create(request))),
    create: (request) => {
      const inode = this.#create(request)
      this.session.replyCreate(request.id, this.#entry(inode), this.#open(inode.id))
    },
    open: (request) => this.session.replyOpen(request.id, this.#open(request.node)),
    release: (request) => this.#collect(this.#inodes.get(request.node)),
    readdir: (request) => this.#list(request),
    unlink: (request) => this.#end(request.id, this.#remove(this.#get(request.parent), request.name)),
    rmdir: (request) => this.#end(request.id, this.#remove(this.#get(request.parent), request.name)),
    rename: (request) => this.#end(request.id, this.#rename(request)),
    flush: (request) => this.#end(request.id, 0),
    fsync: (request) => this.#end(request.id, 0)
  }

  #answer(request: Request): void {
    const handler = this.#handlers[request.op] as ((request: Request) => void) | undefined
    if (handler !== undefined) handler(request)
    else if ("id" in request) this.#end(request.id, ENOSYS)
  }
}

if (process.argv[1] === import.meta.filename) {
  const mountpoint = process.argv[2]
  if (mountpoint === undefined) throw new Error("usage: node memory-filesystem.ts MOUNTPOINT")
  const filesystem = new MemoryFilesystem(mountpoint)
  const alive = setInterval(() => undefined, 1 << 30)
  process.once("SIGINT", () => void filesystem.close().finally(() => clearInterval(alive)))
  console.log(`mounted ${mountpoint}`)
}

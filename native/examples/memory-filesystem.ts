/**
 * A filesystem in memory: names and attributes in a map, file bodies as contents in a temporary directory.
 * Run it with `node native/examples/memory-filesystem.ts MOUNTPOINT`; Ctrl-C unmounts.
 */
import { mkdtempSync, rmSync, unlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ContentId, ContentTable, HandleId, NodeId, Session, rootNodeId } from "@onemount/fuse-native"
import type { Attr, DirEntry, Entry, Request, SetAttrRequest, Time, TimeArgument } from "@onemount/fuse-native"

const [ENOENT, EEXIST, EINVAL, ENOTEMPTY, ENOSYS] = [2, 17, 22, 39, 38]
const [S_IFMT, S_IFDIR, S_IFREG] = [0o170000, 0o040000, 0o100000]
const timeout = 86_400

interface Inode {
  readonly id: number
  mode: number
  uid: number
  gid: number
  mtime: Time
  ctime: Time
  /** Directories only; insertion order is the listing's order, and each name keeps its cookie. */
  readonly children: Map<string, { readonly id: number; readonly cookie: number }> | undefined
  parent: number
  linked: boolean
  lookups: number
}

const now = (): Time => ({ sec: Math.floor(Date.now() / 1000), nsec: (Date.now() % 1000) * 1_000_000 })
const timeOf = (argument: TimeArgument): Time => (argument === "now" ? now() : argument)

export class MemoryFilesystem {
  readonly session: Session
  readonly contents: ContentTable
  readonly #bodies = mkdtempSync(join(tmpdir(), "memory-filesystem-"))
  readonly #inodes = new Map<number, Inode>()
  #lastId: number = rootNodeId
  #lastCookie = 2
  #lastHandle = 0

  constructor(mountpoint: string) {
    const { gid, uid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
    this.#inodes.set(rootNodeId, this.#inode(rootNodeId, S_IFDIR | 0o755, rootNodeId, uid, gid))
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

  #inode(id: number, mode: number, parent: number, uid: number, gid: number): Inode {
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
    return {
      nodeId: NodeId(inode.id),
      generation: 0,
      attr: this.#attr(inode),
      attrTimeout: timeout,
      entryTimeout: timeout
    }
  }

  #create(request: Extract<Request, { op: "create" | "mkdir" | "mknod" }>, type: number): Inode {
    const parent = this.#get(request.parent)
    const mode = type | (request.mode & 0o7777)
    const inode = this.#inode(++this.#lastId, mode, parent.id, request.caller.uid, request.caller.gid)
    if (type === S_IFREG) {
      const path = this.#path(inode.id)
      this.contents.open(ContentId(inode.id), {
        path,
        create: true,
        size: 0,
        mtime: inode.mtime,
        valid: "all",
        generation: 0
      })
    }
    this.#inodes.set(inode.id, inode)
    parent.children?.set(request.name, { id: inode.id, cookie: ++this.#lastCookie })
    parent.mtime = parent.ctime = now()
    inode.lookups = 1
    return inode
  }

  #remove(parent: Inode, name: string): void {
    const inode = this.#get(parent.children?.get(name)?.id ?? 0)
    parent.children?.delete(name)
    parent.mtime = parent.ctime = now()
    inode.linked = false
    this.#collect(inode)
  }

  /** A file lives while it has a name, the kernel knows it or it is open. */
  #collect(inode: Inode): void {
    if (inode.linked || inode.lookups > 0 || !this.#inodes.has(inode.id)) return
    if (inode.children === undefined) {
      if ((this.contents.state(ContentId(inode.id))?.handles ?? 0) > 0) return
      this.contents.close(ContentId(inode.id))
      unlinkSync(this.#path(inode.id))
    }
    this.#inodes.delete(inode.id)
  }

  #setattr(request: SetAttrRequest): void {
    const inode = this.#get(request.node)
    if (request.size !== undefined) this.contents.truncate(ContentId(inode.id), request.size)
    if (request.mode !== undefined) inode.mode = (inode.mode & S_IFMT) | (request.mode & 0o7777)
    if (request.uid !== undefined) inode.uid = request.uid
    if (request.gid !== undefined) inode.gid = request.gid
    if (request.mtime !== undefined) {
      inode.mtime = timeOf(request.mtime)
      if (inode.children === undefined) this.contents.setTime(ContentId(inode.id), inode.mtime)
    }
    inode.ctime = now()
    this.session.replyAttr(request.id, this.#attr(inode), timeout)
  }

  #rename(request: Extract<Request, { op: "rename" }>): number {
    const [from, to] = [this.#get(request.parent), this.#get(request.newParent)]
    const source = from.children?.get(request.name)
    const target = to.children?.get(request.newName)
    if (source === undefined) return ENOENT
    if (request.flags > 1) return EINVAL
    if (target !== undefined && request.flags === 1) return EEXIST
    if (target !== undefined && (this.#get(target.id).children?.size ?? 0) > 0) return ENOTEMPTY
    if (target !== undefined) this.#remove(to, request.newName)
    from.children?.delete(request.name)
    to.children?.set(request.newName, { id: source.id, cookie: ++this.#lastCookie })
    this.#get(source.id).parent = to.id
    from.mtime = to.mtime = now()
    return 0
  }

  #list(request: Extract<Request, { op: "readdir" }>): void {
    const directory = this.#get(request.node)
    const all: Array<DirEntry> = [
      { name: ".", ino: directory.id, type: S_IFDIR, offset: 1 },
      { name: "..", ino: directory.parent, type: S_IFDIR, offset: 2 }
    ]
    for (const [name, { cookie, id }] of directory.children ?? []) {
      const inode = this.#get(id)
      const type = inode.mode & S_IFMT
      all.push({ name, ino: id, type, offset: cookie, ...(request.plus ? { entry: this.#entry(inode) } : {}) })
    }
    const page = all.filter((entry) => entry.offset > request.offset)
    const packed = this.session.replyDirectory(request.id, page)
    for (const { entry } of page.slice(0, packed)) if (entry !== undefined) this.#get(entry.nodeId).lookups += 1
  }

  #answer(request: Request): void {
    const { session } = this
    switch (request.op) {
      case "lookup": {
        const found = this.#get(request.parent).children?.get(request.name)
        if (found === undefined) return session.replyNegative(request.id, timeout)
        this.#get(found.id).lookups += 1
        return session.replyEntry(request.id, this.#entry(this.#get(found.id)))
      }
      case "forget":
        for (const { count, node } of request.nodes) {
          const inode = this.#inodes.get(node)
          if (inode === undefined) continue
          inode.lookups -= count
          this.#collect(inode)
        }
        return
      case "getattr":
        return session.replyAttr(request.id, this.#attr(this.#get(request.node)), timeout)
      case "setattr":
        return this.#setattr(request)
      case "mkdir":
        return session.replyEntry(request.id, this.#entry(this.#create(request, S_IFDIR)))
      case "mknod":
        return session.replyEntry(request.id, this.#entry(this.#create(request, S_IFREG)))
      case "create": {
        const inode = this.#create(request, S_IFREG)
        const open = { handle: HandleId(++this.#lastHandle), content: ContentId(inode.id), keepCache: true }
        return session.replyCreate(request.id, this.#entry(inode), open)
      }
      case "open":
        return session.replyOpen(request.id, {
          handle: HandleId(++this.#lastHandle),
          content: ContentId(request.node),
          keepCache: true
        })
      case "release": {
        const inode = this.#inodes.get(request.node)
        return inode === undefined ? undefined : this.#collect(inode)
      }
      case "readdir":
        return this.#list(request)
      case "unlink":
        this.#remove(this.#get(request.parent), request.name)
        return session.replyOk(request.id)
      case "rmdir": {
        const parent = this.#get(request.parent)
        const size = this.#get(parent.children?.get(request.name)?.id ?? 0).children?.size ?? 0
        if (size > 0) return session.replyError(request.id, ENOTEMPTY)
        this.#remove(parent, request.name)
        return session.replyOk(request.id)
      }
      case "rename": {
        const errno = this.#rename(request)
        return errno === 0 ? session.replyOk(request.id) : session.replyError(request.id, errno)
      }
      case "flush":
      case "fsync":
        return session.replyOk(request.id)
      case "cancel":
      case "closed":
        return
      default:
        return session.replyError(request.id, ENOSYS)
    }
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

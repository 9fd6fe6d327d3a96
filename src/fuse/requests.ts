/** What each kernel request means: one effect per request whose result says how to reply. */
import type { NodeId, OpenReply, Request, RequestId } from "@onemount/fuse-native"
import { Effect } from "effect"
import type { Change, Filesystem, Opened, Stat } from "../filesystem/Filesystem.ts"
import { FsError } from "../filesystem/FsError.ts"
import type { Ino } from "../tree/Item.ts"
import { ERANGE } from "./errno.ts"
import type { Handles } from "./Handles.ts"
import type { Dentry, NodeTable } from "./NodeTable.ts"
import type { Share, Shares } from "./Shares.ts"
import { isWritable, type Answered } from "./requestClasses.ts"
import * as Replies from "./replies.ts"

/** Runs once, after the filesystem is done, without suspending. */
export type Reply = (session: Replies.KernelSession, id: RequestId) => void

type On<Op extends Request["op"]> = Extract<Request, { readonly op: Op }>

export interface RequestLayers {
  readonly filesystem: Filesystem["Service"]
  readonly nodes: NodeTable
  readonly handles: Handles
  readonly shares: Shares
  /** How long the kernel may keep what it is told now, in seconds. */
  readonly timeout: () => number
}

const typeMask = 0o170000
const typeRegular = 0o100000
const truncateFlag = 0o1000

const ok: Reply = (session, id) => session.replyOk(id)
const fail = (reason: FsError["reason"], detail: string) => Effect.fail(new FsError({ reason, detail }))

export const make = (layers: RequestLayers) => {
  const { filesystem, nodes, handles, shares, timeout } = layers

  /** Entry for a name as it was asked for; another spelling is a node of its own that is asked for every time. */
  const entry = (stat: Stat, parent: NodeId, name: string) => {
    const exact = stat.item.name === name
    const node = exact ? nodes.current(stat.item.ino) : nodes.alias(stat.item.ino, name)
    const kept = timeout()
    const below = exact && !nodes.isAlias(parent)
    return Replies.entryOf(stat, node, { entry: below ? kept : 0, attr: exact ? kept : 0 })
  }

  const replyEntry =
    (stat: Stat, parent: NodeId, name: string): Reply =>
    (session, id) => {
      session.replyEntry(id, entry(stat, parent, name))
    }

  /**
   * The kernel updates the dentry it asked about itself; these are the others that are wrong now. They are to be gone
   * before the caller hears that its change is done, and only the epoch can promise that: dropping a single dentry may
   * have to wait for the request that is being answered. Such dentries are rare, so asking for all names again is cheap.
   */
  const thenInvalidate =
    (reply: Reply, dentries: ReadonlyArray<Dentry>): Reply =>
    (session, id) => {
      const wrong = [...dentries, ...nodes.takeEvicted()]
      // First, so that the binding does not answer from them any more; the kernel's notifications are sent beside this.
      if (wrong.length > 0) session.notify(wrong.map((dentry) => ({ kind: "entry", ...dentry })))
      if (dentries.length > 0) session.bumpEpoch()
      reply(session, id)
    }

  const created = (stat: Stat, request: { readonly parent: NodeId; readonly name: string }, reply: Reply): Reply =>
    thenInvalidate(reply, nowPresent(request.parent, stat.item.name))

  const nowPresent = (parent: NodeId, name: string): ReadonlyArray<Dentry> => {
    const directory = nodes.ino(parent)
    return [
      ...nodes.present(nodes.current(directory), name),
      ...elsewhere(parent).map((other) => ({ parent: other, name }))
    ]
  }

  /** The directory as the kernel knows it by other spellings. */
  const elsewhere = (parent: NodeId): ReadonlyArray<NodeId> =>
    nodes.hasAliases ? nodes.nodes(nodes.ino(parent)).filter((node) => node !== parent) : []

  /** Dentries of the entry under its own name and directory, when it is removed or moved by other ones. */
  const dentriesOf = Effect.fnUntraced(function* (
    parent: NodeId,
    name: string
  ): Effect.fn.Return<ReadonlyArray<Dentry>> {
    if (!nodes.hasAliases) return []
    const stat = yield* Effect.catch(filesystem.lookup(nodes.ino(parent), name), () => Effect.undefined)
    if (stat === undefined) return []
    const own = stat.item.name === name ? [] : [{ parent, name: stat.item.name }]
    const others = elsewhere(parent).flatMap((other) => [
      { parent: other, name },
      { parent: other, name: stat.item.name }
    ])
    return [...own, ...others]
  })

  const lookup = ({ parent, name }: On<"lookup">) =>
    Effect.map(filesystem.lookup(nodes.ino(parent), name), (stat) =>
      stat === undefined ? absent(parent, name) : replyEntry(stat, parent, name)
    )

  const absent = (parent: NodeId, name: string): Reply => {
    const kept = nodes.isAlias(parent) ? 0 : timeout()
    return (session, id) => {
      if (kept > 0) nodes.absent(parent, name)
      thenInvalidate((to) => to.replyNegative(id, kept), [])(session, id)
    }
  }

  /** Attributes of a node: of its own content version while its handles read an old one. */
  const getattr = Effect.fnUntraced(function* ({ node }: On<"getattr">) {
    const body = nodes.isStale(node) ? (handles.body(node) ?? shares.body(node)) : undefined
    return replyAttr(yield* filesystem.stat(nodes.ino(node), body), node)
  })

  const replyAttr =
    (stat: Stat, node: NodeId): Reply =>
    (session, id) =>
      session.replyAttr(id, Replies.attrOf(stat), nodes.isAlias(node) ? 0 : timeout())

  const setattr = Effect.fnUntraced(function* (request: On<"setattr">) {
    const ino = nodes.ino(request.node)
    if (request.size !== undefined) shares.withdraw(ino)
    const stat = yield* filesystem.setattr(ino, changeOf(request))
    const reply = replyAttr(stat, request.node)
    return changed(reply, ino, request.node)
  })

  /** What was changed through one spelling is out of date in the page and attribute cache of the others. */
  const changed = (reply: Reply, ino: Ino, node: NodeId): Reply => {
    if (!nodes.hasAliases) return reply
    return (session, id) => {
      const others = nodes.nodes(ino).filter((other) => other !== node)
      if (others.length > 0) session.invalidateAttributes(others)
      reply(session, id)
      if (others.length > 0) session.notify(others.map((other) => ({ kind: "inode", node: other })))
    }
  }

  const openReply = (opened: Opened, node: NodeId, writable: boolean, share?: Share): OpenReply => {
    const { content } = opened
    const { ino } = opened.stat.item
    const handle = handles.open({ node, ino, content, writable })
    const shareable = shares.offer(share)
    return { handle, content, keepCache: isOnlyNode(ino), passthrough: opened.trusted, shareable }
  }

  /** A node has one content for life, so its pages stay right, unless another spelling may write behind its back. */
  const isOnlyNode = (ino: Ino): boolean => !nodes.hasAliases || nodes.nodes(ino).length < 2

  const open = Effect.fnUntraced(function* ({ node, flags }: On<"open">) {
    const ino = nodes.ino(node)
    const writable = isWritable(flags)
    const changes = writable || (flags & truncateFlag) !== 0
    if (changes) shares.withdraw(ino)
    const opened = yield* filesystem.open(ino, writable)
    const undo = filesystem.release(ino, opened.content, writable)
    // The kernel looks the name up again and opens the node of the new content.
    if (nodes.isStale(node)) return yield* Effect.andThen(undo, fail("Stale", "the content was replaced"))
    if ((flags & truncateFlag) !== 0) yield* Effect.tapError(filesystem.setattr(ino, { size: 0 }), () => undo)
    const shareable = !changes && isOnlyNode(ino) && !handles.isWritten(node)
    const share = shareable ? yield* shares.begin(node, opened) : undefined
    const reply: Reply = (session, id) => session.replyOpen(id, openReply(opened, node, writable, share))
    return (flags & truncateFlag) !== 0 ? changed(reply, ino, node) : reply
  })

  const create = Effect.fnUntraced(function* (request: On<"create">) {
    const opened = yield* filesystem.create(nodes.ino(request.parent), request.name, request.mode)
    const { stat } = opened
    return created(stat, request, (session, id) => {
      const answer = entry(stat, request.parent, request.name)
      session.replyCreate(id, answer, openReply(opened, answer.nodeId, true))
    })
  })

  /** The inode that a change of the name removes, if it may be shared. */
  const sharedAt = Effect.fnUntraced(function* (parent: NodeId, name: string): Effect.fn.Return<Ino | undefined> {
    if (shares.size === 0) return undefined
    const stat = yield* Effect.catch(filesystem.lookup(nodes.ino(parent), name), () => Effect.undefined)
    return stat?.item.ino
  })

  const mknod = Effect.fnUntraced(function* (request: On<"mknod">) {
    const type = request.mode & typeMask
    if (type !== 0 && type !== typeRegular) return yield* fail("NotPermitted", "OneDrive has no special files")
    const stat = yield* filesystem.mknod(nodes.ino(request.parent), request.name, request.mode)
    return created(stat, request, replyEntry(stat, request.parent, request.name))
  })

  const mkdir = Effect.fnUntraced(function* (request: On<"mkdir">) {
    const stat = yield* filesystem.mkdir(nodes.ino(request.parent), request.name, request.mode)
    return created(stat, request, replyEntry(stat, request.parent, request.name))
  })

  const remove = Effect.fnUntraced(function* ({ op, parent, name }: On<"unlink" | "rmdir">) {
    const dentries = yield* dentriesOf(parent, name)
    const shared = yield* sharedAt(parent, name)
    yield* filesystem[op](nodes.ino(parent), name)
    if (shared !== undefined) shares.withdraw(shared)
    return thenInvalidate(ok, dentries)
  })

  const rename = Effect.fnUntraced(function* (request: On<"rename">) {
    const { parent, name, newParent, newName, flags } = request
    const old = [...(yield* dentriesOf(parent, name)), ...(yield* dentriesOf(newParent, newName))]
    const from = { parent: nodes.ino(parent), name }
    const to = { parent: nodes.ino(newParent), name: newName }
    const replaced = yield* sharedAt(newParent, newName)
    const moved = yield* filesystem.rename(from, to, flags)
    if (replaced !== undefined) shares.withdraw(replaced)
    const done: Reply = (session, id) => session.replyOk(id, Replies.cookieOf(moved))
    return thenInvalidate(done, [...old, ...nowPresent(newParent, newName)])
  })

  const readdir = Effect.fnUntraced(function* ({ node, offset }: On<"readdir">) {
    const ino = nodes.ino(node)
    const found = yield* filesystem.readdir(ino, Replies.afterCookie(offset), Replies.listedAtOnce)
    const dots = Replies.dotEntries(yield* filesystem.stat(ino), offset)
    const reply: Reply = (session, id) => {
      const entries = found.map((stat) => Replies.dirEntryOf(stat, entry(stat, node, stat.item.name)))
      // By another spelling it is asked for every time.
      const part = nodes.isAlias(node) ? undefined : { last: found.length < Replies.listedAtOnce, timeout: timeout() }
      session.replyDirectory(id, [...dots, ...entries], part)
    }
    return reply
  })

  const flush = Effect.fnUntraced(function* ({ node, content }: On<"flush">) {
    const ino = nodes.ino(node)
    yield* filesystem.flush(ino, content)
    return changed(ok, ino, node)
  })

  const fsync = Effect.fnUntraced(function* ({ node, content }: On<"fsync">) {
    const ino = nodes.ino(node)
    yield* content === undefined ? filesystem.fsyncDirectory(ino) : filesystem.fsync(ino, content)
    return changed(ok, ino, node)
  })

  const fallocate = Effect.fnUntraced(function* ({ node, content, mode, offset, length }: On<"fallocate">) {
    const ino = nodes.ino(node)
    if (content === undefined) return yield* fail("NotSupported", "no content")
    yield* filesystem.allocate(ino, content, { mode, offset, length })
    return changed(ok, ino, node)
  })

  const handle = (request: Answered): Effect.Effect<Reply, FsError> => {
    switch (request.op) {
      case "lookup":
        return lookup(request)
      case "getattr":
        return getattr(request)
      case "setattr":
        return setattr(request)
      case "readlink":
        return fail("InvalidArgument", "not a symbolic link")
      case "mknod":
        return mknod(request)
      case "mkdir":
        return mkdir(request)
      case "unlink":
      case "rmdir":
        return remove(request)
      case "symlink":
        return fail("NotPermitted", "OneDrive has no symbolic links")
      case "link":
        return fail("NotPermitted", "OneDrive has no hard links")
      case "rename":
        return rename(request)
      case "open":
        return open(request)
      case "create":
        return create(request)
      case "read":
        // Every handle has a content, which the binding reads itself.
        return fail("NotSupported", "read without content")
      case "flush":
        return flush(request)
      case "fsync":
        return fsync(request)
      case "readdir":
        return readdir(request)
      case "fsyncdir":
        return Effect.as(filesystem.fsyncDirectory(nodes.ino(request.node)), ok)
      case "statfs":
        return Effect.map(
          filesystem.statfs,
          (space): Reply =>
            (session, id) =>
              session.replyStatFs(id, Replies.statFsOf(space))
        )
      case "setxattr": {
        const { name, value, flags } = request
        return Effect.as(filesystem.setXattr(nodes.ino(request.node), name, value, flags), ok)
      }
      case "getxattr":
        return Effect.map(filesystem.getXattr(nodes.ino(request.node), request.name), (value) =>
          replySized(value, request.size)
        )
      case "listxattr":
        return Effect.map(filesystem.listXattrs(nodes.ino(request.node)), (names) =>
          replySized(Replies.xattrList(names), request.size)
        )
      case "removexattr":
        return Effect.as(filesystem.removeXattr(nodes.ino(request.node), request.name), ok)
      case "access":
        // Permissions are the kernel's to check (default_permissions); the node only has to exist.
        return Effect.as(filesystem.stat(nodes.ino(request.node)), ok)
      case "fallocate":
        return fallocate(request)
    }
  }

  return { handle }
}

/** getxattr(2) and listxattr(2): size 0 asks for the size. */
const replySized =
  (value: Uint8Array, size: number): Reply =>
  (session, id) => {
    if (size === 0) session.replySize(id, value.byteLength)
    else if (size < value.byteLength) session.replyError(id, ERANGE)
    else session.replyBytes(id, value)
  }

const changeOf = ({ mode, uid, gid, size, mtime, atime }: On<"setattr">): Change => ({
  ...(mode === undefined ? {} : { mode }),
  ...(uid === undefined ? {} : { uid }),
  ...(gid === undefined ? {} : { gid }),
  ...(size === undefined ? {} : { size }),
  ...(mtime === undefined ? {} : { mtime }),
  ...(atime === undefined ? {} : { atime })
})

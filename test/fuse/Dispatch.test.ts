import { constants } from "node:fs"
import { constants as os } from "node:os"
import type { DirEntry, Entry, NodeId, OpenReply, RequestId } from "@onemount/fuse-native"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { Filesystem, type Stat } from "../../src/filesystem/Filesystem.ts"
import * as Dispatch from "../../src/fuse/Dispatch.ts"
import { Handles } from "../../src/fuse/Handles.ts"
import { NodeTable } from "../../src/fuse/NodeTable.ts"
import * as Shares from "../../src/fuse/Shares.ts"
import { fold } from "../../src/tree/fold.ts"
import { Ino, type Item } from "../../src/tree/Item.ts"
import { content, FakeSession, handle, node, type ReplyName } from "./FakeSession.ts"

const { errno } = os
const time = { sec: 1, nsec: 2 }

const statOf = (ino: number, name: string, change: Partial<Item> = {}): Stat => ({
  item: {
    ino: Ino(ino),
    parent: Ino(1),
    name,
    kind: "file",
    size: 10,
    mtime: time,
    ctime: time,
    btime: time,
    mode: 0o644,
    remoteId: null,
    eTag: null,
    cTag: null,
    hash: null,
    content: null,
    generation: 0,
    localOnly: false,
    complete: false,
    ...change
  },
  size: 10,
  mtime: time,
  ctime: time,
  atime: time,
  mode: 0o100644,
  nlink: 1,
  uid: 1000,
  gid: 1000
})

/** A mount whose filesystem does what the test says and dies of everything else. */
const mounted = Effect.fnUntraced(function* (calls: Partial<Filesystem["Service"]>, timeout = 100) {
  const session = new FakeSession()
  const nodes = new NodeTable({ fold, kernel: () => session })
  const handles = new Handles()
  const filesystem = yield* Filesystem.pipe(Effect.provide(Layer.mock(Filesystem, calls)))
  const reasons: Array<string> = []
  const shares = yield* Shares.make({ filesystem, session: () => session })
  const layers = { filesystem, nodes, handles, shares, timeout: () => timeout, session: () => session }
  const dispatch = yield* Dispatch.make({ ...layers, onClosed: (reason) => reasons.push(reason) })
  const ask = (...requests: ReadonlyArray<Parameters<FakeSession["ask"]>[0]>): ReadonlyArray<RequestId> => {
    const ids = requests.map((request) => session.ask(request))
    dispatch.drain()
    return ids
  }
  const one = (request: Parameters<FakeSession["ask"]>[0]): RequestId => {
    const [id] = ask(request)
    assert.isDefined(id)
    return id
  }
  const error = (id: RequestId) => {
    const answers = session.to(id)
    assert.strictEqual(answers.length, 1)
    assert.strictEqual(answers[0]?.reply, "replyError")
    return answers[0]?.value[0]
  }
  const reply = <A>(id: RequestId, kind: ReplyName): A => {
    const answers = session.to(id)
    assert.deepStrictEqual(
      answers.map((answer) => answer.reply),
      [kind]
    )
    return answers[0]?.value[0] as A
  }
  return { session, nodes, handles, shares, dispatch, ask, one, error, reply, reasons }
})

/** Inode 7, wholly here. */
const whole = () => {
  let references = 0
  return {
    open: () => Effect.sync(() => (references++, { stat: statOf(7, "a"), content: content(3), trusted: true })),
    release: () => Effect.sync(() => void references--),
    references: () => references
  }
}

const setattr = (of: number) =>
  ({
    op: "setattr",
    node: node(of),
    handle: undefined,
    mode: 0o600,
    uid: undefined,
    gid: undefined,
    size: undefined,
    atime: undefined,
    mtime: undefined
  }) as const

describe("Dispatch", () => {
  it.effect("answers at once what does not suspend", () =>
    Effect.gen(function* () {
      const { one, reply, error, dispatch } = yield* mounted({
        lookup: (_, name) => (name === "a" ? Effect.succeed(statOf(7, "a")) : Effect.undefined)
      })
      const found = reply<Entry>(one({ op: "lookup", parent: node(1), name: "a" }), "replyEntry")
      assert.deepInclude(found, { nodeId: node(7), generation: 0, entryTimeout: 100, attrTimeout: 100 })
      assert.deepInclude(found.attr, { ino: 7, size: 10, blocks: 1, mode: 0o100644, nlink: 1, uid: 1000 })
      assert.strictEqual(reply(one({ op: "lookup", parent: node(1), name: "b" }), "replyNegative"), 100)
      assert.strictEqual(error(one({ op: "readlink", node: node(7) })), errno.EINVAL)
      assert.deepStrictEqual(dispatch.running(), [])
    })
  )

  it.effect("answers once what suspends, and interrupts it when it is cancelled", () =>
    Effect.gen(function* () {
      const listed = yield* Deferred.make<void>()
      const { one, ask, error, session, dispatch, reply } = yield* mounted({
        lookup: () => Effect.as(Effect.interruptible(Deferred.await(listed)), statOf(7, "a"))
      })
      const first = one({ op: "lookup", parent: node(1), name: "a" })
      const second = one({ op: "lookup", parent: node(1), name: "a" })
      assert.deepStrictEqual(
        dispatch.running().map(({ id, op }) => ({ id, op })),
        [
          { id: first, op: "lookup" },
          { id: second, op: "lookup" }
        ]
      )
      ask({ op: "cancel", target: first })
      assert.strictEqual(error(first), errno.EINTR)
      ask({ op: "cancel", target: first })
      yield* Deferred.succeed(listed, undefined)
      reply(second, "replyEntry")
      assert.strictEqual(session.answers.length, 2)
      assert.deepStrictEqual(dispatch.running(), [])
    })
  )

  it.effect("says what it did when it is cancelled past the commit", () =>
    Effect.gen(function* () {
      const published = yield* Deferred.make<void>()
      const { one, ask, reply } = yield* mounted({
        mkdir: () => Effect.as(Deferred.await(published), statOf(8, "d"))
      })
      const id = one({ op: "mkdir", parent: node(1), name: "d", mode: 0o755 })
      ask({ op: "cancel", target: id })
      yield* Deferred.succeed(published, undefined)
      reply(id, "replyEntry")
    })
  )

  it.effect("answers EIO for defects, in the filesystem or in the reply", () =>
    Effect.gen(function* () {
      const { one, error, session } = yield* mounted({
        stat: (ino) => (ino === 7 ? Effect.die(new Error("bug")) : Effect.succeed(statOf(ino, "x")))
      })
      assert.strictEqual(error(one({ op: "getattr", node: node(7), handle: undefined })), errno.EIO)
      session.broken = "replyAttr"
      assert.strictEqual(error(one({ op: "getattr", node: node(8), handle: undefined })), errno.EIO)
      session.broken = "replyError"
      const unanswered = one({ op: "readlink", node: node(8) })
      assert.strictEqual(session.to(unanswered).length, 0)
    })
  )

  it.effect("runs changes of one inode in order, others beside them, and cancels what waits for its turn", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const started: Array<number> = []
      const { ask, one, error, reply } = yield* mounted({
        setattr: (ino) =>
          Effect.suspend(() => {
            started.push(ino)
            return started.length === 1
              ? Effect.as(Deferred.await(gate), statOf(ino, "x"))
              : Effect.succeed(statOf(ino, "x"))
          })
      })
      const [first, second, third, other] = ask(setattr(7), setattr(7), setattr(7), setattr(8))
      assert.isDefined(other)
      assert.deepStrictEqual(started, [7, 8])
      reply(other, "replyAttr")
      one({ op: "cancel", target: second! })
      assert.strictEqual(error(second!), errno.EINTR)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(started, [7, 8, 7])
      reply(first!, "replyAttr")
      reply(third!, "replyAttr")
    })
  )

  it.effect("takes forget and release without a reply", () =>
    Effect.gen(function* () {
      const released: Array<unknown> = []
      const forgotten: Array<Ino> = []
      const { one, ask, reply, session, nodes, handles } = yield* mounted({
        forgotten: (inos) => Effect.sync(() => void forgotten.push(...inos)),
        lookup: () => Effect.succeed(statOf(7, "a")),
        open: () => Effect.succeed({ stat: statOf(7, "a"), content: content(3), trusted: false }),
        release: (...call) => Effect.sync(() => void released.push(call))
      })
      ask({ op: "lookup", parent: node(1), name: "a" }, { op: "lookup", parent: node(1), name: "a" })
      const opened = reply<OpenReply>(one({ op: "open", node: node(7), flags: constants.O_RDWR }), "replyOpen")
      assert.deepStrictEqual(opened, {
        handle: handle(1),
        content: content(3),
        keepCache: true,
        passthrough: false,
        shareable: false
      })
      const answers = session.answers.length
      ask({ op: "release", node: node(7), handle: opened.handle, content: content(3) })
      ask({ op: "release", node: node(7), handle: opened.handle, content: content(3) })
      assert.strictEqual(session.lookups(node(7)), 2)
      session.kernel.forget(node(7), 2)
      ask({ op: "forget", nodes: [node(7)] })
      assert.isFalse(nodes.knows(node(7)))
      assert.deepStrictEqual(forgotten, [Ino(7)])
      assert.deepStrictEqual(released, [[7, 3, true]])
      assert.strictEqual(handles.size, 0)
      assert.strictEqual(session.answers.length, answers)
    })
  )

  it.effect("gives back the bodies of handles that nobody released when the mount ends", () =>
    Effect.gen(function* () {
      const released: Array<unknown> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { one } = yield* mounted({
            open: () => Effect.succeed({ stat: statOf(7, "a"), content: content(3), trusted: false }),
            release: (...call) => Effect.sync(() => void released.push(call))
          })
          one({ op: "open", node: node(7), flags: 0 })
        })
      )
      assert.deepStrictEqual(released, [[7, 3, false]])
    })
  )

  it.effect("shares what is wholly here, and not beside writers, other spellings or a share", () =>
    Effect.gen(function* () {
      const { open: opening, release } = whole()
      const { one, ask, reply, shares, nodes } = yield* mounted({
        open: opening,
        release,
        setattr: () => Effect.succeed(statOf(7, "a"))
      })
      const open = (of: NodeId, flags = 0) => reply<OpenReply>(one({ op: "open", node: of, flags }), "replyOpen")
      assert.isTrue(open(node(7)).shareable)
      assert.isFalse(open(node(7)).shareable, "it is shared already")
      const writer = open(node(7), constants.O_WRONLY)
      assert.isFalse(writer.shareable)
      assert.isFalse(open(node(7)).shareable, "somebody may write")
      ask({ op: "release", node: node(7), handle: writer.handle, content: content(3) })
      assert.isFalse(open(node(7), constants.O_TRUNC).shareable)
      assert.strictEqual(shares.size, 0)
      nodes.alias(Ino(7), "A")
      assert.isFalse(open(node(7)).shareable, "the kernel may know it by another node")
    })
  )

  it.effect("withdraws a share for a writer, a new size, a removal and a replacement", () =>
    Effect.gen(function* () {
      const calls = whole()
      const { one, ask, session, shares } = yield* mounted({
        open: calls.open,
        release: calls.release,
        lookup: () => Effect.succeed(statOf(7, "a")),
        setattr: () => Effect.succeed(statOf(7, "a")),
        unlink: () => Effect.void,
        rename: () => Effect.succeed(Ino(8))
      })
      const ends = [
        { op: "open", node: node(7), flags: constants.O_RDWR },
        { op: "open", node: node(7), flags: constants.O_TRUNC },
        { ...setattr(7), size: 3 },
        { op: "unlink", parent: node(1), name: "a" },
        { op: "rename", parent: node(1), name: "b", newParent: node(1), newName: "a", flags: 0 }
      ] as const
      for (const [at, end] of ends.entries()) {
        one({ op: "open", node: node(7), flags: 0 })
        assert.strictEqual(shares.size, 1, `share ${at}`)
        const id = one(end)
        assert.deepStrictEqual(session.withdrawn.length, at + 1, end.op)
        if (end.op !== "open") continue
        const opened = session.to(id)[0]?.value[0] as OpenReply
        ask({ op: "release", node: node(7), handle: opened.handle, content: content(3) })
      }
      one(setattr(7))
      one({ op: "open", node: node(7), flags: 0 })
      one(setattr(7))
      assert.strictEqual(shares.size, 1, "another mode changes nothing for readers")
    })
  )

  it.effect("keeps a withdrawn body until the binding's last handle of it is gone", () =>
    Effect.gen(function* () {
      const calls = whole()
      const stated: Array<unknown> = []
      const { one, ask, reply, session, shares, nodes } = yield* mounted({
        open: calls.open,
        release: calls.release,
        stat: (_, body) => Effect.sync(() => (stated.push(body), statOf(7, "a")))
      })
      session.kernel.lookedUp(node(7))
      const opened = one({ op: "open", node: node(7), flags: 0 })
      const { handle } = reply<OpenReply>(opened, "replyOpen")
      ask({ op: "release", node: node(7), handle, content: content(3) })
      session.opened.add(node(7))
      shares.withdraw(Ino(7))
      nodes.replace(Ino(7))
      assert.strictEqual(calls.references(), 1)
      one({ op: "getattr", node: node(7), handle: undefined })
      assert.deepStrictEqual(stated, [content(3)], "its handles see the size of what they read")
      ask({ op: "drained", node: node(7), content: content(4) })
      assert.strictEqual(calls.references(), 1, "another body of the node")
      ask({ op: "drained", node: node(7), content: content(3) })
      assert.strictEqual(calls.references(), 0)
    })
  )

  it.effect("tells the kernel to ask again for every spelling it was told to be absent", () =>
    Effect.gen(function* () {
      const { ask, one, session } = yield* mounted({
        lookup: () => Effect.undefined,
        mkdir: (_, name) => Effect.succeed(statOf(8, name, { kind: "directory" }))
      })
      for (const name of ["foo", "FOO", "Foo", "bar"]) ask({ op: "lookup", parent: node(1), name })
      one({ op: "mkdir", parent: node(1), name: "foo", mode: 0o755 })
      assert.deepStrictEqual(session.notifications, [
        { kind: "entry", parent: node(1), name: "FOO" },
        { kind: "entry", parent: node(1), name: "Foo" }
      ])
      // Four answers to the lookups, then the epoch, and only then mkdir's: the next lookup cannot be wrong.
      assert.deepStrictEqual(session.epochs, [4])
      assert.strictEqual(session.answers.length, 5)
      one({ op: "mkdir", parent: node(1), name: "bar", mode: 0o755 })
      assert.strictEqual(session.epochs.length, 1, "no other spelling, nothing to ask again")
    })
  )

  it.effect("never lets the kernel keep an entry under another spelling", () =>
    Effect.gen(function* () {
      const { one, reply, session, nodes } = yield* mounted({
        lookup: () => Effect.succeed(statOf(7, "foo")),
        unlink: () => Effect.void
      })
      const exact = reply<Entry>(one({ op: "lookup", parent: node(1), name: "foo" }), "replyEntry")
      const other = reply<Entry>(one({ op: "lookup", parent: node(1), name: "FOO" }), "replyEntry")
      assert.strictEqual(exact.nodeId, node(7))
      assert.isTrue(nodes.isAlias(other.nodeId))
      assert.deepInclude(other, { entryTimeout: 0, attrTimeout: 0 })
      assert.strictEqual(other.attr.ino, 7)
      reply(one({ op: "unlink", parent: node(1), name: "FOO" }), "replyOk")
      assert.deepStrictEqual(session.notifications, [{ kind: "entry", parent: node(1), name: "foo" }])
      assert.deepStrictEqual(session.epochs, [2])
    })
  )

  it.effect("shows what was changed through one spelling in the others before it says so", () =>
    Effect.gen(function* () {
      const { one, reply, session } = yield* mounted({
        lookup: () => Effect.succeed(statOf(7, "foo")),
        setattr: () => Effect.succeed(statOf(7, "foo"))
      })
      reply<Entry>(one({ op: "lookup", parent: node(1), name: "foo" }), "replyEntry")
      const { nodeId } = reply<Entry>(one({ op: "lookup", parent: node(1), name: "FOO" }), "replyEntry")
      reply(one({ ...setattr(7), node: nodeId }), "replyAttr")
      assert.deepStrictEqual(session.attributes, [[[node(7)], 2]])
      assert.deepStrictEqual(session.notifications, [{ kind: "inode", node: node(7) }])
    })
  )

  it.effect("gives a directory's entries in order, and says where they end", () =>
    Effect.gen(function* () {
      const files = [5, 6, 7].map((ino) => statOf(ino, `f${ino}`))
      const asked: Array<number> = []
      const { one, reply, session, nodes } = yield* mounted({
        stat: () => Effect.succeed(statOf(1, "", { kind: "directory", ino: Ino(1) })),
        readdir: (_, after) =>
          Effect.sync(() => {
            asked.push(after)
            return files.filter((file) => file.item.ino > after)
          })
      })
      session.room = 4
      const request = { op: "readdir", node: node(1), size: 4096, plus: true } as const
      const page = reply<ReadonlyArray<DirEntry>>(one({ ...request, offset: 0 }), "replyDirectory")
      assert.deepStrictEqual(
        page.map(({ name, offset }) => [name, offset]),
        [
          [".", 1],
          ["..", 2],
          ["f5", 7],
          ["f6", 8]
        ]
      )
      assert.deepStrictEqual(
        [5, 6, 7].map((ino) => nodes.knows(node(ino))),
        [true, true, false]
      )
      assert.deepStrictEqual(session.answers.at(-1)?.value[1], { last: true, timeout: 100 })
      const rest = reply<ReadonlyArray<DirEntry>>(one({ ...request, offset: 8 }), "replyDirectory")
      assert.deepStrictEqual(
        rest.map((entry) => entry.name),
        ["f7"]
      )
      assert.isTrue(nodes.knows(node(7)))
      one({ ...request, plus: false, offset: 1 })
      assert.deepStrictEqual(asked, [0, 6, 0])
    })
  )

  it.effect("sends an open of replaced content back to look the name up again", () =>
    Effect.gen(function* () {
      const released: Array<unknown> = []
      const bodies: Array<unknown> = []
      let current = content(3)
      const { one, reply, error, nodes } = yield* mounted({
        lookup: () => Effect.succeed(statOf(7, "a")),
        open: () => Effect.sync(() => ({ stat: statOf(7, "a"), content: current, trusted: false })),
        release: (...call) => Effect.sync(() => void released.push(call)),
        stat: (_, body) =>
          Effect.sync(() => {
            bodies.push(body)
            return statOf(7, "a")
          })
      })
      const before = reply<Entry>(one({ op: "lookup", parent: node(1), name: "a" }), "replyEntry").nodeId
      one({ op: "open", node: before, flags: 0 })
      nodes.replace(Ino(7))
      current = content(4)
      assert.strictEqual(error(one({ op: "open", node: before, flags: 0 })), errno.ESTALE)
      assert.deepStrictEqual(released, [[7, 4, false]])
      const after = reply<Entry>(one({ op: "lookup", parent: node(1), name: "a" }), "replyEntry").nodeId
      assert.notStrictEqual(after, before)
      reply(one({ op: "open", node: after, flags: 0 }), "replyOpen")
      const getattr = (of: NodeId) => one({ op: "getattr", node: of, handle: undefined })
      getattr(before)
      getattr(after)
      assert.deepStrictEqual(bodies, [content(3), undefined], "old handles see the size of what they read")
    })
  )

  it.effect("answers getxattr and listxattr by size, in bytes, or ERANGE", () =>
    Effect.gen(function* () {
      const { one, reply, error } = yield* mounted({
        getXattr: () => Effect.succeed(Buffer.from("value")),
        listXattrs: () => Effect.succeed(["user.a", "user.b"])
      })
      const get = (size: number) => one({ op: "getxattr", node: node(7), name: "user.a", size })
      assert.strictEqual(reply(get(0), "replySize"), 5)
      assert.strictEqual(error(get(4)), errno.ERANGE)
      assert.deepStrictEqual(reply(get(5), "replyBytes"), Buffer.from("value"))
      const list = reply<Uint8Array>(one({ op: "listxattr", node: node(7), size: 100 }), "replyBytes")
      assert.strictEqual(Buffer.from(list).toString(), "user.a\0user.b\0")
    })
  )

  it.effect("refuses what OneDrive cannot keep and reports the end of the connection", () =>
    Effect.gen(function* () {
      const { one, ask, error, reasons } = yield* mounted({})
      assert.strictEqual(error(one({ op: "symlink", parent: node(1), name: "l", target: "t" })), errno.EPERM)
      assert.strictEqual(error(one({ op: "link", parent: node(1), name: "l", node: node(7) })), errno.EPERM)
      const fifo = { op: "mknod", parent: node(1), name: "p", mode: 0o010644, rdev: 0 } as const
      assert.strictEqual(error(one(fifo)), errno.EPERM)
      ask({ op: "closed", reason: "unmounted by somebody" })
      assert.deepStrictEqual(reasons, ["unmounted by somebody"])
    })
  )
})

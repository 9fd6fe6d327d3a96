/** Input that is no good: a typed error that says why, nothing lost, never a crash. */
import { afterEach, assert, describe, it } from "vitest"
import {
  ContentId,
  ContentTable,
  Dispatcher,
  Ended,
  FuseError,
  HandleId,
  InvalidArgument,
  NodeId,
  RequestId,
  Session,
  StrayReply,
  TooLarge,
  rootNodeId
} from "../../src/index.ts"
import type { Attr, Entry, Problem, Request } from "../../src/index.ts"
import { python, removeFolder, shell, Signal, start, temporaryFolder } from "./support.ts"

const time = { sec: 1, nsec: 0 }
const attrOf = (ino: number, mode: number): Attr => ({
  ino,
  size: 100,
  blocks: 1,
  atime: time,
  mtime: time,
  ctime: time,
  mode,
  nlink: 1,
  uid: 0,
  gid: 0,
  rdev: 0,
  blksize: 4096
})

/** A root folder with one file `f`, whose reads come up and are answered by the test. */
class OneFile {
  readonly mountpoint = temporaryFolder()
  readonly contents = ContentTable.create(() => undefined)
  readonly signal = new Signal()
  readonly problems: Array<Problem> = []
  readonly reads: Array<Extract<Request, { op: "read" }>> = []
  readonly dispatcher: Dispatcher
  readonly session: Session

  constructor() {
    this.dispatcher = new Dispatcher({
      session: () => this.session,
      onProblem: (problem) => void this.problems.push(problem)
    })
    const attr = (node: NodeId) => attrOf(node, node === rootNodeId ? 0o040755 : 0o100644)
    const entry = (nodeId: NodeId): Entry => ({
      nodeId,
      generation: 0,
      attr: attr(nodeId),
      attrTimeout: 0,
      entryTimeout: 0
    })
    this.dispatcher.handle("lookup", ({ id, name }) =>
      name === "f" ? this.session.replyEntry(id, entry(NodeId(2))) : this.session.replyNegative(id, 0)
    )
    this.dispatcher.handle("getattr", ({ id, node }) => this.session.replyAttr(id, attr(node), 0))
    this.dispatcher.handle("setattr", ({ id, node }) => this.session.replyAttr(id, attr(node), 0))
    this.dispatcher.handle("open", ({ id }) =>
      this.session.replyOpen(id, { handle: HandleId(1), keepCache: false, directIo: true })
    )
    this.dispatcher.handle("forget", () => undefined)
    this.dispatcher.handle("release", () => undefined)
    this.dispatcher.handle("read", (request) => {
      this.reads.push(request)
      this.signal.changed()
    })
    const options = { mountpoint: this.mountpoint, fsName: "one", subtype: "one" }
    this.session = Session.mount(options, this.contents, () => this.dispatcher.drain())
  }

  /** A process that reads ten bytes, and its request. */
  async reader() {
    const seen = this.reads.length
    const process = start("dd", `if=${this.mountpoint}/f`, "bs=10", "count=1")
    await this.signal.until(() => this.reads.length > seen)
    return { process, request: this.reads[seen] ?? assert.fail("no read") }
  }

  async close(): Promise<void> {
    await this.session.unmount({ deadline: 2000 })
    this.contents.dispose()
    removeFolder(this.mountpoint)
  }
}

/** ES2024, which the libraries that this is compiled against do not know yet. */
const resizable = (length: number) =>
  Reflect.construct(ArrayBuffer, [length, { maxByteLength: 2 * length }]) as ArrayBuffer & {
    resize(length: number): void
  }

const failureOf = (act: () => unknown): unknown => {
  try {
    act()
  } catch (error) {
    return error
  }
  return assert.fail("nothing was thrown")
}

const refused = (act: () => unknown, about: RegExp) => {
  const error = failureOf(act)
  assert.instanceOf(error, InvalidArgument)
  assert.deepInclude(error, { code: "EINVAL", errno: 22 })
  assert.match(error.message, about)
}

describe("bad input", () => {
  let file: OneFile | undefined
  afterEach(async () => {
    await file?.close()
    file = undefined
  })
  const mount = (): OneFile => (file = new OneFile())

  it("unknown options and wrong types are refused by name", async () => {
    const { contents, mountpoint, session } = mount()
    const options = { mountpoint, fsName: "x", subtype: "x" }
    const mounting = (change: object) => () => Session.mount({ ...options, ...change }, contents, () => undefined)
    refused(mounting({ maxThreads: 3 }), /maxThreads/)
    refused(mounting({ fsName: 7 }), /fsName/)
    refused(mounting({ allowOther: "yes" }), /allowOther/)
    refused(mounting({ threads: "4" }), /threads/)
    refused(mounting({ queueLimit: -1 }), /queueLimit/)
    refused(mounting({ mountpoint: "a\0b" }), /mountpoint/)
    refused(() => Session.mount(null as never, contents, () => undefined), /options/)
    refused(() => Session.mount(options, {} as never, () => undefined), /contents/)
    refused(() => Session.mount(options, contents, "no" as never), /onRequests/)
    refused(() => ContentTable.create(() => undefined, { queueLimit: 0 }), /queueLimit/)
    refused(() => ContentTable.create(() => undefined, { limit: 1 } as never), /limit/)
    refused(() => ContentTable.create(7 as never), /onEvents/)
    refused(() => session.take(1.5), /limit/)
    refused(() => void session.unmount({ deadline: -1 }), /deadline/)
    refused(() => void session.unmount({ deadline: 1, gently: true } as never), /gently/)
    await shell(mountpoint, "stat f")
  })

  it("a second mount of a session's mountpoint is busy, and the first one serves on", async () => {
    const { contents, mountpoint } = mount()
    const again = () => Session.mount({ mountpoint, fsName: "x", subtype: "x" }, contents, () => undefined)
    assert.deepInclude(failureOf(again), { code: "EBUSY", errno: 16 })
    await shell(mountpoint, "stat f")
  })

  it("replies to unknown and finished requests are strays, counted and without effect", async () => {
    const { session, ...one } = mount()
    const { process, request } = await file!.reader()
    session.replyBytes(request.id, Buffer.from("0123456789"))
    assert.strictEqual((await process.finished).stdout, "0123456789")
    for (const id of [request.id, RequestId(0), RequestId(4_000_000_000_000)]) {
      const error = failureOf(() => session.replyError(id, 5))
      assert.instanceOf(error, StrayReply)
      assert.deepInclude(error, { id, errno: 2 })
    }
    assert.strictEqual(session.stats().strayReplies, 3)
    for (const id of [-1, 0.5, Number.NaN, 2 ** 60, "1", undefined])
      refused(() => session.replyOk(id as never), /request/)
    assert.deepStrictEqual(one.problems, [])
  })

  it("replies of another kind, or with values out of range, leave the request pending", async () => {
    const { session } = mount()
    const { process, request } = await file!.reader()
    refused(() => session.replyOk(request.id), /another kind/)
    refused(() => session.replyAttr(request.id, attrOf(2, 0o100644), 0), /another kind/)
    refused(() => session.replyAttr(request.id, { ...attrOf(2, 0o100644), size: -1 }, 0), /out of range/)
    refused(() => session.replyAttr(request.id, { ...attrOf(2, 0o100644), ino: Number.NaN }, 0), /out of range/)
    refused(() => session.replyError(request.id, 0), /errno/)
    refused(() => session.replySize(request.id, -1), /size/)
    session.replyBytes(request.id, Buffer.from("late"))
    assert.strictEqual((await process.finished).stdout, "late")
    assert.strictEqual(session.stats().strayReplies, 0)
  })

  it("buffers that are detached, resized away or no bytes are refused, and the request stays", async () => {
    const { contents, session } = mount()
    const { process, request } = await file!.reader()
    const detached = new Uint8Array(8)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    const memory = resizable(8)
    const resized = new Uint8Array(memory, 4, 4)
    memory.resize(2)
    for (const bytes of [detached, resized, "bytes", new ArrayBuffer(4), [1, 2], undefined]) {
      refused(() => session.replyBytes(request.id, bytes as never), /bytes/)
      assert.instanceOf(
        await contents.fill(ContentId(1), 0, bytes as never).catch((error: unknown) => error),
        InvalidArgument
      )
    }
    // A view that follows its memory is as long as that is now.
    const following = new Uint8Array(memory)
    memory.resize(5)
    following.fill(0x61)
    session.replyBytes(request.id, following)
    assert.strictEqual((await process.finished).stdout, "aaaaa")
  })

  it("bytes are the kernel's when the call returns: what happens to the buffer then does not matter", async () => {
    const { session } = mount()
    const { process, request } = await file!.reader()
    const memory = resizable(10)
    const bytes = new Uint8Array(memory).fill(0x62)
    session.replyBytes(request.id, bytes)
    bytes.fill(0)
    memory.resize(0)
    assert.strictEqual((await process.finished).stdout, "b".repeat(10))
  })

  it("more bytes than were asked for are an error here and there", async () => {
    const { contents, session } = mount()
    const { process, request } = await file!.reader()
    const error = failureOf(() => session.replyBytes(request.id, new Uint8Array(request.size + 1)))
    assert.instanceOf(error, TooLarge)
    assert.include((await process.finished).stderr, "Input/output error")
    const much = await contents.fill(ContentId(1), 0, new Uint8Array((64 << 20) + 1)).catch((cause: unknown) => cause)
    assert.instanceOf(much, TooLarge)
  })

  it("sizes and offsets that a number cannot hold are refused before they come up", async () => {
    const { mountpoint } = mount()
    const script = `
import errno
def code(act):
    try: act()
    except OSError as e: return errno.errorcode[e.errno]
    return 'none'
print(code(lambda: os.truncate('f', 2**53)), code(lambda: os.truncate('f', 2**53 - 1)))
fd = os.open('f', os.O_RDWR)
print(code(lambda: os.posix_fallocate(fd, 2**53, 10)), len(os.pread(fd, 10, 2**53)))`
    assert.strictEqual(await python(mountpoint, script), "EFBIG none\nEFBIG 0\n")
  })

  it("a handler that answers twice is reported, and one that throws, with what it was", async () => {
    const { dispatcher, mountpoint, problems, session } = mount()
    const bug = new Error("bug")
    const unsupported = `
import errno
try: os.listxattr('f')
except OSError as e: print(errno.errorcode[e.errno])`
    dispatcher.handle("statfs", () => {
      throw bug
    })
    const remove = dispatcher.handle("listxattr", ({ id }) => {
      session.replyBytes(id, new Uint8Array(0))
      session.replyBytes(id, new Uint8Array(0))
    })
    const failed = await start("stat", "-f", mountpoint).finished
    assert.include(failed.stderr, "Input/output error")
    assert.strictEqual(await python(mountpoint, "print(os.listxattr('f'))"), "[]\n")
    assert.deepStrictEqual(
      problems.map(({ kind, op }) => `${kind} ${op}`),
      ["failed statfs", "stray listxattr"]
    )
    assert.strictEqual(problems[0]?.cause, bug)
    assert.instanceOf(problems[1]?.cause, StrayReply)
    assert.isDefined(problems[0]?.id)
    assert.strictEqual(session.stats().strayReplies, 1)
    remove()
    // Without a handler it is ENOSYS, which listxattr(2) gives as not supported.
    assert.include(await python(mountpoint, unsupported), "ENOTSUP")
  })

  it("calls after the end throw Ended or have nothing to give", async () => {
    const { contents, dispatcher, problems, session } = mount()
    const { process, request } = await file!.reader()
    const report = await session.unmount({ deadline: 0, force: true })
    await process.finished
    const bytes = new Uint8Array(1)
    const calls: ReadonlyArray<() => unknown> = [
      () => session.replyError(request.id, 5),
      () => session.replyOk(request.id),
      () => session.replyBytes(request.id, bytes),
      () => session.replyAttr(request.id, attrOf(2, 0o100644), 0),
      () => session.notify([{ kind: "inode", node: NodeId(1) }])
    ]
    for (const call of calls) assert.instanceOf(failureOf(call), Ended)
    // A handler that comes too late is nobody's mistake.
    dispatcher.attempt(request, () => session.replyBytes(request.id, bytes))
    dispatcher.drain()
    assert.deepStrictEqual(problems, [])
    await session.notified()
    assert.strictEqual(session.stats().pending, 0)
    assert.deepStrictEqual(await session.unmount({ deadline: 1000 }), report)
    contents.dispose()
    assert.instanceOf(
      failureOf(() => contents.state(ContentId(1))),
      Ended
    )
    assert.instanceOf(await contents.fill(ContentId(1), 0, bytes).catch((error: unknown) => error), Ended)
    assert.instanceOf(
      failureOf(() => Session.mount({ mountpoint: "/tmp", fsName: "x", subtype: "x" }, contents, () => undefined)),
      FuseError
    )
  })
})

/** Replies that say something the kernel does not take: refused here, so that what was counted stays true. */
import { afterEach, assert, describe, it } from "vitest"
import {
  ContentId,
  ContentTable,
  Dispatcher,
  HandleId,
  InvalidArgument,
  NodeId,
  Session,
  TooLarge,
  rootNodeId
} from "../../src/index.ts"
import type { Attr, DirEntry, Entry, Op, RequestOf } from "../../src/index.ts"
import { FlatFilesystem, python, removeFolder, shell, Signal, start, temporaryFolder } from "./support.ts"

const [S_IFDIR, S_IFREG, S_IFLNK] = [0o040000, 0o100000, 0o120000]
const time = { sec: 1, nsec: 0 }
const attrOf = (ino: number, type: number): Attr => {
  const numbers = { size: 0, blocks: 0, nlink: 1, uid: 0, gid: 0, rdev: 0, blksize: 4096 }
  return { ino, mode: type | 0o755, ...numbers, atime: time, mtime: time, ctime: time }
}
const entryOf = (node: number, type: number): Entry => ({
  nodeId: NodeId(node),
  generation: 0,
  attr: attrOf(node, type),
  attrTimeout: 100,
  entryTimeout: 100
})

/** A root folder whose requests the test answers; only the root's own attributes are known. */
class Unanswered {
  readonly mountpoint = temporaryFolder()
  readonly contents = ContentTable.create(() => undefined)
  readonly signal = new Signal()
  readonly session: Session
  readonly #asked = new Map<Op, Array<unknown>>()

  constructor() {
    const dispatcher = new Dispatcher({
      session: () => this.session,
      onProblem: ({ cause }) => assert.fail(String(cause))
    })
    dispatcher.handle("getattr", ({ id, node }) => this.session.replyAttr(id, attrOf(node, S_IFDIR), 100))
    for (const op of ["lookup", "mkdir", "symlink", "create", "readdir", "statfs", "setattr"] as const) {
      dispatcher.handle(op, (request) => {
        this.#asked.set(op, [...(this.#asked.get(op) ?? []), request])
        this.signal.changed()
      })
    }
    for (const op of ["forget", "release"] as const) dispatcher.handle(op, () => undefined)
    const options = { mountpoint: this.mountpoint, fsName: "unanswered", subtype: "unanswered" }
    this.session = Session.mount(options, this.contents, () => dispatcher.drain())
  }

  /** The next request of this kind that the test has not had. */
  async next<O extends Op>(op: O): Promise<RequestOf<O>> {
    await this.signal.until(() => (this.#asked.get(op)?.length ?? 0) > 0)
    return this.#asked.get(op)?.shift() as RequestOf<O>
  }

  async close(): Promise<void> {
    await this.session.unmount({ deadline: 2000 })
    this.contents.dispose()
    removeFolder(this.mountpoint)
  }
}

const refused = (act: () => unknown) => {
  try {
    act()
  } catch (error) {
    assert.instanceOf(error, InvalidArgument)
    return
  }
  assert.fail("nothing was thrown")
}

describe("a reply that the kernel would not take", () => {
  let mounted: Unanswered | FlatFilesystem | undefined
  const mount = (): Unanswered => {
    const unanswered = new Unanswered()
    mounted = unanswered
    return unanswered
  }
  afterEach(async () => {
    await mounted?.close()
    mounted = undefined
  })

  it("because a part is missing or a number does not fit is refused, and the request stays", async () => {
    const unanswered = mount()
    const { contents, mountpoint, session } = unanswered
    const looking = start("stat", "-c", "%i", `${mountpoint}/x`)
    const { id } = await unanswered.next("lookup")
    const good = entryOf(7, S_IFREG)
    const attr = (change: object) => ({ ...good, attr: { ...good.attr, ...change } })
    const bad: ReadonlyArray<unknown> = [
      null,
      undefined,
      "entry",
      {},
      { ...good, attr: undefined },
      { ...good, nodeId: 7.5 },
      { ...good, nodeId: 7n },
      { ...good, nodeId: rootNodeId },
      { ...good, attrTimeout: Number.POSITIVE_INFINITY },
      attr({ mtime: null }),
      attr({ ino: 7n }),
      attr({ size: 0.5 }),
      attr({ uid: 2 ** 32 }),
      attr({ mode: 0o755 }),
      attr({ mode: 0o170000 })
    ]
    for (const entry of bad) refused(() => session.replyEntry(id, entry as Entry))
    refused(() => session.replyNegative(id, undefined as never))
    session.replyEntry(id, good)
    assert.strictEqual((await looking.finished).stdout, "7\n")
    assert.strictEqual(session.lookups(NodeId(7)), 1)
    assert.strictEqual(session.stats().strayReplies, 0)
    for (const list of [null, undefined, 7, [null], [{ kind: "drop", node: 1 }], [{ kind: "entry", parent: 1 }]]) {
      refused(() => session.notify(list as never))
    }
    refused(() => session.notify([{ kind: "inode", node: rootNodeId, offset: -1 }]))
    refused(() => session.invalidateAttributes(null as never))
    for (const value of [Symbol("id"), Object.create(null), { toString: null }]) {
      refused(() => session.replyOk(value as never))
      refused(() => session.retire(value as never))
    }
    const reading = contents.read(ContentId(1), 0, 2 ** 40)
    assert.instanceOf(await reading.catch((error: unknown) => error), TooLarge)
  })

  it("because it is of another type than what was made is refused, and the request stays", async () => {
    const unanswered = mount()
    const { mountpoint, session } = unanswered
    const making = shell(mountpoint, "mkdir d; ln -s target l; : > f; stat -c %F d l f")
    const absent = async () => session.replyNegative((await unanswered.next("lookup")).id, 0)
    await absent()
    const mkdir = await unanswered.next("mkdir")
    for (const entry of [entryOf(0, S_IFDIR), entryOf(2, S_IFREG), entryOf(1, S_IFDIR)])
      refused(() => session.replyEntry(mkdir.id, entry))
    session.replyEntry(mkdir.id, entryOf(2, S_IFDIR))
    for (let request = await unanswered.next("lookup"); ; request = await unanswered.next("lookup")) {
      session.replyNegative(request.id, 0)
      if (request.name === "l") break
    }
    const symlink = await unanswered.next("symlink")
    refused(() => session.replyEntry(symlink.id, entryOf(3, S_IFREG)))
    session.replyEntry(symlink.id, entryOf(3, S_IFLNK))
    await absent()
    const create = await unanswered.next("create")
    const open = { handle: HandleId(1), keepCache: false }
    for (const entry of [entryOf(0, S_IFREG), entryOf(4, S_IFDIR)])
      refused(() => session.replyCreate(create.id, entry, open))
    refused(() => session.replyCreate(create.id, entryOf(4, S_IFREG), null as never))
    session.replyCreate(create.id, entryOf(4, S_IFREG), open)
    assert.strictEqual(await making, "directory\nsymbolic link\nregular empty file\n")
    for (const node of [2, 3, 4]) assert.strictEqual(session.lookups(NodeId(node)), 1)
    assert.strictEqual(session.lookups(NodeId(0)), 0)
  })

  it("because no directory has such names is refused; the dots are not counted", async () => {
    const unanswered = mount()
    const { mountpoint, session } = unanswered
    const listing = python(mountpoint, "print(sorted(entry.name for entry in os.scandir('.')))")
    const { id, plus } = await unanswered.next("readdir")
    assert.isTrue(plus)
    const line = (name: string, offset: number, entry?: Entry): DirEntry => {
      const fields = { name, ino: offset, type: S_IFDIR, offset }
      return entry === undefined ? fields : { ...fields, entry }
    }
    for (const name of ["", "a/b", "a\0b", "x".repeat(1025), undefined as never])
      refused(() => session.replyDirectory(id, [line("good", 8), line(name, 9)]))
    refused(() => session.replyDirectory(id, [line("untyped", 8, entryOf(8, 0))]))
    refused(() => session.replyDirectory(id, null as never))
    const page = [
      line(".", 1, entryOf(5, S_IFDIR)),
      line("..", 2, entryOf(6, S_IFDIR)),
      line("x".repeat(255), 8, entryOf(8, S_IFDIR))
    ]
    assert.strictEqual(session.replyDirectory(id, page, { last: true, timeout: 100 }), 3)
    assert.strictEqual(await listing, `['${"x".repeat(255)}']\n`)
    assert.deepStrictEqual(
      [5, 6, 8].map((node) => session.lookups(NodeId(node))),
      [0, 0, 1]
    )
  })

  it("because no number holds such a size is refused, also of a write, before anybody is asked", async () => {
    const flat = (mounted = new FlatFilesystem())
    flat.add(1, { size: 0 })
    const script = `
import errno
fd = os.open('f1', os.O_RDWR)
for offset in 2**53 - 1, 2**53, 2**62:
    try: os.pwrite(fd, b'x', offset)
    except OSError as error: print(errno.errorcode[error.errno])`
    assert.strictEqual(await python(flat.mountpoint, script), "EFBIG\nEFBIG\nEFBIG\n")
    assert.lengthOf(flat.of("dirty"), 0)
    assert.strictEqual(flat.contents.state(ContentId(1))?.size, 0)
  })
})

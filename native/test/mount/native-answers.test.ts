import { join } from "node:path"
import { rootNodeId } from "@onemount/fuse-native"
import { afterAll, afterEach, assert, describe, it } from "vitest"
import { MemoryFilesystem } from "../../examples/memory-filesystem.ts"
import { ContentTable, NodeId, Session } from "../../src/index.ts"
import type { DirEntry, Entry, Request, RequestId } from "../../src/index.ts"
import { blockUntil, python, removeFolder, shell, start, temporaryFolder } from "./support.ts"

const limit = 30_000
const isRoot = process.getuid?.() === 0

describe("what JavaScript said once", () => {
  let filesystem: MemoryFilesystem | undefined
  const mountpoint = temporaryFolder()
  const outside = temporaryFolder()
  const mount = (options = {}): MemoryFilesystem => (filesystem = new MemoryFilesystem(mountpoint, options))
  afterEach(async () => {
    await filesystem?.close()
    filesystem = undefined
  })
  afterAll(() => {
    removeFolder(mountpoint)
    removeFolder(outside)
  })

  it("is answered while JavaScript is busy, without any cache of the kernel", async () => {
    const { session } = mount({ kernelTimeouts: 0 })
    await shell(mountpoint, "mkdir d; for i in 1 2 3; do echo content $i > d/f$i; done")
    const use = `import os, sys
names = sorted(os.listdir('d'))
sizes = [os.stat('d/' + name).st_size for name in names]
texts = [open('d/' + name).read() for name in names]
print(names, sizes, texts, os.path.exists('d/missing'), os.stat('.').st_nlink)`
    // Twice: releases of the writers arrive after their closes, and end what is not answered natively.
    const expected = await python(mountpoint, `${use}\nlist(os.scandir('d'))`)
    assert.strictEqual(await python(mountpoint, `${use}\nlist(os.scandir('d'))`), expected)
    const done = join(outside, "done")
    const child = start("python3", "-c", `import os\nos.chdir('${mountpoint}')\n${use}\nopen('${done}', 'w')`)
    assert.isTrue(blockUntil(done))
    const { code, stderr, stdout } = await child.finished
    assert.strictEqual(code, 0, stderr)
    assert.strictEqual(stdout, expected)
    const { native } = session.stats()
    for (const kind of ["lookupHits", "attributeHits", "listingHits", "opens"] as const) {
      assert.isAbove(native[kind], 0, kind)
    }
  })

  it("is not repeated after it was changed, by others or by notification", async () => {
    const { session } = mount({ kernelTimeouts: 0 })
    const changes = `for round in range(50):
    with open('f', 'w') as f: f.write('x' * round)
    assert os.stat('f').st_size == round
    os.truncate('f', 1000)
    assert os.stat('f').st_size == 1000 and len(open('f').read()) == 1000
    os.chmod('f', 0o600 + round % 2)
    assert os.stat('f').st_mode & 0o777 == 0o600 + round % 2
    os.mkdir(f'd{round}'); assert f'd{round}' in os.listdir('.') and os.path.isdir(f'd{round}')
    os.rename('f', f'd{round}/g'); assert not os.path.exists('f') and os.listdir('.').count('f') == 0
    assert os.listdir(f'd{round}') == ['g']
    fd = os.open(f'd{round}/g', os.O_RDONLY)
    os.unlink(f'd{round}/g'); assert os.fstat(fd).st_nlink == 0 and os.listdir(f'd{round}') == []
    os.close(fd); os.rmdir(f'd{round}')`
    await python(mountpoint, changes)
    await shell(mountpoint, "echo 1 > f; stat f; stat f; ls -l")
    const asked = session.stats().native
    session.notify([{ kind: "entry", parent: rootNodeId, name: "f" }])
    await shell(mountpoint, "stat f; ls -l")
    const { lookupMisses, listingMisses } = session.stats().native
    assert.isAbove(lookupMisses, asked.lookupMisses)
    assert.isAbove(listingMisses, asked.listingMisses)
  })

  it.skipIf(!isRoot)(
    "is counted exactly: the kernel gives back what it was given (needs root: drop_caches)",
    async () => {
      const { session } = mount()
      await python(
        mountpoint,
        `import random, threading
def use(seed):
    pick = random.Random(seed)
    for i in range(400):
        name = f'n{pick.randrange(20)}'
        try:
            match pick.randrange(7):
                case 0: os.mkdir(name)
                case 1: open(name, 'a').close()
                case 2: os.rename(name, f'n{pick.randrange(20)}')
                case 3: os.stat(name)
                case 4: list(entry.stat() for entry in os.scandir('.'))
                case 5: open(name).read()
                case 6: os.rmdir(name) if os.path.isdir(name) else os.unlink(name)
        except OSError: pass
all = [threading.Thread(target=use, args=(seed,)) for seed in range(4)]
[one.start() for one in all]; [one.join() for one in all]`
      )
      assert.isAbove(session.stats().native.held, 0)
      const end = performance.now() + limit
      while (session.stats().native.held > 0 && performance.now() < end) {
        await shell("/", "echo 2 > /proc/sys/vm/drop_caches")
      }
      assert.strictEqual(session.stats().native.held, 0)
      await shell(mountpoint, "ls -l")
    }
  )

  it("lists 100,000 entries with none missed or repeated while others come and go", async () => {
    const directory = new Directory(mountpoint, 100_000)
    const listing = `import threading
stop = threading.Event()
def churn(kind):
    i = 0
    while not stop.is_set():
        os.mkdir(f'{kind}{i}'); os.rmdir(f'{kind}{i}'); i += 1
others = [threading.Thread(target=churn, args=(kind,)) for kind in 'ab']
[other.start() for other in others]
try:
    for round in range(3):
        names = [name for name in os.listdir('.') if name.startswith('f')]
        assert len(names) == 100000 and len(set(names)) == 100000, (len(names), len(set(names)))
finally:
    stop.set()
    [other.join() for other in others]`
    try {
      await python(mountpoint, listing)
      assert.isAbove(directory.session.stats().native.listingHits, 0)
    } finally {
      await directory.close()
    }
  })
})

/** One large directory: `f2`, `f3`, ... and whatever is made in it. Cookies are node ids. */
class Directory {
  readonly session: Session
  readonly #contents = ContentTable.create(() => undefined)
  readonly #names = new Map<number, string>()
  #last = 1

  constructor(mountpoint: string, size: number) {
    for (let i = 0; i < size; i++) this.#names.set(++this.#last, `f${this.#last}`)
    const options = { mountpoint, fsName: "large", subtype: "large" }
    this.session = Session.mount(options, this.#contents, () => {
      for (const request of this.session.take()) this.#answer(request)
    })
  }

  async close(): Promise<void> {
    await this.session.unmount({ deadline: 2000 })
    this.#contents.dispose()
  }

  #entry(node: number): Entry {
    const time = { sec: 1, nsec: 0 }
    const times = { atime: time, mtime: time, ctime: time }
    const attr = { ino: node, size: 0, blocks: 0, mode: 0o040755, nlink: 2, uid: 0, gid: 0, rdev: 0, blksize: 4096 }
    const timeouts = { attrTimeout: 100, entryTimeout: 100 }
    return { nodeId: NodeId(node), generation: 0, attr: { ...attr, ...times }, cookie: node, ...timeouts }
  }

  #list(id: RequestId, offset: number): void {
    const page: Array<DirEntry> = []
    // Maps keep the order of insertion, which is that of the cookies.
    for (const [node, name] of this.#names) {
      if (node <= offset) continue
      if (page.length === 5000) break
      page.push({ name, ino: node, type: 0o040000, offset: node, entry: this.#entry(node) })
    }
    this.session.replyDirectory(id, page, { last: page.length < 5000, timeout: 100 })
  }

  #answer(request: Request): void {
    const { session } = this
    switch (request.op) {
      case "readdir":
        return this.#list(request.id, request.offset)
      case "getattr":
        return session.replyAttr(request.id, this.#entry(request.node).attr, 100)
      case "lookup": {
        const found = [...this.#names].findLast(([, name]) => name === request.name)
        return found === undefined
          ? session.replyNegative(request.id, 100)
          : session.replyEntry(request.id, this.#entry(found[0]))
      }
      case "mkdir":
        this.#names.set(++this.#last, request.name)
        return session.replyEntry(request.id, this.#entry(this.#last))
      case "rmdir": {
        const found = [...this.#names].findLast(([, name]) => name === request.name)
        if (found !== undefined) this.#names.delete(found[0])
        return session.replyOk(request.id)
      }
      case "forget":
      case "closed":
        return
      default:
        return "id" in request ? session.replyError(request.id, 38) : undefined
    }
  }
}

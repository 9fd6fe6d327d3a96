/** Telling the kernel what changed, also while it is asked for at the same time. */
import { spawn } from "node:child_process"
import { afterEach, assert, describe, it } from "vitest"
import { ContentId, FuseError, NodeId } from "../../src/index.ts"
import type { Notification } from "../../src/index.ts"
import { FlatFilesystem, python, shell } from "./support.ts"

const files = 16
const size = 8192
const nodeOf = (id: number): NodeId => NodeId(id + 1)
const letter = (id: number): string => String.fromCharCode(96 + id)

/** 8 threads look names up, find them missing, list, stat, open and read; they end with their standard input. */
const load = (mountpoint: string): string => `
import os, sys, threading
os.chdir(${JSON.stringify(mountpoint)})
stop, wrong, rounds = threading.Event(), [], [0] * 8
def work(t):
    i = 0
    while not stop.is_set():
        i += 1
        n = 1 + (i * 7 + t) % ${files}
        try:
            if os.stat(f"f{n}").st_size != ${size}: wrong.append("size")
            fd = os.open(f"f{n}", os.O_RDONLY)
            try:
                data = os.pread(fd, ${size}, 0)
                if data != bytes([96 + n]) * ${size}: wrong.append(f"f{n}: {len(data)} bytes of {data[:4]}")
            finally: os.close(fd)
            if os.path.exists(f"none{i % 50}"): wrong.append("exists")
        except OSError as error: wrong.append(str(error))
        rounds[t] = i
threads = [threading.Thread(target=work, args=(t,)) for t in range(8)]
[t.start() for t in threads]
print("started", flush=True)
sys.stdin.read()
stop.set()
[t.join() for t in threads]
print(min(rounds) > 0, wrong[:5], flush=True)`

describe("invalidation", () => {
  let filesystem: FlatFilesystem | undefined
  const mount = (cached = false): FlatFilesystem => {
    filesystem = new FlatFilesystem()
    filesystem.cached = cached
    return filesystem
  }
  afterEach(async () => {
    await filesystem?.close()
    filesystem = undefined
  })

  it("of 50,000 at once waits for nobody for ever, with 8 threads of load", async () => {
    const { contents, mountpoint, session } = mount(true)
    for (let id = 1; id <= files; id++) {
      filesystem?.add(id, { size })
      await contents.fill(ContentId(id), 0, Buffer.alloc(size, letter(id)))
    }
    const child = spawn("python3", ["-c", load(mountpoint)], { stdio: ["pipe", "pipe", "inherit"] })
    let said = ""
    const started = new Promise<void>((resolve) => {
      child.stdout.on("data", (text: Buffer) => {
        said += text.toString()
        if (said.includes("started")) resolve()
      })
    })
    const ended = new Promise((resolve) => child.once("close", resolve))
    await started
    const before = session.stats().notifications
    let asked = 0
    while (asked < 50_000) {
      const batch: Array<Notification> = []
      for (let i = 0; i < 500; i++) batch.push(one(asked + i))
      session.notify(batch)
      asked += batch.length
      session.bumpEpoch()
      session.invalidateAttributes([nodeOf(1 + (asked % files))])
      // Lets requests be answered in between, and not everything be said at once already.
      await (asked % 2500 === 0 ? session.notified() : new Promise((resolve) => setImmediate(resolve)))
    }
    await session.notified()
    const sent = session.stats().notifications - before
    child.stdin.end()
    await ended
    assert.strictEqual(said, "started\nTrue []\n")
    assert.isAbove(sent, 500)
    assert.isAtMost(sent, asked)
  })

  /** Of every kind, for names and nodes that are used at the same time. */
  const one = (i: number): Notification => {
    const id = 1 + (i % files)
    const parent = NodeId(1)
    switch (i % 7) {
      case 0:
        return { kind: "entry", parent, name: `f${id}` }
      case 1:
        return { kind: "expire", parent, name: `f${id}` }
      case 2:
        return { kind: "entry", parent, name: `none${i % 50}` }
      case 3:
        return { kind: "inode", node: nodeOf(id), attributesOnly: true }
      case 4:
        return { kind: "inode", node: nodeOf(id), offset: 4096, length: 4096 }
      case 5:
        return { kind: "store", node: nodeOf(id), offset: 0, bytes: Buffer.alloc(4096, letter(id)) }
      default:
        return { kind: "delete", parent, child: nodeOf(id), name: `f${id}` }
    }
  }

  it("of very many names at once leaves none to be answered natively", async () => {
    const { mountpoint, session } = mount()
    filesystem?.add(1, { size: 5 })
    await shell(mountpoint, "stat f1")
    const names = Array.from(
      { length: 20_000 },
      (_, i) => ({ kind: "entry", parent: NodeId(1), name: `f${i}` }) as const
    )
    session.notify(names)
    await session.notified()
    await shell(mountpoint, "stat f1")
    assert.lengthOf(filesystem?.of("lookup") ?? [], 2)
  })

  it("says once what is waiting already", async () => {
    const { mountpoint, session, signal } = mount()
    filesystem?.silent.add("hang")
    const looking = shell(mountpoint, "cat hang || true")
    await signal.until(() => filesystem?.of("lookup").length === 1)
    // The first one waits for the lookup in its directory, and the others wait for it.
    session.notify([{ kind: "entry", parent: NodeId(1), name: "first" }])
    while (session.stats().notifications === 0) await new Promise((resolve) => setImmediate(resolve))
    for (let i = 0; i < 1000; i++) session.notify([{ kind: "entry", parent: NodeId(1), name: "f1" }])
    const id = filesystem?.of("lookup")[0]?.id
    if (id !== undefined) session.replyError(id, 2)
    await Promise.all([session.notified(), looking])
    assert.isAtMost(session.stats().notifications, 3)
  })

  it("expires a name without taking it from who uses it", async () => {
    const { mountpoint, session } = mount()
    filesystem?.add(1, { size: 5 })
    await shell(mountpoint, "stat f1; stat f1")
    assert.lengthOf(filesystem?.of("lookup") ?? [], 1)
    session.notify([{ kind: "expire", parent: NodeId(1), name: "f1" }])
    await session.notified()
    await shell(mountpoint, "stat f1")
    assert.lengthOf(filesystem?.of("lookup") ?? [], 2)
  })

  it("puts bytes into the page cache", async () => {
    const { mountpoint, session } = mount(true)
    filesystem?.add(1, { size: 4096 })
    await shell(mountpoint, "stat f1")
    session.notify([{ kind: "store", node: nodeOf(1), offset: 0, bytes: Buffer.alloc(4096, "s") }])
    await session.notified()
    assert.strictEqual(await python(mountpoint, "print(open('f1').read() == 's' * 4096)"), "True\n")
    assert.lengthOf(filesystem?.of("fetch") ?? [], 0, "nobody asked for them")
    const large = { kind: "store", node: nodeOf(1), offset: 0, bytes: new Uint8Array(2 ** 20 + 1) } as const
    assert.throws(() => session.notify([large]), FuseError, /at most/)
  })
})

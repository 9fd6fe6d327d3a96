import { openSync, closeSync } from "node:fs"
import { join } from "node:path"
import { afterEach, assert, describe, it, vi } from "vitest"
import { ContentId, ContentTable, FuseError, HandleId, NodeId, RequestId, Session } from "../../src/index.ts"
import {
  FlatFilesystem,
  blockUntil,
  descriptors,
  isMounted,
  python,
  removeFolder,
  shell,
  start,
  temporaryFolder,
  threads
} from "./support.ts"

const page = 128 * 1024
const one = ContentId(1)

const errorOf = (act: () => unknown): FuseError => {
  try {
    act()
  } catch (error) {
    if (error instanceof FuseError) return error
    throw error
  }
  throw new Error("nothing was thrown")
}

const reader = (mountpoint: string, name: string): ReturnType<typeof start> =>
  start("python3", "-c", `import os\nos.read(os.open('${mountpoint}/${name}', os.O_RDONLY), 10)`)

describe("a session", () => {
  let filesystem: FlatFilesystem | undefined
  const mount = (options = {}): FlatFilesystem => (filesystem = new FlatFilesystem(options))
  afterEach(async () => {
    await filesystem?.close()
    filesystem = undefined
  })

  it("mounts and unmounts a hundred times and leaves nothing", async () => {
    const contents = ContentTable.create(() => undefined)
    const mountpoint = temporaryFolder()
    const cycle = async (): Promise<void> => {
      const session: Session = Session.mount({ mountpoint, fsName: "cycle", subtype: "cycle" }, contents, () => {
        for (const request of session.take()) if ("id" in request) session.replyError(request.id, 38)
      })
      const report = await session.unmount({ deadline: 2000 })
      assert.strictEqual(report.outcome, "graceful")
      assert.isFalse(isMounted(mountpoint))
    }
    await cycle()
    const before = { descriptors: descriptors(), threads: threads() }
    for (let i = 0; i < 100; i++) await cycle()
    // The unmounting threads themselves end just after they have reported.
    await vi.waitFor(() => assert.isAtMost(threads(), before.threads), { timeout: 10_000 })
    assert.strictEqual(descriptors(), before.descriptors)
    contents.dispose()
    removeFolder(mountpoint)
  })

  it("lets a blocked reader be killed at once", async () => {
    const { contents, mountpoint, signal } = mount()
    filesystem?.add(1, { size: page })
    const blocked = reader(mountpoint, "f1")
    await signal.until(() => filesystem?.of("fetch").length === 1)
    const killed = performance.now()
    blocked.kill("SIGKILL")
    assert.strictEqual((await blocked.finished).signal, "SIGKILL")
    assert.isBelow(performance.now() - killed, 1000)
    assert.strictEqual(contents.state(one)?.waiters, 0)
  })

  it("cancels a request that JavaScript has when its caller is killed", async () => {
    const { mountpoint, signal } = mount()
    filesystem?.silent.add("hang")
    const blocked = start("cat", `${mountpoint}/hang`)
    await signal.until(() => filesystem?.of("lookup").length === 1)
    const killed = performance.now()
    blocked.kill("SIGKILL")
    await signal.until(() => filesystem?.of("cancel").length === 1)
    assert.strictEqual((await blocked.finished).signal, "SIGKILL")
    assert.isBelow(performance.now() - killed, 1000)
    assert.strictEqual(filesystem?.of("cancel")[0]?.target, filesystem?.of("lookup")[0]?.id)
  })

  it("lets callers be killed while JavaScript is busy and has not taken their requests", async () => {
    const { folder, mountpoint, session } = mount()
    filesystem?.silent.add("hang")
    const gone = join(folder, "gone")
    const script = `cat ${mountpoint}/hang & sleep 0.2; kill -KILL $!; wait $!; touch ${gone}`
    const killer = start("sh", "-c", script)
    assert.isTrue(blockUntil(gone, 10_000))
    await killer.finished
    await shell(mountpoint, "cat other || true")
    assert.deepStrictEqual(
      filesystem?.of("lookup").map(({ name }) => name),
      ["other"],
      "nobody has to hear of it"
    )
    assert.lengthOf(filesystem?.of("cancel") ?? [], 0)
    assert.strictEqual(session.stats().pending, 0)
  })

  it("does not end a read for a signal that the caller handles", async () => {
    const { contents, mountpoint, session, signal } = mount()
    filesystem?.add(1, { size: 10 })
    const blocked = start(
      "python3",
      "-c",
      `import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)\nfd = os.open('${mountpoint}/f1', os.O_RDONLY)\nprint(os.read(fd, 10).decode())`
    )
    await signal.until(() => filesystem?.of("fetch").length === 1)
    await shell("/", `for i in 1 2 3 4 5; do kill -USR1 ${blocked.pid}; sleep 0.05; done`)
    await contents.fill(one, 0, Buffer.from("0123456789"))
    assert.strictEqual((await blocked.finished).stdout, "0123456789\n")
    // Python would have read again after EINTR.
    assert.deepInclude(session.stats().ops["read"], { count: 1, errors: 0 })
  })

  it("unmounts within its deadline while readers are parked", async () => {
    const { contents, mountpoint, session, signal } = mount()
    filesystem?.add(1, { size: page })
    const blocked = [reader(mountpoint, "f1"), reader(mountpoint, "f1")]
    await signal.until(() => filesystem?.of("fetch").length === 1)
    while (contents.state(one)?.waiters !== 2) await new Promise((resolve) => setImmediate(resolve))
    const report = await session.unmount({ deadline: 200 })
    assert.strictEqual(report.outcome, "forced")
    assert.strictEqual(report.abandoned, 2)
    assert.isBelow(report.durationMs, 2000)
    assert.isFalse(isMounted(mountpoint))
    for (const { finished } of blocked) assert.notStrictEqual((await finished).code, 0)
    assert.strictEqual(await session.unmount({ deadline: 200 }), report)
    assert.lengthOf(
      session.take().filter(({ op }) => op === "closed"),
      0
    )
    assert.strictEqual(contents.state(one)?.handles, 0)
  })

  it("stops being polite when force is asked for meanwhile", async () => {
    const { mountpoint, session, signal } = mount()
    filesystem?.add(1, { size: page })
    const blocked = reader(mountpoint, "f1")
    await signal.until(() => filesystem?.of("fetch").length === 1)
    const leaving = session.unmount({ deadline: 30_000 })
    const asked = performance.now()
    const hurried = await session.unmount({ deadline: 0, force: true })
    assert.isBelow(performance.now() - asked, 2000)
    assert.strictEqual(await leaving, hurried)
    assert.strictEqual(hurried.outcome, "forced")
    assert.isFalse(isMounted(mountpoint))
    assert.notStrictEqual((await blocked.finished).code, 0)
  })

  it("waits for a busy mount and goes politely when it is free", async () => {
    const { mountpoint, session } = mount()
    const busy = start("sh", "-c", `cd ${mountpoint}; echo in; sleep 0.3`)
    const leaving = session.unmount({ deadline: 5000 })
    await busy.finished
    const report = await leaving
    assert.strictEqual(report.outcome, "graceful")
  })

  it.each(["umount -l", "fusermount3 -u"])("reports an end from outside: %s", async (command) => {
    const { mountpoint, session, signal } = mount()
    await shell("/", `${command} ${mountpoint}`)
    await signal.until(() => filesystem?.of("closed").length === 1)
    assert.strictEqual(filesystem?.of("closed")[0]?.reason, "unmounted from outside")
    assert.strictEqual((await session.unmount({ deadline: 1000 })).outcome, "gone")
  })

  it("keeps the queue within its limit by not reading more, and loses nothing", async () => {
    const limit = 4
    const threadsOfLoop = 2
    const { mountpoint, session } = mount({ queueLimit: limit, threads: threadsOfLoop })
    const burst = python(
      mountpoint,
      `
import threading
def probe(i):
    for k in range(20): os.path.exists(f'none-{i}-{k}')
all = [threading.Thread(target=probe, args=(i,)) for i in range(16)]
[t.start() for t in all]
[t.join() for t in all]`
    )
    // While this thread does not turn, nothing is taken: the queue fills up and has to stop there.
    const end = performance.now() + 300
    while (performance.now() < end);
    assert.isAtMost(session.stats().queuedMax, limit + threadsOfLoop)
    await burst
    assert.isAtLeast(filesystem?.of("lookup").length ?? 0, 320)
    assert.isAtMost(session.stats().queuedMax, limit + threadsOfLoop)
  })

  it("delivers invalidations in order and tells when", async () => {
    const { mountpoint, session } = mount()
    filesystem?.add(1, { size: 5 })
    await shell(mountpoint, "stat f1; stat f1")
    assert.lengthOf(filesystem?.of("lookup") ?? [], 1)
    session.notify([
      { kind: "entry", parent: NodeId(1), name: "f1" },
      { kind: "entry", parent: NodeId(1), name: "not cached" },
      { kind: "inode", node: NodeId(2), attributesOnly: true }
    ])
    await session.notified()
    assert.strictEqual(session.stats().notifications, 3)
    await shell(mountpoint, "stat f1")
    assert.lengthOf(filesystem?.of("lookup") ?? [], 2)
  })

  it("makes names and attributes be asked for again at once, whatever is in flight", async () => {
    const { mountpoint, session, signal } = mount()
    filesystem?.add(1, { size: 5 })
    filesystem?.silent.add("hang")
    await shell(mountpoint, "stat f1; stat f1")
    assert.lengthOf(filesystem?.of("lookup") ?? [], 1)
    assert.lengthOf(filesystem?.of("getattr") ?? [], 1)
    const blocked = start("cat", `${mountpoint}/hang`)
    await signal.until(() => filesystem?.of("lookup").length === 2)
    // An entry's invalidation has to wait for the lookup in its directory; these two must not.
    session.notify([{ kind: "entry", parent: NodeId(1), name: "other" }])
    session.invalidateAttributes([NodeId(2), NodeId(99)])
    const bumped = session.bumpEpoch()
    assert.strictEqual(filesystem?.of("cancel").length, 0)
    session.replyError(filesystem?.of("lookup")[1]?.id ?? RequestId(0), 2)
    await blocked.finished
    await shell(mountpoint, "stat f1")
    const known = bumped ? ["lookup", 3] : ["getattr", 2]
    assert.strictEqual(filesystem?.seen.filter(({ op }) => op === known[0]).length, known[1])
    await session.unmount({ deadline: 1000 })
    assert.isFalse(session.bumpEpoch())
    assert.strictEqual(errorOf(() => session.invalidateAttributes([NodeId(2)])).code, "ENODEV")
  })

  it("refuses nonsense with typed errors and goes on serving", async () => {
    const { contents, folder, mountpoint, session } = mount()
    filesystem?.add(1, { size: 5 })
    const options = { mountpoint, fsName: "x", subtype: "x" }
    assert.strictEqual(errorOf(() => Session.mount(options, contents, () => undefined)).code, "EBUSY")
    const inside = { ...options, mountpoint: `${mountpoint}/f1` }
    assert.strictEqual(errorOf(() => Session.mount(inside, contents, () => undefined)).code, "EBUSY")
    const absent = { ...options, mountpoint: `${folder}/absent` }
    assert.strictEqual(errorOf(() => Session.mount(absent, contents, () => undefined)).code, "ENOENT")
    const file = { ...options, mountpoint: `${folder}/1` }
    assert.strictEqual(errorOf(() => Session.mount(file, contents, () => undefined)).code, "ENOTDIR")
    for (const bad of [{ threads: 0 }, { threads: 1.5 }, { queueLimit: 0 }, { maxTransfer: 1 }, { unknown: 1 }]) {
      const error = errorOf(() => Session.mount({ ...options, ...bad }, contents, () => undefined))
      assert.deepStrictEqual([error.code, error.syscall], ["EINVAL", "mount"])
    }
    assert.strictEqual(errorOf(() => contents.dispose()).code, "EBUSY")
    assert.strictEqual(errorOf(() => contents.close(ContentId(99))).code, "EBADF")
    assert.strictEqual(
      errorOf(() => contents.open(one, { path: "", size: 0, mtime: { sec: 0, nsec: 0 }, valid: [], generation: 0 }))
        .code,
      "EINVAL"
    )
    assert.strictEqual(
      errorOf(() =>
        contents.open(one, { path: `${folder}/1`, size: 5, mtime: { sec: 0, nsec: 0 }, valid: [3, 1], generation: 0 })
      ).code,
      "EINVAL"
    )
    assert.strictEqual(
      errorOf(() =>
        contents.open(one, { path: `${folder}/1`, size: 5, mtime: { sec: 0, nsec: 0 }, valid: [], generation: 0 })
      ).code,
      "EEXIST"
    )
    assert.strictEqual(errorOf(() => session.replyError(RequestId(1), -2)).code, "EINVAL")
    assert.strictEqual(errorOf(() => session.take(0)).code, "EINVAL")
    assert.strictEqual(errorOf(() => session.replyOk(RequestId(123_456))).name, "StrayReply")
    assert.strictEqual(session.stats().strayReplies, 1)
    await shell(mountpoint, "stat f1")
  })

  it("answers for file capabilities itself, and sends other attributes up", async () => {
    const { mountpoint } = mount()
    filesystem?.add(1, { size: 5 })
    const script = `
import errno
for name in ['security.capability', 'user.other']:
    try: os.getxattr('f1', name)
    except OSError as e: print(errno.errorcode[e.errno])`
    assert.strictEqual(await python(mountpoint, script), "ENODATA\nENOTSUP\n")
    assert.deepStrictEqual(
      filesystem?.of("getxattr").map(({ name }) => name),
      ["user.other"]
    )
  })

  it("takes no reply of another kind, and the right one afterwards", async () => {
    const { mountpoint, session, signal } = mount()
    filesystem?.silent.add("odd")
    const asking = start("stat", `${mountpoint}/odd`)
    await signal.until(() => filesystem?.of("lookup").length === 1)
    const id = filesystem?.of("lookup")[0]?.id ?? RequestId(0)
    assert.strictEqual(errorOf(() => session.replyOk(id)).code, "EINVAL")
    const unknown = { handle: HandleId(1), content: ContentId(77), keepCache: false }
    assert.strictEqual(errorOf(() => session.replyOpen(id, unknown)).code, "EBADF")
    session.replyError(id, 13)
    assert.include((await asking.finished).stderr, "Permission denied")
    assert.strictEqual(errorOf(() => session.replyError(id, 13)).name, "StrayReply")
    assert.strictEqual(session.stats().strayReplies, 1)
  })

  it("refuses work after the end", async () => {
    const { contents, session } = mount()
    await session.unmount({ deadline: 1000 })
    assert.strictEqual(errorOf(() => session.replyOk(RequestId(1))).name, "Ended")
    assert.strictEqual(errorOf(() => session.notify([{ kind: "inode", node: NodeId(1) }])).code, "ENODEV")
    await session.notified()
    assert.lengthOf(session.take(), 0)
    contents.dispose()
    contents.dispose()
    assert.strictEqual(errorOf(() => contents.state(one)).code, "ENODEV")
    const filled = await contents.fill(one, 0, Buffer.from("x")).catch((error: unknown) => error)
    assert.instanceOf(filled, FuseError)
  })

  it("leaves no mount and no core behind when the process exits", async () => {
    const mountpoint = temporaryFolder()
    const script = `
      import { ContentTable, Session } from "${new URL("../../src/index.ts", import.meta.url).href}"
      const contents = ContentTable.create(() => {})
      Session.mount({ mountpoint: "${mountpoint}", fsName: "x", subtype: "x" }, contents, () => {})
      setTimeout(() => process.exit(7), 50)`
    const { code, stderr } = await start(process.execPath, "--input-type=module", "-e", script).finished
    assert.deepStrictEqual([code, stderr.replaceAll(/.*Warning.*\n.*trace-warnings.*\n/g, "")], [7, ""])
    assert.isFalse(isMounted(mountpoint))
    removeFolder(mountpoint)
  })

  it("ends with the worker thread that serves it", async () => {
    const mountpoint = temporaryFolder()
    const script = `
      import { Worker } from "node:worker_threads"
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(`
        import { parentPort } from "node:worker_threads"
        const { ContentTable, Session } = await import("${new URL("../../src/index.ts", import.meta.url).href}")
        const contents = ContentTable.create(() => {})
        Session.mount({ mountpoint: "${mountpoint}", fsName: "x", subtype: "x" }, contents, () => {})
        setInterval(() => {}, 1000)
        parentPort.postMessage("mounted")`)})))
      worker.on("message", async () => { await worker.terminate(); console.log("terminated") })`
    const { code, stdout } = await start(process.execPath, "--input-type=module", "-e", script).finished
    assert.deepStrictEqual([code, stdout], [0, "terminated\n"])
    assert.isFalse(isMounted(mountpoint))
    removeFolder(mountpoint)
  })

  it("hashes by descriptor without moving it", async () => {
    const { quickXorHashFile, syncFile } = await import("../../src/index.ts")
    const fd = openSync("/etc/passwd", "r")
    const [byPath, byFd] = await Promise.all([quickXorHashFile("/etc/passwd"), quickXorHashFile(fd)])
    closeSync(fd)
    assert.deepStrictEqual(byPath, byFd)
    const absent = await syncFile("/nonexistent").catch((error: unknown) => error)
    assert.instanceOf(absent, FuseError)
  })
})

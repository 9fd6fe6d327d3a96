/** The end of a session in every phase, with somebody waiting for an answer and somebody standing in the mount. */
import { join } from "node:path"
import { afterEach, assert, describe, it } from "vitest"
import { ContentId } from "../../src/index.ts"
import type { ShutdownEvent } from "../../src/index.ts"
import { FlatFilesystem, isMounted, python, removeFolder, shell, start, temporaryFolder } from "./support.ts"

const page = 128 * 1024

describe("a shutdown", () => {
  let filesystem: FlatFilesystem | undefined
  const mount = (options = {}): FlatFilesystem => (filesystem = new FlatFilesystem(options))
  afterEach(async () => {
    await filesystem?.close()
    filesystem = undefined
  })

  it("serves reads and refuses changes while it drains, and tells every phase", async () => {
    const { contents, mountpoint, session } = mount()
    filesystem?.add(1, { size: 5 })
    await contents.fill(ContentId(1), 0, Buffer.from("12345"))
    const events: Array<ShutdownEvent> = []
    assert.strictEqual(session.phase, "running")
    const ending = session.shutdown({
      reason: "test",
      drain: 30_000,
      unmount: 5000,
      onEvent: (event) => events.push(event)
    })
    assert.strictEqual(session.phase, "draining")
    const script = `
import errno
def outcome(call):
    try: return call()
    except OSError as e: return errno.errorcode[e.errno]
print(open('f1').read(), outcome(lambda: os.mkdir('d')), outcome(lambda: os.open('f1', os.O_WRONLY)),
    outcome(lambda: os.chmod('f1', 0o600)), outcome(lambda: os.rename('f1', 'f2')), outcome(lambda: os.open('new', os.O_CREAT)),
    outcome(lambda: os.setxattr('f1', 'user.a', b'')), outcome(lambda: os.stat('f1').st_size))`
    assert.strictEqual(await python(mountpoint, script), "12345 EBUSY EBUSY EBUSY EBUSY EBUSY EBUSY 5\n")
    assert.strictEqual(filesystem?.of("mkdir").length, 0, "refused natively")
    const [report, same] = await Promise.all([session.unmount({ deadline: 5000 }), ending])
    assert.strictEqual(report, same)
    assert.deepInclude(report, { outcome: "graceful", asked: "test", reason: "unmounted", drained: true, abandoned: 0 })
    const { draining, unmounting, closing } = report.phases
    assert.strictEqual(draining + unmounting + closing, report.durationMs)
    assert.strictEqual(session.phase, "closed")
    assert.deepStrictEqual(events, [
      { type: "begin", reason: "test" },
      { type: "phase", phase: "draining", before: 0 },
      { type: "phase", phase: "unmounting", before: draining },
      { type: "phase", phase: "closed", before: unmounting },
      { type: "complete", report }
    ])
  })

  it("keeps its limits while this thread is blocked", async () => {
    const { mountpoint, session, signal } = mount()
    filesystem?.add(1, { size: page })
    const blocked = start("cat", `${mountpoint}/f1`)
    await signal.until(() => filesystem?.of("fetch").length === 1)
    const ending = session.shutdown({ drain: 100, unmount: 100 })
    const end = performance.now() + 10_000
    while (isMounted(mountpoint) && performance.now() < end);
    assert.isFalse(isMounted(mountpoint))
    const report = await ending
    assert.deepInclude(report, { outcome: "forced", reason: "busy until the deadline", drained: false, abandoned: 1 })
    assert.isAtLeast(report.phases.draining, 100)
    assert.isAtLeast(report.phases.unmounting, 100)
    assert.include((await blocked.finished).stderr, "Software caused connection abort")
  })

  it("is forced at any moment, and ends with the connection", async () => {
    const draining = mount().session.shutdown({ drain: 60_000, unmount: 60_000 })
    await filesystem?.session.unmount({ deadline: 60_000, force: true })
    assert.deepInclude(await draining, { outcome: "forced", drained: false, reason: "force was asked for" })
    await filesystem?.close()

    const { mountpoint, session } = mount()
    const cut = session.shutdown({ drain: 60_000, unmount: 60_000 })
    await shell("/", `umount -l ${mountpoint}`)
    assert.deepInclude(await cut, { outcome: "gone", drained: false })
    assert.strictEqual(filesystem?.of("closed").length, 0, "whoever ends it knows")
  })

  it("needs no descriptor, when the process has none left", async (context) => {
    // It looks through a pipe whether an object may be looked at, and takes it for a wrong one where there is no pipe.
    if (process.env["LD_PRELOAD"] !== undefined) return context.skip("the sanitizer needs descriptors of its own")
    const [mountpoint, other] = [temporaryFolder(), temporaryFolder()]
    const exhausted = join(import.meta.dirname, "actors/exhausted.ts")
    const command = ["sh", "-ec", 'ulimit -n 100; exec "$@"', "sh", process.execPath, exhausted] as const
    const { code, stderr, stdout } = await start(...command, mountpoint, other).finished
    assert.deepStrictEqual([code, stdout], [0, "mounted\nEMFILE\ngraceful unmounted\n"], stderr)
    assert.isFalse(isMounted(mountpoint) || isMounted(other))
    removeFolder(mountpoint)
    removeFolder(other)
  })

  const actor = join(import.meta.dirname, "actors/ending.ts")
  const expected = { exit: 7, rejection: 1, throw: 1, terminate: 0 } as const
  for (const phase of ["running", "draining", "unmounting", "closed"]) {
    for (const how of ["exit", "rejection", "throw", "terminate"] as const) {
      it(`leaves no mount and no core when the session is ${phase} and its process ends by ${how}`, async () => {
        const mountpoint = temporaryFolder()
        const { code, signal, stderr } = await start(process.execPath, actor, mountpoint, phase, how).finished
        assert.deepStrictEqual([code, signal], [expected[how], null], stderr)
        assert.isFalse(isMounted(mountpoint))
        removeFolder(mountpoint)
      })
    }
  }
})

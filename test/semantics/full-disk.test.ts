/** docs/SEMANTICS.md, "Files": writes that find the disk below the cache full. */
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { Harness, shell, type Drive, type Mount } from "../e2e/harness.ts"
import { at, python, startPython } from "./support.ts"

/** Seconds that a write waits for room, and what a busy machine may add. */
const patience = 5
const slack = 25

// A small disk is a mount of its own, which takes root.
describe.runIf(process.getuid?.() === 0)("a full disk", () => {
  let harness: Harness
  let drive: Drive
  let mount: Mount
  let disk: string

  beforeAll(async () => {
    harness = await Harness.open()
    drive = await harness.serve()
    disk = await harness.tmpfs("disk", "size=24m")
    // What the kernel writes by itself waits for nothing (F18).
    const options = ["cache.reserve=0", "cache.limit=64MiB", "mount.passthrough=off"].flatMap((key) => ["--set", key])
    mount = await harness.mount(drive, "mnt", options, `${disk}/cache`)
    await mount.sync()
  }, 120_000)
  afterAll(() => harness.close(), 120_000)

  const fill = () => shell(`dd if=/dev/zero of=${disk}/filler bs=4k 2> ${harness.at("dd")} || true`)
  const makeRoom = () => shell(`rm -f ${disk}/filler`)

  test("F18: a write that finds the disk full waits up to 5 s for room, then it is ENOSPC", async () => {
    const writer = startPython(
      mount,
      `
fd = os.open("waits", os.O_CREAT | os.O_WRONLY)
os.write(fd, b"begun")
print("begun")
while os.statvfs("${disk}").f_bavail > 0: time.sleep(0.01)
print("full")
written = 0
while written == 0:
    # Until the test sees that one waits and makes room: on a slow machine that may take longer than one waits.
    try: written = os.write(fd, b"x" * 65536)
    except OSError as error: assert error.errno == errno.ENOSPC
print("written", written)
while os.statvfs("${disk}").f_bavail > 0: time.sleep(0.01)
started = time.monotonic()
try:
    while True: os.write(fd, b"x" * 65536)
except OSError as error:
    print(errno.errorcode[error.errno], time.monotonic() - started)
`
    )
    await writer.line(/begun/, 30_000)
    await fill()
    await writer.line(/full/, 30_000)
    const waiting = async () => (await mount.status()).writes.queue.now
    while ((await waiting()) === 0) assert.isNull(writer.child.exitCode, writer.stderr)
    await makeRoom()
    await writer.line(/written/, 30_000)
    await fill()
    const [, seconds] = await writer.line(/ENOSPC (\S+)/, 60_000)
    assert.isAtLeast(Number(seconds), patience - 0.5)
    assert.isBelow(Number(seconds), patience + slack)
    assert.strictEqual((await writer.finished).code, 0, writer.stderr)
    assert.isAtLeast((await mount.status()).writes.failed, 1)
    await makeRoom()
  })

  test("F19: the error of a write that had waited is heard once by every handle: at its next write, fsync or close", async () => {
    const script = startPython(
      mount,
      `
handles = [os.open("shared", os.O_CREAT | os.O_WRONLY) for _ in range(4)]
os.write(handles[0], b"begun")
print("begun")
while os.statvfs("${disk}").f_bavail > 0: time.sleep(0.01)
def write_until_error(fd):
    while True: os.write(fd, b"x" * 65536)
print("told", errno_of(write_until_error, handles[0]))
while os.statvfs("${disk}").f_bavail == 0: time.sleep(0.01)
writer, first, second, third = handles
print("writer", errno_of(os.fsync, writer))
print("fsync", errno_of(os.fsync, first), errno_of(os.fsync, first), errno_of(os.close, first))
print("write", errno_of(os.pwrite, second, b"y", 0), errno_of(os.pwrite, second, b"y", 0), errno_of(os.close, second))
print("close", errno_of(os.close, third))
print("later", errno_of(os.close, os.open("shared", os.O_WRONLY)))
`
    )
    await script.line(/begun/, 30_000)
    await fill()
    await script.line(/told ENOSPC/, 60_000)
    await makeRoom()
    const { code, stdout, stderr } = await script.finished
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(stdout.split("\n").slice(2, -1), [
      "writer ok",
      "fsync ENOSPC ok ok",
      "write ENOSPC ok ok",
      "close ENOSPC",
      "later ok"
    ])
    await mount.sync()
    const [size] = await python(mount, `print(os.stat("shared").st_size)`)
    assert.strictEqual(Number(size), (await at(drive, "shared"))?.length)
  })
})

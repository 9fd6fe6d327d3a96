/**
 * Writes that cannot be made at once wait in a queue and not on a thread: the sessions in here have one loop thread, so
 * anything that blocked it would hold everybody.
 */
import { spawnSync } from "node:child_process"
import { closeSync, existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, assert, describe, it } from "vitest"
import { ContentId } from "../../src/index.ts"
import type { WriteLimits } from "../../src/index.ts"
import { FlatFilesystem, python, start } from "./support.ts"

const one = ContentId(1)
const MiB = 1024 ** 2
const ENOSPC = 28
const EROFS = 30

const open = (name: string, flags = "os.O_RDWR"): string => `os.open('${name}', ${flags})`
/** What a call returns, or the name of its errno. */
const tried = `
import errno
def tried(call, *args):
    try: return call(*args)
    except OSError as error: return errno.errorcode[error.errno]
`

/** Answers nothing: writers wait until the test does. */
const unanswered = (): number => -1

describe("a write that cannot be made at once", () => {
  let filesystem: FlatFilesystem
  let disk: string | undefined
  const mount = (limits: WriteLimits = {}): FlatFilesystem => (filesystem = new FlatFilesystem({ threads: 1 }, limits))

  afterEach(async () => {
    if (disk !== undefined) spawnSync("umount", ["-l", disk])
    disk = undefined
    await filesystem.close()
  })

  const queued = async (count: number): Promise<void> => {
    while (filesystem.contents.stats().total.queued !== count) await new Promise((resolve) => setImmediate(resolve))
  }

  it("waits for permission beside everybody else, and is made in its order", async () => {
    const { contents, mountpoint, signal } = mount()
    filesystem.permission = unanswered
    filesystem.add(1, { size: 0 })
    filesystem.add(2, { size: 5, modified: true })
    const writer = python(mountpoint, `print(os.write(${open("f1")}, b'first'))`)
    await signal.until(() => filesystem.of("dirty").length === 1)
    const second = contents.write(one, 0, Buffer.from("SECOND"))
    await queued(2)
    const beside = await python(mountpoint, `fd = ${open("f2")}\nprint(os.stat('f2').st_size, os.write(fd, b'x'))`)
    assert.strictEqual(beside, "5 1\n")
    const left = [{ content: one, operations: 2, bytes: 11 }]
    assert.deepStrictEqual(await contents.flushAll(10), left)
    assert.deepStrictEqual(await contents.flush(one, 10), left)
    assert.deepStrictEqual(await contents.flush(ContentId(2), 10), [])
    for (const { id } of filesystem.of("dirty")) contents.replyDirty(id, 0)
    assert.strictEqual(await writer, "5\n")
    assert.strictEqual(await second, 6)
    assert.deepStrictEqual(await contents.flushAll(5000), [])
    assert.strictEqual(Buffer.from(await contents.read(one, 0, 10)).toString(), "SECOND")
  })

  it("gets the errno when permission is refused", async () => {
    const { mountpoint } = mount()
    filesystem.permission = () => EROFS
    filesystem.add(1, { size: 0 })
    assert.strictEqual(await python(mountpoint, `${tried}\nprint(tried(os.write, ${open("f1")}, b'x'))`), "EROFS\n")
  })

  it("waits for the copy of a frozen file, while others are served", async (context) => {
    const { contents, mountpoint } = mount()
    const size = 256 * MiB
    filesystem.add(1, { size: 0, modified: true })
    filesystem.add(2, { size: 0, modified: true })
    for (let at = 0; at < size; at += MiB) await contents.write(one, at, Buffer.alloc(MiB, 1 + (at % 251)))
    const { fd } = await contents.freeze(one)
    const copy = join(filesystem.folder, "1.copy")
    const beside = python(
      mountpoint,
      `import time
limit = time.monotonic() + 20
while not os.path.exists('${copy}') and time.monotonic() < limit: pass
before = time.monotonic()
size = os.stat('f2').st_size
written = os.write(${open("f2")}, b'beside')
took = time.monotonic() - before
print(size, written, os.path.exists('${copy}'), round(took * 1000))`
    )
    const writer = python(mountpoint, `print(os.pwrite(${open("f1")}, b'x', 0))`)
    const [statSize, written, stillCopying, took] = (await beside).trim().split(" ")
    assert.strictEqual(await writer, "1\n")
    filesystem.contents.thaw(one)
    closeSync(fd)
    assert.deepStrictEqual([statSize, written], ["0", "6"])
    if (stillCopying !== "True") context.skip(`the copy of ${size} bytes was over within ${took} ms`)
  })

  it("is on the disk before the reply when the file was opened with O_SYNC or O_DSYNC", async () => {
    const { contents, mountpoint } = mount()
    filesystem.add(1, { size: 0, modified: true })
    await python(mountpoint, `os.write(${open("f1")}, b'plain')`)
    assert.deepInclude(contents.stats().total, { operations: 1, deferred: 0 })
    assert.strictEqual(contents.stats().dirtyBytes, 5)
    for (const flag of ["os.O_SYNC", "os.O_DSYNC"]) {
      await python(mountpoint, `os.write(${open("f1", `os.O_RDWR | ${flag}`)}, b'synchronous')`)
      assert.strictEqual(contents.stats().dirtyBytes, 0)
    }
    assert.deepInclude(contents.stats().total, { operations: 3, completed: 3, deferred: 2, queued: 0, bytes: 27 })
  })

  it("waits until enough of what was written is on the disk", async () => {
    const { contents, mountpoint } = mount({ dirtyBytes: 4 * MiB })
    filesystem.add(1, { size: 0, modified: true })
    await python(mountpoint, `fd = ${open("f1")}\nfor i in range(64): assert os.write(fd, bytes(1 << 20)) == 1 << 20`)
    assert.isAtMost(contents.stats().dirtyBytes, 5 * MiB)
    assert.strictEqual(contents.state(one)?.size, 64 * MiB)
    // The kernel may make several requests of a write.
    const { completed, failed, operations, queued: waiting } = contents.stats().total
    assert.isAtLeast(completed, 64)
    assert.deepStrictEqual([operations, failed, waiting], [completed, 0, 0])
  })

  it("goes away with its writer while it waits", async () => {
    const { contents, mountpoint, signal } = mount()
    filesystem.permission = unanswered
    filesystem.add(1, { size: 0 })
    const writer = start("python3", "-c", `import os; os.write(os.open('${mountpoint}/f1', os.O_RDWR), b'never')`)
    await signal.until(() => filesystem.of("dirty").length === 1)
    writer.kill("SIGKILL")
    assert.strictEqual((await writer.finished).signal, "SIGKILL")
    assert.deepInclude(contents.stats().total, { operations: 1, cancelled: 1, queued: 0, queuedBytes: 0 })
    for (const { id } of filesystem.of("dirty")) contents.replyDirty(id, 0)
    assert.deepStrictEqual(await contents.flushAll(5000), [])
    assert.strictEqual(contents.state(one)?.size, 0)
  })

  it("is followed by an fsync that comes up after it", async () => {
    const { contents, mountpoint, signal } = mount()
    filesystem.permission = unanswered
    filesystem.add(1, { size: 0 })
    const written = contents.write(one, 0, Buffer.from("before"))
    await signal.until(() => filesystem.of("dirty").length === 1)
    const syncing = python(mountpoint, `os.fsync(${open("f1", "os.O_RDONLY")})`)
    await signal.until(() => filesystem.of("open").length === 1)
    await python(mountpoint, "os.stat('f1')")
    assert.strictEqual(filesystem.of("fsync").length, 0)
    for (const { id } of filesystem.of("dirty")) contents.replyDirty(id, 0)
    assert.strictEqual(await written, 6)
    await syncing
    assert.strictEqual(filesystem.of("fsync").length, 1)
  })

  describe("on a full disk", () => {
    const full = (): FlatFilesystem => {
      mount()
      const { folder } = filesystem
      const made = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", folder])
      if (made.status === 0) disk = folder
      return filesystem
    }

    it("fails when there is no room to be made; every handle hears of it once", async (context) => {
      const { mountpoint } = full()
      if (disk === undefined) return context.skip("mounting a small tmpfs is not permitted")
      filesystem.add(1, { size: 0, modified: true })
      const output = await python(
        mountpoint,
        `${tried}
writer, other, reader = ${open("f1")}, ${open("f1")}, ${open("f1", "os.O_RDONLY")}
written = 0
while (result := tried(os.pwrite, writer, bytes(1 << 20), written)) != 'ENOSPC': written += result
print(written <= 4 << 20, result)
print(tried(os.fsync, writer), tried(os.fsync, other), tried(os.fsync, other), tried(os.fsync, reader), tried(os.fsync, reader))
late = ${open("f1")}
print(tried(os.fsync, late), tried(os.pwrite, other, b'again', 0))`
      )
      assert.strictEqual(output, "True ENOSPC\nNone ENOSPC None ENOSPC None\nNone 5\n")
      const [space] = filesystem.of("space")
      assert.isAtLeast(space?.bytes ?? 0, 1)
    })

    it("is heard of by closing what may be written, and not by closing what is only read", async (context) => {
      const { mountpoint } = full()
      if (disk === undefined) return context.skip("mounting a small tmpfs is not permitted")
      filesystem.add(1, { size: 0, modified: true })
      const output = await python(
        mountpoint,
        `${tried}
writer, other, reader = ${open("f1")}, ${open("f1")}, ${open("f1", "os.O_RDONLY")}
written = 0
while (result := tried(os.pwrite, writer, bytes(1 << 20), written)) != 'ENOSPC': written += result
print(tried(os.close, reader), tried(os.close, other), tried(os.close, writer))`
      )
      assert.strictEqual(output, "None ENOSPC None\n")
    })

    it("is made when room was made", async (context) => {
      const { contents, folder, mountpoint } = full()
      if (disk === undefined) return context.skip("mounting a small tmpfs is not permitted")
      const ballast = join(folder, "ballast")
      writeFileSync(ballast, Buffer.alloc(3 * MiB))
      filesystem.room = () => (rmSync(ballast, { force: true }), existsSync(ballast) ? ENOSPC : 0)
      filesystem.add(1, { size: 0, modified: true })
      const output = await python(
        mountpoint,
        `fd = ${open("f1")}\nprint([os.pwrite(fd, bytes(1 << 20), i << 20) for i in range(3)])`
      )
      assert.strictEqual(output, `[${Array(3).fill(MiB).join(", ")}]\n`)
      assert.strictEqual(filesystem.of("space").length, 1)
      assert.strictEqual(contents.stats().total.failed, 0)
    })
  })
})

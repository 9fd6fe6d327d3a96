import { closeSync, readFileSync, readSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { ContentId } from "../../src/index.ts"
import type { ContentOptions, ContentState } from "../../src/index.ts"
import { Program } from "./program.ts"
import { FlatFilesystem, python } from "./support.ts"

const MiB = 1024 * 1024
const one = ContentId(1)
const EDQUOT = 122
const text = Buffer.from("0123456789abcdef".repeat((2 * MiB) / 16))

/** Python's own mmap keeps a descriptor of its own, which would be one more open file. */
const mapForWriting = `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
address = libc.mmap(None, ctypes.c_size_t(4096), 3, 1, fd, ctypes.c_long(0))
poke = lambda bytes: ctypes.memmove(address, bytes, len(bytes))
unmap = lambda: libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(4096))
`

describe("files that the kernel serves itself", () => {
  let filesystem: FlatFilesystem
  let program: Program

  beforeEach(async ({ skip }) => {
    filesystem = new FlatFilesystem()
    filesystem.cached = true
    filesystem.passthrough = true
    program = new Program(filesystem.mountpoint)
    await program.step("os.listdir(path('..'))\nos.path.exists(path('f9'))")
    const refusal = filesystem.session.passthroughRefusal()
    if (refusal !== undefined) skip(`no passthrough here: ${refusal}`)
  })
  afterEach(async () => {
    await program.end()
    await filesystem.close()
  })

  /** A file of `text`, all of it here. */
  const addText = (options: Partial<ContentOptions> = {}): void => {
    writeFileSync(join(filesystem.folder, "1"), text)
    filesystem.add(1, { size: text.length, valid: "all", ...options })
  }
  const state = (): ContentState => {
    const found = filesystem.contents.state(one)
    if (found === undefined) throw new Error("the content is not open")
    return found
  }
  const released = (count: number): Promise<void> =>
    filesystem.signal.until(() => filesystem.of("release").length === count)
  const frozen = async (): Promise<{ readonly fd: number; readonly bytes: () => string }> => {
    const { fd } = await filesystem.contents.freeze(one)
    const bytes = (): string => {
      const buffer = Buffer.alloc(16)
      return buffer.toString("utf8", 0, readSync(fd, buffer, 0, 16, 0))
    }
    return { fd, bytes }
  }

  it("are read and mapped without a request", async () => {
    addText()
    await program.step("fd = os.open(path('f1'), os.O_RDONLY)")
    assert.strictEqual(state().passing, 1)
    assert.strictEqual(await program.step("result = os.pread(fd, 8, 1048576 + 4).decode()"), "456789ab")
    assert.strictEqual(
      await program.step("result = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)[16:20].decode()"),
      "0123"
    )
    await program.step("os.close(fd)")
    await released(1)
    assert.strictEqual(state().passing, 0)
    assert.isUndefined(filesystem.session.stats().ops["read"])
  })

  it("are written without a request, asked for before, and known afterwards", async () => {
    addText()
    await program.step("fd = os.open(path('f1'), os.O_WRONLY)")
    assert.strictEqual(filesystem.of("dirty").length, 1)
    await program.step("os.pwrite(fd, b'tail', os.fstat(fd).st_size)")
    assert.strictEqual(state().size, text.length + 4)
    assert.strictEqual(await program.step("result = os.fstat(fd).st_size"), text.length + 4)
    assert.isTrue(state().mtimeMoved)
    assert.isFalse(filesystem.contents.markClean(one, state().generation), "a writer is there")
    await program.step("os.close(fd)")
    await released(1)
    assert.strictEqual(filesystem.of("flush").length, 1)
    assert.strictEqual(state().generation, 1)
    assert.deepStrictEqual(state().dirty, [0, text.length + 4])
    assert.isTrue(state().complete)
    assert.isTrue(filesystem.contents.markClean(one, 1))
    assert.isUndefined(filesystem.session.stats().ops["write"])
    const backing = statSync(join(filesystem.folder, "1"))
    assert.strictEqual(backing.size, text.length + 4)
    assert.approximately(backing.mtimeMs, Date.now(), 60_000, "the mark is gone")
  })

  it("count every close that followed a write, and no other", async () => {
    addText()
    await program.step("a = os.open(path('f1'), os.O_WRONLY)\nb = os.open(path('f1'), os.O_WRONLY)")
    await program.step("os.pwrite(a, b'1', 0)\nos.close(a)")
    assert.strictEqual(state().generation, 1)
    await program.step("c = os.dup(b)\nos.close(c)")
    assert.strictEqual(state().generation, 1)
    await program.step("os.pwrite(b, b'2', 0)\nos.close(b)")
    assert.strictEqual(state().generation, 2)
    await released(2)
    assert.strictEqual(state().generation, 2)
    assert.strictEqual(filesystem.of("flush").length, 2)
  })

  it("are as they were when they were opened for writing and nothing was written", async () => {
    addText()
    await python(filesystem.mountpoint, "os.close(os.open('f1', os.O_WRONLY))")
    await released(1)
    assert.strictEqual(filesystem.of("flush").length, 0)
    assert.strictEqual(state().generation, 0)
    assert.deepStrictEqual(state().dirty, [])
    assert.isTrue(filesystem.contents.markClean(one, 0))
    assert.isFalse(state().modified)
  })

  it("are not opened for writing without permission", async () => {
    addText()
    filesystem.permission = () => EDQUOT
    assert.deepStrictEqual(await program.step("os.open(path('f1'), os.O_WRONLY)"), { errno: EDQUOT })
    await released(1)
    assert.strictEqual(state().handles, 0)
    assert.strictEqual(state().outsideWriters, 0)
    filesystem.permission = () => 0
    await program.step("os.close(os.open(path('f1'), os.O_WRONLY))")
    await released(2)
  })

  it("keep the way they are served for as long as anybody has them open", async () => {
    addText()
    await program.step("first = os.open(path('f1'), os.O_RDWR)\nsecond = os.open(path('f1'), os.O_RDONLY)")
    assert.strictEqual(state().passing, 0, "what may be mapped for writing does not begin")
    await program.step("os.pwrite(first, b'cached', 0)")
    assert.strictEqual(await program.step("result = os.pread(second, 6, 0).decode()"), "cached")
    await program.step("os.close(first)\nos.close(second)")
    await released(2)

    await program.step("first = os.open(path('f1'), os.O_RDONLY)\nsecond = os.open(path('f1'), os.O_RDWR)")
    assert.strictEqual(state().passing, 2)
    await program.step("os.pwrite(second, b'passed', 0)")
    assert.strictEqual(await program.step("result = os.pread(first, 6, 0).decode()"), "passed")
    await program.step("os.close(first)\nos.close(second)")
    await released(4)

    await program.step("first = os.open(path('f1'), os.O_RDWR)")
    assert.strictEqual(await program.step("result = os.pread(first, 8, 0).decode()"), "passed67", "no stale pages")
  })

  it("are served by requests while they are small, incomplete or frozen", async () => {
    for (const name of ["1", "2", "3"]) writeFileSync(join(filesystem.folder, name), text)
    filesystem.add(1, { size: 1000, valid: "all" })
    filesystem.add(2, { size: MiB, valid: [0, MiB - 1] })
    filesystem.add(3, { size: text.length, valid: "all" })
    const snapshot = await filesystem.contents.freeze(ContentId(3))
    await program.step("fds = [os.open(path(name), os.O_RDONLY) for name in ('f1', 'f2', 'f3')]")
    await program.step("fds.append(os.open(path('f3'), os.O_WRONLY))")
    for (const id of [1, 2, 3]) assert.strictEqual(filesystem.contents.state(ContentId(id))?.passing, 0)
    closeSync(snapshot.fd)
  })

  it("do not disturb a snapshot", async () => {
    addText()
    await program.step("reader = os.open(path('f1'), os.O_RDONLY)")
    const snapshot = await frozen()
    await program.step("writer = os.open(path('f1'), os.O_WRONLY)\nos.pwrite(writer, b'after', 0)\nos.close(writer)")
    assert.strictEqual(snapshot.bytes(), "0123456789abcdef")
    assert.strictEqual(readFileSync(join(filesystem.folder, "1"), "utf8").slice(0, 6), "after5")
    assert.strictEqual(await program.step("result = os.pread(reader, 6, 0).decode()"), "after5")
    await filesystem.signal.until(() => filesystem.of("release").length === 1)
    assert.strictEqual(state().generation, 1)
    closeSync(snapshot.fd)
    filesystem.contents.thaw(one)
  })

  it("are truncated and extended in place", async () => {
    addText()
    await program.step("fd = os.open(path('f1'), os.O_WRONLY)\nos.pwrite(fd, b'x' * 10, 0)\nos.ftruncate(fd, 5)")
    assert.strictEqual(state().size, 5)
    await program.step("os.ftruncate(fd, 8)\nos.pwrite(fd, b'end', 8)\nos.close(fd)")
    await released(1)
    assert.strictEqual(state().size, 11)
    assert.strictEqual(readFileSync(join(filesystem.folder, "1"), "utf8"), "xxxxx\0\0\0end")
    assert.deepStrictEqual(state().valid, [0, 11])
  })

  it("are not let go while they are mapped for writing", async () => {
    addText()
    await program.step("reader = os.open(path('f1'), os.O_RDONLY)\nfd = os.open(path('f1'), os.O_RDWR)")
    await program.step(mapForWriting)
    await program.step("poke(b'one')\nos.close(fd)\nos.close(reader)")
    // The kernel has released both; the mapping has neither, only the file below.
    await released(1)
    await filesystem.signal.until(() => filesystem.of("flush").length === 1)
    while (filesystem.session.stats().handles > 0) await new Promise((resolve) => setImmediate(resolve))
    const flushed = state().generation
    assert.strictEqual(flushed, 1)
    await program.step("poke(b'two')")
    assert.strictEqual(state().handles, 1)
    await program.step("unmap()")
    await released(2)
    assert.isAbove(state().generation, flushed)
    assert.strictEqual(readFileSync(join(filesystem.folder, "1"), "utf8").slice(0, 4), "two3")
    assert.strictEqual(state().outsideWriters, 0)
  })

  it("keep their writers counted when the mount is forced away under them", async () => {
    addText()
    await program.step("fd = os.open(path('f1'), os.O_WRONLY)\nos.pwrite(fd, b'before', 0)")
    const report = await filesystem.session.unmount({ deadline: 0, force: true })
    assert.strictEqual(report.outcome, "forced")
    assert.strictEqual(state().generation, 1)
    assert.strictEqual(state().outsideWriters, 1)
    assert.isFalse(filesystem.contents.markClean(one, 1))
  })

  it("cannot be dropped while they are read", async () => {
    addText()
    await program.step("fd = os.open(path('f1'), os.O_RDONLY)")
    assert.throws(() => filesystem.contents.drop(one), /EBUSY/)
    await program.step("os.close(fd)")
    await released(1)
    filesystem.contents.drop(one)
  })
})

describe("a session without passthrough", () => {
  it("says why, and serves files by requests", async () => {
    const filesystem = new FlatFilesystem({ passthrough: false })
    filesystem.cached = true
    filesystem.passthrough = true
    try {
      writeFileSync(join(filesystem.folder, "1"), text)
      filesystem.add(1, { size: text.length, valid: "all" })
      assert.strictEqual(await python(filesystem.mountpoint, "print(open('f1').read(4))"), "0123\n")
      assert.strictEqual(filesystem.session.passthroughRefusal(), "switched off")
      assert.isAbove(filesystem.session.stats().ops["read"]?.count ?? 0, 0)
    } finally {
      await filesystem.close()
    }
  })
})

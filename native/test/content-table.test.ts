import { closeSync, fstatSync, mkdtempSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { ContentId, ContentTable, FuseError } from "../src/index.ts"

const MiB = 1024 ** 2
const one = ContentId(1)
const time = { sec: 1, nsec: 0 }

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "none",
    (error: unknown) => error
  )

/** Bytes that this thread has written to or copied into files, by the kernel's count (proc_pid_io(5)). */
const writtenHere = (): number => Number(/^wchar: (\d+)$/m.exec(readFileSync("/proc/thread-self/io", "utf8"))?.[1])

describe("a content table without a mount", () => {
  let folder: string
  let path: string
  let table: ContentTable

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "fuse-native-table-"))
    path = join(folder, "1")
    table = ContentTable.create(() => {
      for (const event of table.take()) if (event.op === "dirty") table.replyDirty(event.id, 0)
    })
  })
  afterEach(() => {
    table.dispose()
    rmSync(folder, { recursive: true })
  })

  const open = (size: number): void => table.open(one, { path, size, mtime: time, valid: "all", generation: 0 })

  it("copies a frozen file off the JavaScript thread", async () => {
    const size = 64 * MiB
    writeFileSync(path, Buffer.alloc(size, "x"))
    open(size)
    const { fd } = await table.freeze(one)
    const before = writtenHere()
    // The permission for it can only be given in a later turn: whoever waited here for the copy would wait for ever.
    const written = table.write(one, 0, Buffer.from("y"))
    const truncated = table.truncate(one, size - 1)
    const again = failure(table.freeze(one))
    assert.strictEqual(statSync(path).size, size)
    assert.strictEqual(await written, 1)
    await truncated
    assert.propertyVal(await again, "code", "EBUSY")
    assert.isBelow(writtenHere() - before, MiB)
    assert.deepStrictEqual([fstatSync(fd).size, statSync(path).size], [size, size - 1])
    const first = Buffer.alloc(1)
    readSync(fd, first, 0, 1, 0)
    assert.strictEqual(first.toString(), "x")
    closeSync(fd)
  })

  it("changes in the order of the calls, and is not clean while a change is under way", async () => {
    writeFileSync(path, "0123456789")
    open(10)
    const cut = table.truncate(one, 4)
    assert.isFalse(table.markClean(one, 0))
    const grown = table.truncate(one, 6)
    const punched = table.allocate(one, 3, 0, 1)
    const frozen = table.freeze(one)
    await Promise.all([cut, grown, punched])
    const { fd, generation } = await frozen
    const kept = Buffer.alloc(10)
    assert.strictEqual(readSync(fd, kept, 0, 10, 0), 6)
    assert.strictEqual(kept.toString("latin1", 0, 6), "\x00123\0\0")
    assert.strictEqual(generation, 3)
    assert.isTrue(table.markClean(one, 3))
    await table.truncate(one, 2)
    assert.strictEqual(readFileSync(path, "latin1"), "\x001")
    assert.strictEqual(readSync(fd, kept, 0, 10, 0), 6)
    closeSync(fd)
  })

  it("drops what was not changed here", async () => {
    writeFileSync(path, "0123456789")
    open(10)
    await table.write(one, 3, Buffer.from("LOC"))
    table.drop(one)
    assert.deepStrictEqual(table.state(one)?.valid, [3, 6])
    const read = table.read(one, 0, 10)
    await table.fill(one, 0, Buffer.from("abcdefghij"))
    assert.strictEqual(Buffer.from(await read).toString(), "abcLOCghij")
  })

  it("says what is wrong with a change", async () => {
    assert.isTrue((await failure(table.truncate(one, 1))) instanceof FuseError)
    assert.propertyVal(await failure(table.truncate(one, 1)), "code", "EBADF")
    assert.propertyVal(await failure(table.allocate(one, 0, 0, 1)), "code", "EBADF")
    assert.propertyVal(await failure(table.freeze(one)), "code", "EBADF")
    assert.propertyVal(await failure(table.truncate(one, -1)), "code", "EINVAL")
    writeFileSync(path, "")
    open(0)
    assert.propertyVal(await failure(table.allocate(one, 0x40, 0, 1)), "errno", constants.errno.EOPNOTSUPP)
    const frozen = await table.freeze(one)
    assert.propertyVal(await failure(table.freeze(one)), "code", "EBUSY")
    closeSync(frozen.fd)
  })
})

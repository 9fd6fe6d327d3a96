import { closeSync, readFileSync, readSync } from "node:fs"
import { join } from "node:path"
import { afterEach, assert, describe, it } from "vitest"
import { ContentId } from "../../src/index.ts"
import { FlatFilesystem, python, start } from "./support.ts"

const page = 128 * 1024
const one = ContentId(1)
const ENOSPC = 28
const EIO = 5

const reader = (offset: number, length: number): string =>
  `fd = os.open('f1', os.O_RDONLY)\nprint(os.pread(fd, ${length}, ${offset}).decode())`

describe("bytes that are not there yet", () => {
  let filesystem: FlatFilesystem
  const mount = (): FlatFilesystem => (filesystem = new FlatFilesystem())
  const fetched = (): ReadonlyArray<readonly [number, number]> =>
    filesystem.of("fetch").map(({ length, offset }) => [offset, length] as const)

  afterEach(() => filesystem.close())

  it("are asked for aligned and clipped, and served when filled", async () => {
    const { contents, mountpoint, signal } = mount()
    filesystem.add(1, { size: page + 1000 })
    const far = python(mountpoint, reader(page + 10, 5))
    await signal.until(() => fetched().length === 1)
    assert.deepStrictEqual(fetched(), [[page, 1000]])
    await contents.fill(one, page, Buffer.from("0123456789abcdef".padEnd(1000)))
    assert.strictEqual(await far, "abcde\n")
    assert.deepStrictEqual(contents.state(one)?.valid, [page, page + 1000])
  })

  it("release exactly the readers whose bytes came, and are asked for once", async () => {
    const { contents, mountpoint, signal } = mount()
    filesystem.add(1, { size: 4 * page })
    const same = Array.from({ length: 8 }, (_, i) => python(mountpoint, reader(page + i * 10, 2)))
    const other = python(mountpoint, reader(3 * page, 2))
    await signal.until(() => fetched().length === 2)
    // A reader that parks on a range that was asked for raises no event: its arrival shows in the state only.
    while (contents.state(one)?.waiters !== 9) await new Promise((resolve) => setImmediate(resolve))
    assert.sameDeepMembers(
      [...fetched()],
      [
        [page, page],
        [3 * page, page]
      ]
    )
    await contents.fill(one, page, Buffer.alloc(page, "x"))
    assert.deepStrictEqual(
      await Promise.all(same),
      Array.from({ length: 8 }, () => "xx\n")
    )
    assert.strictEqual(contents.state(one)?.waiters, 1)
    await contents.fill(one, 3 * page, Buffer.alloc(page, "y"))
    assert.strictEqual(await other, "yy\n")
  })

  it("fail for those who wait, and can be asked for again", async () => {
    const { contents, mountpoint, signal } = mount()
    filesystem.add(1, { size: page })
    const first = start("python3", "-c", `import os\nos.chdir('${mountpoint}')\n${reader(0, 4)}`)
    await signal.until(() => fetched().length === 1)
    contents.failRange(one, 0, page, EIO)
    assert.include((await first.finished).stderr, "Input/output error")
    const second = python(mountpoint, reader(0, 4))
    await signal.until(() => fetched().length === 2)
    await contents.fill(one, 0, Buffer.alloc(page, "z"))
    assert.strictEqual(await second, "zzzz\n")
  })

  it("never replace what was written meanwhile", async () => {
    const { contents, folder, mountpoint, signal } = mount()
    filesystem.add(1, { size: page })
    const waiting = python(mountpoint, reader(0, 20))
    await signal.until(() => fetched().length === 1)
    await python(mountpoint, `fd = os.open('f1', os.O_WRONLY)\nos.pwrite(fd, b'LOCAL', 5)`)
    await contents.fill(one, 0, Buffer.alloc(page, "r"))
    assert.strictEqual(await waiting, "rrrrrLOCALrrrrrrrrrr\n")
    assert.deepStrictEqual(contents.state(one)?.dirty, [5, 10])
    assert.strictEqual(readFileSync(join(folder, "1"), "utf8").slice(0, 12), "rrrrrLOCALrr")
  })

  it("are not needed for truncating, and late ones do not grow the file", async () => {
    const { contents, mountpoint, signal } = mount()
    filesystem.add(1, { size: 2 * page })
    const waiting = python(mountpoint, reader(page, 4))
    await signal.until(() => fetched().length === 1)
    await python(mountpoint, `os.truncate('f1', 10)`)
    assert.strictEqual(await waiting, "\n")
    await contents.fill(one, page, Buffer.alloc(page, "x"))
    assert.strictEqual(contents.state(one)?.size, 10)
    assert.deepStrictEqual(contents.state(one)?.valid, [])
  })

  it("are reported with the length of the sequential run", async () => {
    const { contents, mountpoint, signal } = mount()
    filesystem.add(1, { size: 64 * page })
    const run = python(
      mountpoint,
      `fd = os.open('f1', os.O_RDONLY)\nfor i in range(3): os.pread(fd, ${page}, i * ${page})\nos.pread(fd, 10, 40 * ${page})`
    )
    for (const [count, offset] of [0, 1, 2, 40].entries()) {
      await signal.until(() => fetched().length === count + 1)
      await contents.fill(one, offset * page, Buffer.alloc(page))
    }
    await run
    assert.deepStrictEqual(
      filesystem.of("fetch").map(({ sequential }) => sequential),
      [page, 2 * page, 3 * page, 0]
    )
  })

  it("can be read without a mount by the same rules", async () => {
    const { contents, signal } = mount()
    filesystem.add(1, { size: page + 3 })
    const read = contents.read(one, page, 100)
    await signal.until(() => fetched().length === 1)
    await contents.fill(one, page, Buffer.from("end"))
    assert.strictEqual(Buffer.from(await read).toString(), "end")
    assert.strictEqual(await contents.write(one, 0, Buffer.from("head")), 4)
    assert.strictEqual(Buffer.from(await contents.read(one, 0, 4)).toString(), "head")
    assert.isTrue(contents.state(one)?.modified)
  })
})

describe("writes", () => {
  let filesystem: FlatFilesystem
  afterEach(() => filesystem.close())
  const write = `
import errno
fd = os.open('f1', os.O_WRONLY)
try: print(os.pwrite(fd, b'data', 0))
except OSError as e: print(errno.errorcode[e.errno])
os.close(fd)`

  it("ask once before the first change, and again after markClean", async () => {
    const { contents, mountpoint } = (filesystem = new FlatFilesystem())
    filesystem.add(1, { size: 10, valid: [] })
    await python(mountpoint, write)
    await python(mountpoint, write)
    assert.lengthOf(filesystem.of("dirty"), 1)
    const generation = contents.state(one)?.generation ?? 0
    assert.strictEqual(generation, 2)
    assert.isFalse(contents.markClean(one, generation - 1))
    assert.isTrue(contents.markClean(one, generation))
    assert.isFalse(contents.state(one)?.modified)
    await python(mountpoint, write)
    assert.lengthOf(filesystem.of("dirty"), 2)
  })

  it("get the errno that refuses them, and the next one asks again", async () => {
    const { contents, mountpoint } = (filesystem = new FlatFilesystem())
    filesystem.add(1, { size: 10 })
    filesystem.permission = () => ENOSPC
    assert.strictEqual(await python(mountpoint, write), "ENOSPC\n")
    assert.isFalse(contents.state(one)?.modified)
    filesystem.permission = () => 0
    assert.strictEqual(await python(mountpoint, write), "4\n")
  })

  it("send the flush of a changed file up, and no other", async () => {
    const { mountpoint } = (filesystem = new FlatFilesystem())
    filesystem.add(1, { size: 10 })
    await python(mountpoint, `os.close(os.open('f1', os.O_RDONLY))`)
    assert.lengthOf(filesystem.of("flush"), 0)
    await python(mountpoint, write)
    assert.lengthOf(filesystem.of("flush"), 1)
    await python(mountpoint, `os.close(os.open('f1', os.O_RDONLY))`)
    assert.lengthOf(filesystem.of("flush"), 1)
  })

  it("leave a frozen file as it was", async () => {
    const { contents, folder, mountpoint } = (filesystem = new FlatFilesystem())
    filesystem.add(1, { size: 10 })
    await contents.fill(one, 0, Buffer.from("0123456789"))
    const { fd: snapshot, generation } = await contents.freeze(one)
    await python(mountpoint, write)
    const kept = Buffer.alloc(20)
    assert.strictEqual(readSync(snapshot, kept, 0, 20, 0), 10)
    assert.strictEqual(kept.toString("utf8", 0, 10), "0123456789")
    closeSync(snapshot)
    assert.strictEqual(readFileSync(join(folder, "1"), "utf8"), "data456789")
    assert.isTrue(contents.state(one)?.frozen)
    contents.thaw(one)
    assert.strictEqual(contents.state(one)?.generation, generation + 1)
  })
})

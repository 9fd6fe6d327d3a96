/** docs/SEMANTICS.md, "Promises", "sync", "Offline" and "The end of a mount". */
import { rm } from "node:fs/promises"
import { assert, describe, test } from "vitest"
import { mountsBelow, shell } from "../e2e/harness.ts"
import { at, eventually, here, paths, put, python, shareMount, startPython, whileSilent } from "./support.ts"

describe("the server and the mount", () => {
  const shared = shareMount(async (drive) => {
    await put(drive, "read.txt", "read before")
    await put(drive, "ghost.txt", "never read")
  })

  const remount = async () => {
    shared.mount = await shared.harness.mount(shared.drive)
  }
  const sync = (...args: ReadonlyArray<string>) => shared.mount.cli(["sync", ...args])

  test("P2: what fsync was called for is there after kill -9, closed or not", async () => {
    const writer = startPython(
      shared.mount,
      `
fd = os.open("synced.txt", os.O_CREAT | os.O_WRONLY); os.write(fd, b"synced, not closed"); os.fsync(fd); print("synced")
time.sleep(60)
`
    )
    await writer.line(/^synced$/m, 10_000)
    await shared.mount.signal("SIGKILL")
    writer.child.kill("SIGKILL")
    await writer.finished
    await remount()
    assert.strictEqual(await here(shared.mount, "cat synced.txt"), "synced, not closed")
    await shared.mount.sync()
    assert.strictEqual(await at(shared.drive, "synced.txt"), "synced, not closed")
  })

  test("P3: sync --wait returns 0 when everything closed below the path is at the server and its changes are here", async () => {
    await put(shared.drive, "from there.txt", "made there")
    await here(shared.mount, "mkdir sent; echo one > sent/one.txt; mv sent/one.txt sent/two.txt")
    const end = await sync("--wait", "--timeout", "30", shared.mount.path)
    assert.deepStrictEqual([end.code, end.stdout, end.stderr], [0, "", ""])
    assert.strictEqual(await at(shared.drive, "sent/two.txt"), "one\n")
    assert.strictEqual(await here(shared.mount, "cat 'from there.txt'"), "made there")
  })

  test("P5: a lost cache deletes nothing at the server: only unlink, rmdir and rename-over do", async () => {
    await shared.mount.sync()
    const before = await paths(shared.drive)
    assert.strictEqual((await shared.mount.signal("SIGTERM")).code, 0)
    await rm(shared.mount.cache, { recursive: true })
    await remount()
    await shared.mount.sync()
    assert.deepStrictEqual(await paths(shared.drive), before)
    assert.strictEqual(await here(shared.mount, "cat read.txt"), "read before")
  })

  test("P6: in a known tree lookup, stat and readdir never wait for the network", async () => {
    const out = await whileSilent(shared.drive, () =>
      python(
        shared.mount,
        `
started = time.monotonic()
print("read.txt" in os.listdir("."), os.stat("ghost.txt").st_size, os.path.exists("absent"), time.monotonic() - started < 2)
`
      )
    )
    assert.deepStrictEqual(out, ["True 10 False True"])
  })

  test("V1: the server never sees a file before its content: none while it is written, the whole one afterwards", async () => {
    const writer = startPython(
      shared.mount,
      `
with open("growing.bin", "wb") as file:
    file.write(b"x" * 1_000_000); file.flush(); print("half")
    while not os.path.exists("go on"): time.sleep(0.05)
    file.write(b"y" * 1_000_000)
print("whole")
`
    )
    await writer.line(/^half$/m, 10_000)
    // Longer than the window after which a closed file is sent.
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    assert.notInclude(await paths(shared.drive), "/growing.bin")
    await here(shared.mount, "touch 'go on'")
    await writer.finished
    await shared.mount.sync()
    assert.strictEqual((await at(shared.drive, "growing.bin"))?.length, 2_000_000)
  })

  test("S1: sync --wait speaks of what was closed or fsynced: a file that is only being written holds nothing up", async () => {
    const writer = startPython(
      shared.mount,
      `
fd = os.open("open.txt", os.O_CREAT | os.O_WRONLY); os.write(fd, b"first "); print("written")
while not os.path.exists("fsync"): time.sleep(0.05)
os.fsync(fd); print("synced")
while not os.path.exists("close"): time.sleep(0.05)
`
    )
    await writer.line(/^written$/m, 10_000)
    assert.strictEqual((await sync("--wait", "--timeout", "20", shared.mount.path)).code, 0)
    assert.strictEqual(await at(shared.drive, "open.txt"), undefined)
    await here(shared.mount, "touch fsync")
    await writer.line(/^synced$/m, 10_000)
    assert.strictEqual((await sync("--wait", "--timeout", "20", shared.mount.path)).code, 0)
    assert.strictEqual(await at(shared.drive, "open.txt"), "first ")
    await here(shared.mount, "touch close")
    assert.strictEqual((await writer.finished).code, 0)
  })

  test("S2: sync --wait of a path ignores what is elsewhere, and returns 1 with the reasons when the time is over", async () => {
    await here(shared.mount, "mkdir -p one two")
    await shared.mount.sync()
    const [elsewhere, below] = await whileSilent(shared.drive, async () => {
      await here(shared.mount, "echo x > one/late.txt")
      return [
        await sync("--wait", "--timeout", "2", `${shared.mount.path}/two`),
        await sync("--wait", "--timeout", "2", `${shared.mount.path}/one`)
      ] as const
    })
    // The newest delta cannot be had either, but no change is named.
    assert.notMatch(elsewhere.stderr, /late/)
    assert.strictEqual(below.code, 1)
    assert.match(below.stderr, /^\/one\/late\.txt: (create|content): /m)
    await shared.mount.sync()
  })

  test("S3: sync without --wait applies the server's newest changes", async () => {
    await put(shared.drive, "polled.txt", "asked for")
    assert.strictEqual((await sync(shared.mount.path)).code, 0)
    assert.strictEqual(await here(shared.mount, "cat polled.txt"), "asked for")
  })

  test("E1: what is not sent when the mount ends is sent by the next one", async () => {
    await whileSilent(shared.drive, async () => {
      await here(shared.mount, "echo left > left.txt")
      assert.strictEqual((await shared.mount.cli(["unmount", "--force", shared.mount.path])).code, 0)
    })
    assert.strictEqual(await at(shared.drive, "left.txt"), undefined)
    await remount()
    await eventually(15_000, async () => (await at(shared.drive, "left.txt")) === "left\n")
  })

  test("E4: after kill -9 the folder answers ENOTCONN until the next mount, or unmount, clears it", async () => {
    await shared.mount.signal("SIGKILL")
    await shared.mount.process.finished
    const out = await shell(`ls ${shared.mount.path} 2>&1 || true`)
    assert.match(out, /Transport endpoint is not connected/)
    assert.strictEqual((await shared.mount.cli(["unmount", shared.mount.path])).code, 0)
    assert.deepStrictEqual(mountsBelow(shared.mount.path), [])
    await remount()
    assert.strictEqual(await here(shared.mount, "cat read.txt"), "read before")
  })

  test("O1: without a server a known tree lists and reads what is here, and takes changes", async () => {
    await shared.mount.sync()
    assert.strictEqual((await shared.mount.signal("SIGTERM")).code, 0)
    await shared.drive.stop()
    await remount()
    const out = await here(shared.mount, "cat read.txt; stat -c %s ghost.txt; echo new > offline.txt; cat offline.txt")
    assert.strictEqual(out, "read before10\nnew\n")
  })

  test("O2: without a server what is not here is ENETUNREACH within seconds", async () => {
    const out = await python(
      shared.mount,
      `
started = time.monotonic()
print(errno_of(read, "ghost.txt"), time.monotonic() - started < 20)
`
    )
    assert.deepStrictEqual(out, ["ENETUNREACH True"])
  })

  test("O3: changes made without a server follow when it is back", async () => {
    shared.drive = await shared.harness.serve("drive", shared.drive.port)
    await shared.mount.sync()
    assert.strictEqual(await at(shared.drive, "offline.txt"), "new\n")
    assert.strictEqual(await here(shared.mount, "cat ghost.txt"), "never read")
  })
})

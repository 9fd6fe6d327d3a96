/** A damaged cache and a full disk: what was written before is kept, and the message says where. */
import { readdir, readFile, stat } from "node:fs/promises"
import { DatabaseSync } from "node:sqlite"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { type Drive, Harness, type Mount, run, Running, shell } from "./harness.ts"
import { assertSameTree } from "./sameTree.ts"

let harness: Harness
let drive: Drive
beforeEach(async () => {
  harness = await Harness.open()
  drive = await harness.serve()
})
afterEach(() => harness.close(), 60_000)

const isRoot = process.getuid?.() === 0
const at = (name: string): string => harness.at(name)

const sameTree = (mount: Mount) => assertSameTree(mount, drive)

const stop = async (mount: Mount): Promise<void> => {
  const { code, stderr } = await mount.signal("SIGTERM")
  assert.strictEqual(code, 0, stderr)
}

describe("a damaged tree database", () => {
  const damages = {
    "random bytes": (path: string) => shell(`head -c 100000 /dev/urandom > ${path}`),
    truncated: (path: string) => shell(`truncate -s 6000 ${path}`),
    "random pages in the middle": (path: string) =>
      shell(
        `pages=$(($(stat -c %s ${path}) / 4096 - 1)); dd if=/dev/urandom of=${path} bs=4096 seek=1 count=$pages conv=notrunc 2>&1`
      ),
    deleted: (path: string) => shell(`rm ${path}`)
  }

  for (const [name, damage] of Object.entries(damages)) {
    test(`${name}: set aside and rebuilt, with unsent content kept where the message says`, async () => {
      const first = await harness.mount(drive)
      await shell(`mkdir ${first.path}/docs && echo sent > ${first.path}/docs/sent.txt`)
      await first.sync()
      await harness.pause(drive)
      await shell(`echo precious words > ${first.path}/unsent.txt; echo changed > ${first.path}/docs/sent.txt`)
      await stop(first)
      await damage(`${first.cache}/tree.db`)
      await harness.resume(drive)

      const again = await harness.mount(drive)
      assert.strictEqual(await shell(`cat ${again.path}/docs/sent.txt`), "sent\n")
      await shell(`echo works > ${again.path}/later.txt`)
      await again.sync()
      await sameTree(again)
      const recovered = await readdir(`${first.cache}/recovered`)
      const kept = await Promise.all(recovered.map((file) => readFile(`${first.cache}/recovered/${file}`, "utf8")))
      assert.include(kept, "precious words\n")
      assert.include(kept, "changed\n")
      assert.match(again.process.stderr, new RegExp(`WARN .*were moved, for instance ${first.cache}/recovered/`))
      if (name !== "deleted") {
        assert.match(again.process.stderr, /tree\.db .*; moved to .*tree\.db\.corrupt-/)
        assert.lengthOf(
          (await readdir(first.cache)).filter((file) => /^tree\.db\.corrupt-.*Z$/.test(file)),
          1
        )
      }
      await stop(again)
    }, 90_000)
  }

  test("of a newer version is refused and left as it was", async () => {
    const first = await harness.mount(drive)
    await stop(first)
    const db = new DatabaseSync(`${first.cache}/tree.db`)
    db.exec("PRAGMA user_version = 999")
    db.close()
    const { mtimeMs } = await stat(`${first.cache}/tree.db`)
    const refused = await harness.onemount(
      "mount",
      "--graph-url",
      `${drive.url}/v1.0`,
      "--token-file",
      at("drive/token"),
      "--cache-dir",
      first.cache,
      first.path
    )
    assert.strictEqual(refused.code, 7)
    assert.match(refused.stderr, /^onemount: .*tree\.db was written by a newer version.*another --cache-dir/m)
    assert.strictEqual((await stat(`${first.cache}/tree.db`)).mtimeMs, mtimeMs)
  })
})

/** Writes 64 KiB after 64 KiB, on a full disk again and again; prints what ends it. */
const stubborn = (path: string, size: number) => `
import errno, os
fd = os.open("${path}", os.O_CREAT | os.O_WRONLY)
written = 0
while written < ${size}:
    try: written += os.write(fd, b"x" * min(65536, ${size} - written))
    except OSError as error:
        if error.errno == errno.ENOSPC: continue
        print(errno.errorcode[error.errno], written, flush=True)
        raise SystemExit(1)
os.close(fd)
print("written", written, flush=True)
`

describe.runIf(isRoot)("a full disk under the cache", () => {
  test("is ENOSPC for the writer, loses nothing that was closed, and is over when there is room again", async () => {
    const disk = await harness.tmpfs("disk", "size=24m")
    const options = ["--set", "cache.reserve=0", "--set", "cache.limit=64MiB"]
    const mount = await harness.mount(drive, "mnt", options, `${disk}/cache`)
    await shell(`head -c 4000000 /dev/urandom > ${at("before")}; cp ${at("before")} ${mount.path}/before`)
    await harness.pause(drive)
    await shell(`head -c 3000000 /dev/urandom > ${at("closed")}; cp ${at("closed")} ${mount.path}/closed`)
    // Somebody else takes what is left.
    await shell(`dd if=/dev/zero of=${disk}/filler bs=64k 2>/dev/null || true`)
    const large = await run("dd", ["if=/dev/zero", `of=${mount.path}/large`, "bs=64k", "count=200"])
    assert.strictEqual(large.code, 1)
    assert.match(large.stderr, /No space left on device/)
    // The journal cannot grow either: creating fails or works, but whoever is told "done" keeps it.
    const made: Array<string> = []
    for (let i = 0; i < 20; i++) {
      // The shell's own echo would call every failed write an I/O error.
      const end = await run("/bin/sh", ["-c", `/bin/echo small-${i} > ${mount.path}/small-${i}`])
      if (end.code === 0) made.push(`small-${i}`)
      else assert.match(end.stderr, /No space left on device/)
    }
    assert.strictEqual((await mount.status()).phase, "RUNNING")
    await shell(`cmp ${at("before")} ${mount.path}/before; cmp ${at("closed")} ${mount.path}/closed`)

    await shell(`rm ${disk}/filler; rm -f ${mount.path}/large`)
    await harness.resume(drive)
    await shell(`echo room > ${mount.path}/room.txt`)
    await mount.sync(60)
    await shell(`cmp ${at("before")} ${mount.path}/before; cmp ${at("closed")} ${mount.path}/closed`)
    for (const name of made) assert.strictEqual(await shell(`cat ${mount.path}/${name}`), `${name}\n`)
    assert.strictEqual(await shell(`cat ${mount.path}/room.txt`), "room\n")
    await sameTree(mount)
    await stop(mount)
  }, 120_000)

  /** A mount on a full disk, with a program that waits in a write to \`stuck\`. */
  const stuckWriter = async (budgets: ReadonlyArray<string>) => {
    const disk = await harness.tmpfs("disk", "size=24m")
    const keys = ["cache.reserve=0", "cache.limit=64MiB", "mount.passthrough=off", ...budgets]
    const options = keys.flatMap((key) => ["--set", key])
    const mount = await harness.mount(drive, "mnt", options, `${disk}/cache`)
    await shell(`head -c 8000000 /dev/zero > ${disk}/filler`)
    const writer = new Running("python3", ["-c", stubborn(`${mount.path}/stuck`, 18_000_000)])
    while ((await mount.status()).writes.queue.now === 0) assert.isNull(writer.child.exitCode, writer.stderr)
    return { disk, mount, writer }
  }

  test("a write that waits when the mount ends is made while it drains, when there is room in time", async () => {
    const budgets = ["shutdown.total=100s", "shutdown.drain=60s", "shutdown.unmount=30s"]
    const { disk, mount, writer } = await stuckWriter(budgets)
    const ended = mount.signal("SIGTERM")
    while ((await mount.status()).phase === "RUNNING") assert.isNull(writer.child.exitCode, writer.stderr)
    await shell(`rm ${disk}/filler`)
    assert.strictEqual((await writer.finished).stdout, "written 18000000\n")
    const { code, stderr } = await ended
    assert.strictEqual(code, 0, stderr)
    assert.notMatch(stderr, /waiting writes/)
    const again = await harness.mount(drive, "mnt", ["--set", "cache.reserve=0"], mount.cache)
    await again.sync()
    assert.strictEqual(await shell(`head -c 18000000 /dev/zero | tr '\\0' x | cmp - ${again.path}/stuck`), "")
    await sameTree(again)
    await stop(again)
  }, 200_000)

  test("a write that still waits when the mount is forced is refused, and the log and the end say so", async () => {
    const { disk, mount, writer } = await stuckWriter(["shutdown.total=5s", "shutdown.drain=1s", "shutdown.unmount=2s"])
    const { code, stderr } = await mount.signal("SIGTERM")
    assert.strictEqual(code, 3, stderr)
    assert.match(stderr, /WARN .*1 waiting writes \(64 KiB\) to \/stuck take long/)
    assert.match(stderr, /DRAINING .*left: 1 waiting writes \(64 KiB\) to \/stuck/)
    assert.match(stderr, /UNMOUNTING .*left: 1 waiting writes, which were not made; their programs got ECONNABORTED/)
    assert.match(stderr, /^onemount: .*by force.*; 1 waiting writes were not made, their programs got ECONNABORTED$/m)
    const [errno, written] = (await writer.finished).stdout.trim().split(" ")
    assert.strictEqual(errno, "ECONNABORTED")
    await shell(`rm ${disk}/filler`)
    const again = await harness.mount(drive, "mnt", ["--set", "cache.reserve=0"], mount.cache)
    await again.sync()
    // All that the program was told to be written.
    assert.strictEqual(await shell(`head -c ${written} /dev/zero | tr '\\0' x | cmp - ${again.path}/stuck`), "")
    await sameTree(again)
    await stop(again)
  }, 120_000)
})

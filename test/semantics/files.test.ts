/** docs/SEMANTICS.md, "Files". */
import { join } from "node:path"
import { assert, describe, test } from "vitest"
import { at, eventually, here, put, python, shareMount, whileSilent } from "./support.ts"

const megabyte = 1_000_000
/** Seconds within which a call that needs no network has to return: ours take milliseconds, the machine may be busy. */
const atOnce = 3

describe("files", () => {
  const shared = shareMount(async (drive) => {
    await put(drive, "large.bin", new Uint8Array(40 * megabyte).fill(7))
    await put(drive, "patched.bin", new Uint8Array(20 * megabyte).fill(7))
    await put(drive, "cut.bin", new Uint8Array(20 * megabyte).fill(7))
    await put(drive, "unread.txt", "never read")
  })

  test("F1: content comes by range when it is read: the end of a large file without its beginning", async () => {
    const before = (await shared.mount.status()).cache.bytes
    const [length] = await python(
      shared.mount,
      `
fd = os.open("large.bin", os.O_RDONLY)
print(len(os.pread(fd, 1000, 39_999_500)), os.getxattr("large.bin", "user.onemount.state"))
`
    )
    assert.strictEqual(length, "500 b'GHOST'")
    assert.isBelow((await shared.mount.status()).cache.bytes - before, 20 * megabyte)
  })

  test("F4: writing to a file that is not here and truncating it wait for no server", async () => {
    const out = await whileSilent(shared.drive, () =>
      python(
        shared.mount,
        `
started = time.monotonic()
fd = os.open("patched.bin", os.O_RDWR); os.pwrite(fd, b"PATCH", 10_000_000); os.fsync(fd); os.close(fd)
os.truncate("cut.bin", 10)
print(os.stat("patched.bin").st_size, os.stat("cut.bin").st_size, time.monotonic() - started < ${atOnce})
`
      )
    )
    assert.deepStrictEqual(out, ["20000000 10 True"])
    await shared.mount.sync()
    const patched = await at(shared.drive, "patched.bin")
    assert.strictEqual(patched?.length, 20 * megabyte)
    assert.strictEqual(patched?.slice(9_999_999, 10_000_006), "\u0007PATCH\u0007")
    assert.strictEqual(await at(shared.drive, "cut.bin"), "\u0007".repeat(10))
  })

  test("F6: fallocate knows modes 0, KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE, others are EOPNOTSUPP", async () => {
    const out = await python(
      shared.mount,
      `
keep, punch, collapse, zero, insert = 1, 2, 8, 16, 32
fd = os.open("allocated", os.O_CREAT | os.O_RDWR); os.write(fd, b"a" * 8192)
os.utime(fd, ns=(5, 5)); fallocate(fd, keep, 0, 100_000); fallocate(fd, 0, 0, 100); print(os.fstat(fd).st_size, os.fstat(fd).st_mtime_ns)
fallocate(fd, punch | keep, 0, 4096); print(os.pread(fd, 1, 4095), os.pread(fd, 1, 4096))
fallocate(fd, zero, 8000, 1000); print(os.fstat(fd).st_size, os.pread(fd, 2, 7999))
fallocate(fd, 0, 0, 10_000); print(os.fstat(fd).st_size)
print([errno_of(fallocate, fd, mode, 0, 4096) for mode in (punch, collapse, insert, 64)], errno_of(fallocate, fd, 0, 0, 0))
`
    )
    assert.deepStrictEqual(out, [
      "8192 5",
      "b'\\x00' b'a'",
      "9000 b'a\\x00'",
      "10000",
      "['ENOTSUP', 'ENOTSUP', 'ENOTSUP', 'ENOTSUP'] EINVAL"
    ])
  })

  test("F7: lseek finds one hole, at the end: SEEK_DATA is the offset, SEEK_HOLE the size, ENXIO behind it", async () => {
    const out = await python(
      shared.mount,
      `
fd = os.open("sparse", os.O_CREAT | os.O_RDWR); os.pwrite(fd, b"end", 1_000_000)
print(os.lseek(fd, 5, os.SEEK_DATA), os.lseek(fd, 5, os.SEEK_HOLE), errno_of(os.lseek, fd, 1_000_003, os.SEEK_DATA))
print(errno_of(os.lseek, fd, 1_000_004, os.SEEK_HOLE), os.lseek(fd, 0, os.SEEK_END))
`
    )
    assert.deepStrictEqual(out, ["5 1000003 ENXIO", "ENXIO 1000003"])
  })

  test("F8: of many who create a name with O_EXCL one succeeds, the others get EEXIST", async () => {
    const out = await here(
      shared.mount,
      `for i in 1 2 3 4 5 6 7 8; do (set -C; echo $i > only) 2> /dev/null && echo won & done; wait; wc -l < only`
    )
    assert.strictEqual(out.trim().split("\n").toSorted().join(), "1,won")
  })

  test("F9: close and fsync do not wait for the server", async () => {
    const out = await whileSilent(shared.drive, () =>
      python(
        shared.mount,
        `
started = time.monotonic()
for number in range(20):
    with open(f"queued {number}", "w") as file:
        file.write("x" * 100_000); file.flush(); os.fsync(file.fileno())
print(time.monotonic() - started < ${atOnce})
`
      )
    )
    assert.deepStrictEqual(out, ["True"])
  })

  test("F10: a closed file is sent after 1 s of rest", async () => {
    await shared.mount.sync()
    const writing = performance.now()
    await here(shared.mount, "echo rested > rested.txt")
    await eventually(6_000, async () => (await at(shared.drive, "rested.txt")) === "rested\n")
    assert.isAbove(performance.now() - writing, 1_000)
  })

  test("F11: a file that is saved again and again is sent 10 s after the first unsent save", async () => {
    const saves = here(
      shared.mount,
      `for i in $(seq 60); do echo $i > restless.txt; test -e ../stop && break; sleep 0.25; done`
    )
    const started = performance.now()
    await eventually(14_000, async () => (await at(shared.drive, "restless.txt")) !== undefined)
    const took = performance.now() - started
    await here(shared.mount, "touch ../stop")
    await saves
    assert.isAbove(took, 9_000)
  })

  test("F12: flock and fcntl locks hold among the processes of this machine", async () => {
    const out = await python(
      shared.mount,
      `
import subprocess
write("locked", "x"); fd = os.open("locked", os.O_RDWR)
def other(call):
    script = f"import fcntl, os; fd = os.open('locked', os.O_RDWR); fcntl.{call}(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)"
    return subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE).stderr.decode().strip().split("\\n")[-1].split(":")[0]
for call in ("flock", "lockf"):
    getattr(fcntl, call)(fd, fcntl.LOCK_EX); print(call, other(call))
    getattr(fcntl, call)(fd, fcntl.LOCK_UN); print(call, other(call) or "free")
`
    )
    assert.deepStrictEqual(out, ["flock BlockingIOError", "flock free", "lockf BlockingIOError", "lockf free"])
  })

  test("F13: another machine's locks are not seen", async () => {
    await here(shared.mount, "echo x > shared-lock")
    await shared.mount.sync()
    const other = await shared.harness.mount(shared.drive, "other")
    const out = await here(
      shared.mount,
      `exec 9< shared-lock; flock -n 9; flock -n ${join(other.path, "shared-lock")} echo taken there too`
    )
    assert.strictEqual(out, "taken there too\n")
    assert.strictEqual((await other.signal("SIGTERM")).code, 0)
  })

  test("F15: a file has at most 250 GiB, more is EFBIG", async () => {
    const out = await python(
      shared.mount,
      `
fd = os.open("huge", os.O_CREAT | os.O_RDWR)
print(errno_of(os.ftruncate, fd, 250 * 2**30 + 1), os.fstat(fd).st_size)
os.unlink("huge"); os.close(fd)
`
    )
    assert.deepStrictEqual(out, ["EFBIG 0"])
  })

  test("F16: O_TMPFILE, reflinks and ioctls are refused, copy_file_range copies", async () => {
    const out = await python(
      shared.mount,
      `
write("source", "copied"); a = os.open("source", os.O_RDONLY); b = os.open("copy", os.O_CREAT | os.O_RDWR)
print(errno_of(os.open, ".", os.O_TMPFILE | os.O_RDWR), errno_of(fcntl.ioctl, b, 0x40049409, a), errno_of(fcntl.ioctl, a, 0x80086601, b"\\0" * 8))
print(os.copy_file_range(a, b, 100), os.pread(b, 10, 0))
`
    )
    assert.deepStrictEqual(out, ["ENOTSUP ENOTSUP ENOTTY", "6 b'copied'"])
  })

  test("F20: O_DIRECT takes any offset and length; epoll takes files, always ready", async () => {
    const out = await python(
      shared.mount,
      `
import select
fd = os.open("direct", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
print(os.pwrite(fd, b"unaligned", 3), os.pread(fd, 100, 1))
poll = select.epoll(); poll.register(fd, select.EPOLLIN | select.EPOLLOUT); print(poll.poll(0)[0][1])
`
    )
    assert.deepStrictEqual(out, ["9 b'\\x00\\x00unaligned'", "5"])
  })

  test("F21: a removed file that is open nowhere is gone: neither O_PATH nor a lookup keeps it", async () => {
    const out = await python(
      shared.mount,
      `write("path-only", "x"); fd = os.open("path-only", os.O_PATH); os.unlink("path-only"); print(errno_of(os.fstat, fd))`
    )
    assert.deepStrictEqual(out, ["ESTALE"])
    const seen = await python(
      shared.mount,
      `
write("replaced", "0" * 5000)
until, children = time.monotonic() + 2, []
for digit in "01":
    child = os.fork()
    if child == 0:
        while time.monotonic() < until:
            write("next" + digit, digit * 5000); os.rename("next" + digit, "replaced")
        os._exit(0)
    children.append(child)
seen = set()
while time.monotonic() < until:
    try: seen.add(read("replaced"))
    except OSError as error: seen.add(errno.errorcode[error.errno])
for child in children: os.waitpid(child, 0)
whole = {digit * 5000 for digit in "01"}
print(bool(seen & whole), seen - whole - {"ESTALE"})
`
    )
    assert.deepStrictEqual(seen, ["True set()"])
  })

  test("F14: when the disk's reserve is reached write is ENOSPC, and so is reading what is not here; unsent changes stay", async () => {
    const [out, full] = await whileSilent(shared.drive, async () => {
      await here(shared.mount, "printf 'not sent yet' > unsent.txt")
      await shared.mount.cli(["unmount", "--force", shared.mount.path])
      const full = await shared.harness.mount(shared.drive, "mnt", ["--set", "cache.reserve=900TiB"])
      const out = await python(
        full,
        `
fd = os.open("full.txt", os.O_CREAT | os.O_WRONLY)
print(errno_of(os.write, fd, b"x" * 5000)); os.close(fd)
fd = os.open("unsent.txt", os.O_WRONLY | os.O_APPEND)
print(errno_of(os.write, fd, b"more")); os.close(fd)
print(read("unsent.txt"))
`
      )
      return [out, full] as const
    })
    assert.deepStrictEqual(out, ["ENOSPC", "ENOSPC", "not sent yet"])
    assert.deepStrictEqual(await python(full, `print(errno_of(read, "unread.txt"))`), ["ENOSPC"])
    assert.strictEqual((await full.signal("SIGTERM")).code, 0)
    shared.mount = await shared.harness.mount(shared.drive)
    await shared.mount.sync()
    assert.strictEqual(await at(shared.drive, "unsent.txt"), "not sent yet")
  })
})

import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { MountedDrive } from "./MountedDrive.ts"

const seeds = [
  { path: "/ghost.bin", size: 300_000 },
  { path: "/cut.bin", size: 300_000 },
  { path: "/grow.bin", size: 1000 },
  { path: "/patch.bin", size: 300_000 }
]

layer(MountedDrive.layer(seeds), { excludeTestServices: true, timeout: 60_000 })("writing", (it) => {
  it.effect("appends, truncates and creates exclusively by open(2)'s flags", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`
open("log", "w").write("one\\n")
a = os.open("log", os.O_WRONLY | os.O_APPEND)
b = os.open("log", os.O_WRONLY | os.O_APPEND)
os.write(a, b"two\\n"); os.write(b, b"three\\n"); os.write(a, b"four\\n")
os.close(a); os.close(b)
print(open("log").read().split())
print(errno_of(os.open, "log", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
c = os.open("log", os.O_WRONLY | os.O_TRUNC)
print(os.fstat(c).st_size, os.stat("log").st_size)
os.write(c, b"x"); os.close(c)
print(open("log").read(), os.stat("log").st_size)
`)
      assert.deepStrictEqual(out.trim().split("\n"), ["['one', 'two', 'three', 'four']", "EEXIST", "0 0", "x 1"])
    })
  )

  it.effect("keeps random and sparse writes, across handles and across closes", () =>
    Effect.gen(function* () {
      const { python, sh } = yield* MountedDrive
      const out = yield* python(`
import random
random.seed(7)
model = bytearray(600000)
end = 0
fd = os.open("random", os.O_CREAT | os.O_RDWR)
for step in range(400):
    at = random.randrange(0, 590000)
    data = random.randbytes(random.randrange(1, 9000))
    os.pwrite(fd, data, at)
    model[at:at+len(data)] = data
    end = max(end, at + len(data))
    if step % 50 == 49:
        os.close(fd)
        fd = os.open("random", os.O_RDWR)
    if step % 10 == 0:
        at = random.randrange(0, end)
        assert os.pread(fd, 5000, at) == bytes(model[at:min(end, at+5000)]), step
os.close(fd)
assert open("random", "rb").read() == bytes(model[:end])
s = os.open("sparse", os.O_CREAT | os.O_RDWR)
os.pwrite(s, b"end", 5_000_000)
print(os.fstat(s).st_size, os.pread(s, 4, 1000), os.lseek(s, 0, os.SEEK_END))
os.close(s)
`)
      assert.strictEqual(out.trim(), "5000003 b'\\x00\\x00\\x00\\x00' 5000003")
      assert.strictEqual((yield* sh("stat -c %s sparse; tail -c3 sparse")).trim(), "5000003\nend")
    })
  )

  it.effect("writes through shared mappings", () =>
    Effect.gen(function* () {
      const { python, sh } = yield* MountedDrive
      yield* python(`
import mmap
fd = os.open("mapped", os.O_CREAT | os.O_RDWR)
os.ftruncate(fd, 20000)
m = mmap.mmap(fd, 20000)
m[0:5] = b"first"; m[19995:20000] = b"final"
m.flush(); m.close(); os.close(fd)
`)
      assert.strictEqual(yield* sh("head -c5 mapped; tail -c5 mapped; stat -c %s mapped"), "firstfinal20000\n")
    })
  )

  it.effect("reads and changes ghosts: what was written wins, the rest comes from the server", () =>
    Effect.gen(function* () {
      const { sh, python, ask } = yield* MountedDrive
      assert.strictEqual((yield* sh("dd if=ghost.bin bs=1 skip=200000 count=16 status=none")).length, 16)
      yield* python(`
fd = os.open("patch.bin", os.O_RDWR)
os.pwrite(fd, b"PATCH", 100)
print(os.pread(fd, 16, 96))
os.close(fd)
expected = bytearray(b"0123456789abcdef" * 18750)
expected[100:105] = b"PATCH"
assert open("patch.bin", "rb").read() == bytes(expected)
`)
      assert.deepStrictEqual(yield* ask({ command: "sync", timeout: 30_000 }), [])
      const sent = yield* ask<string>({ command: "read", path: "/patch.bin" })
      assert.strictEqual(sent.length, 300_000)
      assert.strictEqual(sent.slice(96, 112), "0123PATCH9abcdef")
    })
  )

  it.effect("truncates ghosts without downloading them, and sends what is left", () =>
    Effect.gen(function* () {
      const { sh, ask } = yield* MountedDrive
      yield* ask({ command: "hang" })
      yield* sh("truncate -s 0 cut.bin; stat -c %s cut.bin; : > cut.bin")
      yield* sh("truncate -s 3000 grow.bin; stat -c %s grow.bin")
      yield* ask({ command: "release" })
      assert.strictEqual(
        yield* sh("head -c 1000 grow.bin | tail -c 4; tail -c 2000 grow.bin | tr -d '\\0' | wc -c"),
        "45670\n"
      )
      assert.deepStrictEqual(yield* ask({ command: "sync", timeout: 30_000 }), [])
      assert.strictEqual(yield* ask<string>({ command: "read", path: "/cut.bin" }), "")
      assert.strictEqual((yield* ask<string>({ command: "read", path: "/grow.bin" })).length, 3000)
    })
  )

  it.effect("allocates, seeks and syncs", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`
fd = os.open("allocated", os.O_CREAT | os.O_RDWR)
os.posix_fallocate(fd, 0, 10000)
print(os.fstat(fd).st_size)
os.write(fd, b"data")
os.fsync(fd); os.fdatasync(fd)
print(os.lseek(fd, 4, os.SEEK_CUR), os.lseek(fd, -4, os.SEEK_END))
print(errno_of(os.lseek, fd, 0, os.SEEK_DATA) in ("ok", "EINVAL"))
os.close(fd)
d = os.open(".", os.O_RDONLY)
os.fsync(d)
os.close(d)
print(open("allocated", "rb").read(6))
`)
      assert.deepStrictEqual(out.trim().split("\n"), ["10000", "8 9996", "True", "b'data\\x00\\x00'"])
    })
  )

  it.effect("moves the modification time with writes, not with reads, and keeps one that was set", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`
import time
open("timed", "w").write("a")
os.utime("timed", ns=(1_000_000_000_123456789, 1_100_000_000_987654321))
s = os.stat("timed"); print(s.st_atime_ns, s.st_mtime_ns)
open("timed").read()
print(os.stat("timed").st_mtime_ns)
fd = os.open("timed", os.O_WRONLY)
os.write(fd, b"b")
os.close(fd)
print(abs(os.stat("timed").st_mtime - time.time()) < 5)
fd = os.open("timed", os.O_WRONLY); os.write(fd, b"c"); os.utime(fd, ns=(5, 1_200_000_000_000000000)); os.close(fd)
print(os.stat("timed").st_mtime_ns)
`)
      assert.deepStrictEqual(out.trim().split("\n"), [
        "1000000000123456789 1100000000987654321",
        "1100000000987654321",
        "True",
        "1200000000000000000"
      ])
    })
  )
})

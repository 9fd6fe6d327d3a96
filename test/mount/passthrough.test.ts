import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Features } from "@onemount/fuse-native"
import type { TestContext } from "vitest"
import { MountedDrive } from "./MountedDrive.ts"

const text = "0123456789abcdef".repeat(125_000)
const size = text.length

interface Stats {
  readonly session: { readonly ops: Readonly<Record<string, { readonly count: number }>> }
}

/** Requests of a kind so far. */
const count = Effect.fnUntraced(function* (op: string) {
  const { ask } = yield* MountedDrive
  return (yield* ask<Stats>({ command: "stats" })).session.ops[op]?.count ?? 0
})

/** Skips the test where the kernel cannot serve files itself. */
const passing = Effect.fnUntraced(function* ({ skip }: TestContext) {
  const { ask } = yield* MountedDrive
  const { passthrough } = yield* ask<Features>({ command: "features" })
  if (!passthrough.active) skip(passthrough.offered ? "passthrough was refused here" : "the kernel has no passthrough")
})

/** In Python. */
const stateOf = (name: string) => `os.getxattr("${name}", "user.onemount.state").decode()`

let made = 0
/** A new file of the server that is here, so that from now on the kernel can serve it; its name is a new one every time. */
const fresh = Effect.fnUntraced(function* (context: TestContext) {
  yield* passing(context)
  const { ask, sh } = yield* MountedDrive
  const name = `file-${++made}.bin`
  yield* ask({ command: "put", path: `/${name}`, text })
  yield* ask({ command: "poll" })
  yield* sh(`cat ${name} > /dev/null`)
  return name
})

/** Waits until a process has the file open. */
const opened = (name: string) => `until ls -l /proc/*/fd 2>/dev/null | grep -qF "$PWD/${name}"; do :; done`

const sent = Effect.fnUntraced(function* (path: string) {
  const { ask } = yield* MountedDrive
  assert.deepStrictEqual(yield* ask({ command: "sync", timeout: 30_000 }), [])
  return yield* ask<string>({ command: "read", path })
})

layer(MountedDrive.layer(), { excludeTestServices: true, timeout: 60_000 })("passthrough", (it) => {
  it.effect("reads what is here without a request", (context) =>
    Effect.gen(function* () {
      const name = yield* fresh(context)
      const before = yield* count("read")
      const { sh, python } = yield* MountedDrive
      assert.strictEqual((yield* sh(`dd if=${name} bs=16 skip=1000 count=1 status=none`)).trim(), "0123456789abcdef")
      yield* python(`
import mmap
expected = b"0123456789abcdef" * (${size} // 16)
fd = os.open("${name}", os.O_RDONLY)
assert mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ)[:] == expected
assert open("${name}", "rb").read() == expected
`)
      assert.strictEqual(yield* count("read"), before)
    })
  )

  it.effect("sends new files as they were written", (context) =>
    Effect.gen(function* () {
      yield* passing(context)
      const before = yield* count("write")
      const { sh } = yield* MountedDrive
      yield* sh("yes fresh | head -c 3000000 > new.txt; test $(stat -c %s new.txt) = 3000000")
      assert.strictEqual(yield* sent("/new.txt"), "fresh\n".repeat(500_000))
      yield* sh("yes more | head -c 1000 >> new.txt; printf short > small.txt")
      assert.strictEqual(yield* sent("/new.txt"), "fresh\n".repeat(500_000) + "more\n".repeat(200))
      assert.strictEqual(yield* sent("/small.txt"), "short")
      assert.strictEqual(yield* count("write"), before)
    })
  )

  it.effect("keeps what utimensat set after the last write", (context) =>
    Effect.gen(function* () {
      yield* passing(context)
      const { python } = yield* MountedDrive
      const out = yield* python(`
fd = os.open("timed", os.O_CREAT | os.O_WRONLY)
os.write(fd, b"x" * 300000)
os.utime(fd, (1_600_000_000, 1_500_000_000))
print(int(os.fstat(fd).st_mtime))
os.close(fd)
print(int(os.stat("timed").st_mtime), os.stat("timed").st_size)
`)
      assert.strictEqual(out, "1500000000\n1500000000 300000\n")
    })
  )

  it.effect("sends edits in place, and what a truncated file is written with", (context) =>
    Effect.gen(function* () {
      const [edited, truncated] = [yield* fresh(context), yield* fresh(context)]
      const { python } = yield* MountedDrive
      yield* python(`
fd = os.open("${edited}", os.O_WRONLY)
os.pwrite(fd, b"EDIT", 1_000_000)
assert open("${edited}", "rb").read()[1_000_000:1_000_004] == b"EDIT"
os.close(fd)
with open("${truncated}", "wb") as file: file.write(b"again")
assert os.stat("${truncated}").st_size == 5
`)
      const bytes = yield* sent(`/${edited}`)
      assert.strictEqual(bytes.length, size)
      assert.strictEqual(bytes.slice(999_996, 1_000_008), "cdefEDIT4567")
      assert.strictEqual(yield* sent(`/${truncated}`), "again")
    })
  )

  it.effect("sends what is stored to a mapping whose descriptor is closed", (context) =>
    Effect.gen(function* () {
      const name = yield* fresh(context)
      const { python } = yield* MountedDrive
      yield* python(`
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
reader = os.open("${name}", os.O_RDONLY)
fd = os.open("${name}", os.O_RDWR)
address = libc.mmap(None, ctypes.c_size_t(4096), 3, 1, fd, ctypes.c_long(0))
os.close(fd)
os.close(reader)
ctypes.memmove(address, b"stored", 6)
`)
      // The last store is known when the mapping is gone, a moment after its program.
      const { ask } = yield* MountedDrive
      let bytes = ""
      while (!bytes.startsWith("stored")) {
        yield* ask({ command: "sync", timeout: 30_000 })
        bytes = yield* ask<string>({ command: "read", path: `/${name}` })
      }
      assert.strictEqual(bytes.length, size)
    })
  )

  it.effect("leaves a file alone that was opened for writing and not written", (context) =>
    Effect.gen(function* () {
      const name = yield* fresh(context)
      const { sh, start, ask } = yield* MountedDrive
      const holder = yield* start(`exec 3>>${name}; exec sleep 60`)
      yield* sh(opened(name))
      yield* ask({ command: "replace", path: `/${name}`, text: "from the server" })
      yield* ask({ command: "poll" })
      holder.kill("SIGKILL")
      yield* sh(`until test $(stat -c %s ${name}) = 15; do :; done`)
      assert.strictEqual(yield* sh(`cat ${name}`), "from the server")
      assert.strictEqual(yield* sent(`/${name}`), "from the server")
    })
  )

  it.effect("goes on with the old version while the server has a new one", (context) =>
    Effect.gen(function* () {
      const name = yield* fresh(context)
      const { python, ask, sh, start } = yield* MountedDrive
      yield* start(`exec 3<${name}; exec sleep 60`)
      yield* sh(opened(name))
      yield* ask({ command: "replace", path: `/${name}`, text: "new" })
      yield* ask({ command: "poll" })
      yield* sh(`until test $(stat -c %s ${name}) = 3; do :; done`)
      const out = yield* python(`
import glob
for path in glob.glob("/proc/*/fd/3"):
    try:
        if os.readlink(path).find("${name}") >= 0: old = path
    except OSError: pass
print(open("${name}").read(), os.stat(old).st_size)
`)
      assert.strictEqual(out, `new ${size}\n`)
    })
  )

  it.effect("keeps both when the server changed what was written meanwhile", (context) =>
    Effect.gen(function* () {
      const name = yield* fresh(context)
      const { ask, sh, start } = yield* MountedDrive
      const writer = yield* start(`exec 3>>${name}; printf ours >&3; exec sleep 60`)
      yield* sh(`until test $(stat -c %s ${name}) = ${size + 4}; do :; done`)
      yield* ask({ command: "replace", path: `/${name}`, text: "theirs" })
      yield* ask({ command: "poll" })
      writer.kill("SIGKILL")
      yield* sh(`until ls | grep -q '${name.replace(".bin", "")} (conflict'; do :; done`)
      assert.deepStrictEqual(yield* ask({ command: "sync", timeout: 30_000 }), [])
      const sizes = (yield* sh(`stat -c %s ${name.replace(".bin", "")}*`)).trim().split("\n").map(Number)
      assert.sameMembers(sizes, [6, size + 4])
    })
  )

  it.effect("follows a file that is moved or removed while it is written", (context) =>
    Effect.gen(function* () {
      const [moved, removed] = [yield* fresh(context), yield* fresh(context)]
      const { python } = yield* MountedDrive
      yield* python(`
fd = os.open("${moved}", os.O_WRONLY)
os.pwrite(fd, b"first", 0)
os.rename("${moved}", "elsewhere-${moved}")
os.pwrite(fd, b"second", 0)
os.close(fd)
gone = os.open("${removed}", os.O_WRONLY)
reader = os.open("${removed}", os.O_RDONLY)
os.unlink("${removed}")
os.pwrite(gone, b"unseen", 0)
assert os.pread(reader, 6, 0) == b"unseen"
os.close(gone)
assert os.fstat(reader).st_nlink == 0
`)
      assert.strictEqual((yield* sent(`/elsewhere-${moved}`)).slice(0, 8), "second67")
      const { ask } = yield* MountedDrive
      assert.notInclude(yield* ask<ReadonlyArray<string>>({ command: "list" }), `/${removed}`)
    })
  )

  it.effect("keeps what is open when all else is evicted, and downloads again what was closed", (context) =>
    Effect.gen(function* () {
      const [held, closed] = [yield* fresh(context), yield* fresh(context)]
      const { sh, start, ask, python } = yield* MountedDrive
      // What earlier tests wrote may go from here on.
      yield* ask({ command: "sync", timeout: 30_000 })
      const reads = yield* count("read")
      // Reads to the end through the descriptor that was open before.
      yield* start(
        `exec 3<${held}; until test -e evicted-${held}; do sleep 0.02; done; cat <&3 > ${held}.copy; touch done-${held}`
      )
      yield* sh(opened(held))
      assert.isAtLeast(yield* ask<number>({ command: "evict" }), size)
      assert.strictEqual(yield* count("read"), reads)
      assert.strictEqual(yield* python(`print(${stateOf(held)}, ${stateOf(closed)})`), "HYDRATED GHOST\n")
      yield* sh(`touch evicted-${held}; until test -e done-${held}; do sleep 0.02; done; cmp ${held} ${held}.copy`)
      // Not from the kernel's own pages.
      yield* sh(`dd if=${closed} bs=1M iflag=direct status=none | cmp - ${held}`)
      assert.isAbove(yield* count("read"), reads)
    })
  )
})

import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { MountedDrive } from "./MountedDrive.ts"

const renameat2 = `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(a, b, flags):
    if libc.renameat2(-100, a.encode(), -100, b.encode(), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")
`

/** A folder for each attempt of the test that renames it: the drive is shared, and a failed test runs once more. */
const attempts = ["a", "b", "c"]
const seeds = [
  ...attempts.flatMap((attempt) => [
    { path: `/${attempt}` },
    { path: `/${attempt}/Folder` },
    { path: `/${attempt}/Folder/Inside.txt`, text: "inside" }
  ]),
  { path: "/unwanted.txt", text: "unwanted" }
]

layer(MountedDrive.layer(seeds), { excludeTestServices: true, timeout: 60_000 })("namespace", (it) => {
  it.effect("replaces a file that is open: the handle keeps the old content, the name has the new", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`
open("target", "w").write("old"); open("source", "w").write("new!")
fd = os.open("target", os.O_RDWR)
ino = os.stat("source").st_ino
os.rename("source", "target")
print(os.pread(fd, 10, 0), os.fstat(fd).st_nlink, open("target").read(), os.stat("target").st_ino == ino)
os.pwrite(fd, b"OLD", 0)
print(os.pread(fd, 10, 0), open("target").read(), os.path.exists("source"))
os.close(fd)
`)
      assert.deepStrictEqual(out.trim().split("\n"), ["b'old' 0 new! True", "b'OLD' new! False"])
    })
  )

  it.effect("unlinks a file that is open: it stays readable and writable until the last close", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`
open("gone", "w").write("still here")
fd = os.open("gone", os.O_RDWR)
os.unlink("gone")
print(errno_of(os.stat, "gone"), os.fstat(fd).st_nlink, os.pread(fd, 20, 0))
os.pwrite(fd, b"STILL", 0); os.ftruncate(fd, 7); os.fsync(fd)
print(os.pread(fd, 20, 0), os.fstat(fd).st_size)
os.close(fd)
open("gone", "w").write("another")
print(open("gone").read())
`)
      assert.deepStrictEqual(out.trim().split("\n"), ["ENOENT 0 b'still here'", "b'STILL h' 7", "another"])
    })
  )

  it.effect("follows rename(2) and renameat2(2)", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`${renameat2}
os.makedirs("d/e"); os.mkdir("empty"); open("f", "w").write("f"); open("g", "w").write("g")
print(errno_of(os.rename, "missing", "x"), errno_of(os.rename, "d", "d/e/inside"))
print(errno_of(os.rename, "f", "empty"), errno_of(os.rename, "empty", "f"), errno_of(os.rename, "empty", "d"))
print(errno_of(renameat2, "f", "g", 1), errno_of(renameat2, "f", "h", 1), os.path.exists("h"))
renameat2("h", "g", 2); print(open("h").read(), open("g").read())
renameat2("h", "d", 2); print(os.path.isdir("h"), open("d").read(), os.listdir("h"))
print(errno_of(renameat2, "h", "nothing", 2), errno_of(renameat2, "g", "k", 4))
os.mkdir("other"); os.rename("h", "other"); print(os.listdir("other"))
print(errno_of(os.rmdir, "other"), errno_of(os.rmdir, "g"), errno_of(os.unlink, "other"))
os.rmdir("other/e"); os.rmdir("other"); os.rmdir("empty"); os.unlink("g"); os.unlink("d")
`)
      assert.deepStrictEqual(out.trim().split("\n"), [
        "ENOENT EINVAL",
        "EISDIR ENOTDIR ENOTEMPTY",
        "EEXIST ok True",
        "g f",
        "True g ['e']",
        "ENOENT EINVAL",
        "['e']",
        "ENOTEMPTY ENOTDIR EISDIR"
      ])
    })
  )

  it.effect("refuses what OneDrive cannot keep, and says why", () =>
    Effect.gen(function* () {
      const { python, ask } = yield* MountedDrive
      const out = yield* python(`
open("plain", "w").close()
print(errno_of(os.symlink, "plain", "link"), errno_of(os.link, "plain", "hard"), errno_of(os.mkfifo, "fifo"))
print(errno_of(open, "what?", "w"), errno_of(os.mkdir, "CON"), errno_of(os.rename, "plain", "end."))
print(os.getxattr(".", "user.onemount.error"))
print(errno_of(open, "x" * 256, "w"), errno_of(os.chown, "plain", 12345, -1), errno_of(os.chown, "plain", os.getuid(), -1))
deep = "/".join(["y" * 100] * 4)
os.makedirs("/".join(["y" * 100] * 3)); print(errno_of(os.mkdir, deep))
print(errno_of(open, b"bad\\xff", "w"))
open(".~lock.a?b#", "w").close(); os.mkdir(".Trash-0"); open(".Trash-0/what?", "w").close()
print(os.getxattr(".Trash-0/what?", "user.onemount.local"), sorted(os.listdir(".Trash-0")))
`)
      assert.deepStrictEqual(out.trim().split("\n"), [
        "EPERM EPERM EPERM",
        "EINVAL EINVAL EINVAL",
        "b'end.: OneDrive does not allow names that end with a period'",
        "ENAMETOOLONG EPERM ok",
        "ENAMETOOLONG",
        "EILSEQ",
        "b'true' ['what?']"
      ])
      assert.deepStrictEqual(yield* ask({ command: "sync", timeout: 30_000 }), [])
      const there = yield* ask<ReadonlyArray<string>>({ command: "list" })
      assert.deepStrictEqual(
        there.filter((path) => path.includes("lock") || path.includes("Trash")),
        []
      )
    })
  )

  it.effect("finds names in any case, and keeps the one they were made with", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`
os.chdir("${attempts.shift()}")
print(open("folder/INSIDE.TXT").read(), os.listdir("FOLDER"))
print(os.stat("FOLDER/inside.txt").st_ino == os.stat("Folder/Inside.txt").st_ino)
print(os.path.exists("readme"), os.path.exists("README"), os.path.exists("ReadMe"))
open("README", "w").write("1")
print(os.path.exists("readme"), os.path.exists("ReadMe"), [n for n in os.listdir(".") if n.lower() == "readme"])
print(errno_of(os.mkdir, "readme"), errno_of(os.open, "ReadMe", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
open("readme", "a").write("22"); print(open("README").read(), os.stat("README").st_size)
os.rename("README", "readme"); print([n for n in os.listdir(".") if n.lower() == "readme"], open("readme").read())
os.rename("Folder", "folder"); print(os.listdir("folder"), "folder" in os.listdir("."), "Folder" in os.listdir("."))
os.rename("folder/Inside.txt", "folder/inside.txt"); print(os.listdir("folder"))
os.unlink("ReadMe"); print(os.path.exists("README"), os.path.exists("readme"))
`)
      assert.deepStrictEqual(out.trim().split("\n"), [
        "inside ['Inside.txt']",
        "True",
        "False False False",
        "True True ['README']",
        "EEXIST EEXIST",
        "122 3",
        "['readme'] 122",
        "['Inside.txt'] True False",
        "['inside.txt']",
        "False False"
      ])
    })
  )

  it.effect("moves what is not downloaded to the trash by copying it", () =>
    Effect.gen(function* () {
      const { python, sh, ask } = yield* MountedDrive
      yield* sh("mkdir -p .Trash-0")
      assert.strictEqual(
        yield* python(`print(errno_of(os.rename, "unwanted.txt", ".Trash-0/unwanted.txt"))`),
        "EXDEV\n"
      )
      assert.strictEqual(yield* sh("mv unwanted.txt .Trash-0/ && cat .Trash-0/unwanted.txt"), "unwanted")
      assert.deepStrictEqual(yield* ask({ command: "sync", timeout: 30_000 }), [])
      assert.notInclude(yield* ask<ReadonlyArray<string>>({ command: "list" }), "/unwanted.txt")
    })
  )

  it.effect("lists 10,000 entries once each while others come and go", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`
os.makedirs(".Trash-1/many"); os.chdir(".Trash-1")
for i in range(10000): os.close(os.open(f"many/f{i:05}", os.O_CREAT | os.O_WRONLY))
print(len(os.listdir("many")))
seen = []
with os.scandir("many") as entries:
    for n, entry in enumerate(entries):
        seen.append(entry.name)
        if n % 10 == 0 and n < 5000:
            os.unlink(f"many/f{9999 - n // 10:05}")
            os.close(os.open(f"many/g{n:05}", os.O_CREAT | os.O_WRONLY))
print(len(seen) == len(set(seen)), all(f"f{i:05}" in set(seen) for i in range(9500)))
print(len(os.listdir("many")))
`)
      assert.deepStrictEqual(out.trim().split("\n"), ["10000", "True True", "10000"])
    })
  )

  it.effect("shows right attributes after every change", () =>
    Effect.gen(function* () {
      const { python, sh } = yield* MountedDrive
      const out = yield* python(`
import time
os.mkdir("attr"); base = os.stat("attr")
print(oct(base.st_mode), base.st_nlink, base.st_uid == os.getuid())
def moved(what):
    global base
    now = os.stat("attr"); print(what, now.st_mtime_ns > base.st_mtime_ns, now.st_nlink); base = now
    time.sleep(0.01)
time.sleep(0.01)
open("attr/f", "w").close(); moved("create")
os.mkdir("attr/d"); moved("mkdir")
os.rename("attr/f", "attr/d/f"); moved("rename out")
os.unlink("attr/d/f"); os.rmdir("attr/d"); moved("rmdir")
fd = os.open("attr/p", os.O_CREAT | os.O_WRONLY, 0o640); os.write(fd, b"x" * 5000)
s = os.stat("attr/p"); print(oct(s.st_mode), s.st_size, s.st_nlink, s.st_blocks); os.close(fd)
os.chmod("attr/p", 0o755); print(oct(os.stat("attr/p").st_mode))
`)
      assert.deepStrictEqual(out.trim().split("\n"), [
        "0o40755 2 True",
        "create True 2",
        "mkdir True 3",
        "rename out True 3",
        "rmdir True 2",
        "0o100640 5000 1 10",
        "0o100755"
      ])
      assert.match(yield* sh("ls -la attr | tail -1"), /^-rwxr-xr-x 1 .* 5000 .* p$/m)
    })
  )
})

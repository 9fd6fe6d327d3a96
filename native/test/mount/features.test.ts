/**
 * A session with a feature less is as a kernel that does not have it: everything works, and it says so. The filesystem is
 * the example, which may switch `killPrivileges` on.
 */
import { assert, describe, it } from "vitest"
import { MemoryFilesystem } from "../../examples/memory-filesystem.ts"
import { FuseError, Session } from "../../src/index.ts"
import type { FeatureSwitch, FeatureSwitches, Features, MountOptions } from "../../src/index.ts"
import { FlatFilesystem, python, removeFolder, temporaryFolder } from "./support.ts"

const usual: Readonly<Record<FeatureSwitch, boolean>> = {
  readdirPlus: true,
  writebackCache: false,
  parallelDirectoryOperations: true,
  asyncRead: true,
  asyncDirectIo: true,
  spliceRead: false,
  largeRequests: true,
  negativeEntries: true,
  noOpendir: true,
  expire: true,
  epoch: true,
  killPrivileges: true
}
const names = Object.keys(usual) as ReadonlyArray<FeatureSwitch>

const everything = `
import hashlib
os.makedirs("d/e")
data = os.urandom(3_000_001)
with open("d/file", "wb") as file:
    for at in range(0, len(data), 70_000): file.write(data[at:at + 70_000])
with open("d/file", "r+b") as file:
    file.seek(1_000_000); file.write(b"changed"); file.truncate(2_500_000)
expected = data[:1_000_000] + b"changed" + data[1_000_007:2_500_000]
assert open("d/file", "rb").read() == expected
fd = os.open("d/file", os.O_RDONLY | os.O_DIRECT)
import mmap
page = mmap.mmap(-1, 1 << 20)
assert os.preadv(fd, [page], 1 << 20) == 1 << 20 and page[:] == expected[1 << 20:2 << 20]
os.close(fd)
assert not os.path.exists("d/later") and not os.path.exists("d/later")
for i in range(200): open(f"d/e/{i}", "w").write(str(i))
assert sorted(os.listdir("d/e"), key=int) == [str(i) for i in range(200)]
assert sum(entry.stat().st_size for entry in os.scandir("d/e")) == 490
open("d/later", "w").close(); assert os.path.exists("d/later")
os.rename("d/file", "d/other"); assert not os.path.exists("d/file")
assert os.stat("d/other").st_size == 2_500_000
for i in range(200): os.unlink(f"d/e/{i}")
assert os.listdir("d/e") == []
os.rmdir("d/e"); os.unlink("d/other"); os.unlink("d/later"); os.rmdir("d")
print("sound")`

const repetitions = 100

const privileges = `
def mode(path): return oct(os.stat(path).st_mode & 0o7777)
os.umask(0)
fd = os.open("made", os.O_CREAT | os.O_WRONLY, 0o6755)
assert mode("made") == "0o755", mode("made")
for touch in [lambda: os.write(fd, b"x"), lambda: os.ftruncate(fd, 7), lambda: os.chown("made", os.getuid(), -1)]:
    os.chmod("made", 0o7755)
    assert mode("made") == "0o1755", mode("made")
    touch()
    assert mode("made") == "0o1755", mode("made")
os.close(fd)
os.mkdir("folder"); os.chmod("folder", 0o2775)
assert mode("folder") == "0o2775", mode("folder")
print("sound")`

/** Mounts, uses everything, and says what was agreed on. */
const features = async (options: Partial<MountOptions>): Promise<Features> => {
  const mountpoint = temporaryFolder()
  const filesystem = new MemoryFilesystem(mountpoint, options)
  try {
    assert.strictEqual(await python(mountpoint, everything), "sound\n")
    const found = filesystem.session.features
    assert.isDefined(found)
    assert.strictEqual(filesystem.session.bumpEpoch(), found?.epoch.active)
    return found as Features
  } finally {
    await filesystem.close()
    removeFolder(mountpoint)
  }
}

const agreed = (found: Features, wanted: FeatureSwitches): void => {
  for (const name of names) {
    assert.strictEqual(found[name].active, found[name].offered && (wanted[name] ?? usual[name]), name)
  }
}

describe("features", () => {
  it("are used as the kernel offers them", async () => {
    const found = await features({})
    agreed(found, {})
    for (const name of ["readdirPlus", "parallelDirectoryOperations", "largeRequests", "noOpendir"] as const) {
      assert.deepStrictEqual(found[name], { offered: true, active: true }, name)
    }
    assert.isFalse(found.cloneFd.active || found.noOpen.active)
  })

  for (const name of names) {
    const state = !usual[name]
    it(`work with ${name} ${state ? "on" : "off"}`, async () =>
      agreed(await features({ features: { [name]: state } }), { [name]: state }))
  }

  it("work with all off", async () => {
    const off: FeatureSwitches = Object.fromEntries(names.map((name) => [name, false]))
    agreed(await features({ features: off, threads: 1, maxBackground: 1 }), off)
  })

  for (const killPrivileges of [true, false]) {
    it(`ask for security.capability ${killPrivileges ? "once" : "before every write"}`, async (context) => {
      const mountpoint = temporaryFolder()
      const filesystem = new MemoryFilesystem(mountpoint, { features: { killPrivileges } })
      try {
        await python(mountpoint, `open("file", "wb").close()`)
        const offered = filesystem.session.features?.killPrivileges.offered === true
        await python(
          mountpoint,
          `fd = os.open("file", os.O_WRONLY)\nfor i in range(${repetitions}): os.pwrite(fd, b"x", i)\nos.close(fd)`
        )
        const questions = filesystem.session.stats().ops["getxattr"]?.count ?? 0
        if (killPrivileges && !offered) context.skip("the kernel has no FUSE_HANDLE_KILLPRIV_V2")
        // Another one after somebody's stat, which brings new attributes.
        if (killPrivileges) assert.isAtMost(questions, 2)
        else assert.isAtLeast(questions, repetitions)
      } finally {
        await filesystem.close()
        removeFolder(mountpoint)
      }
    })
  }

  for (const negativeEntries of [true, false]) {
    it(`look absent names up ${negativeEntries ? "once" : "each time"}`, async () => {
      const mountpoint = temporaryFolder()
      const filesystem = new MemoryFilesystem(mountpoint, { features: { negativeEntries } })
      try {
        await python(mountpoint, `for i in range(${repetitions}): assert not os.path.exists("absent")`)
        const lookups = filesystem.session.stats().ops["lookup"]?.count ?? 0
        if (negativeEntries) assert.isBelow(lookups, repetitions)
        else assert.isAtLeast(lookups, repetitions)
      } finally {
        await filesystem.close()
        removeFolder(mountpoint)
      }
    })
  }

  it("take set-user-ID and set-group-ID from files, whoever has set them and whatever happens to them", async () => {
    const mountpoint = temporaryFolder()
    const filesystem = new MemoryFilesystem(mountpoint)
    try {
      assert.strictEqual(await python(mountpoint, privileges), "sound\n")
    } finally {
      await filesystem.close()
      removeFolder(mountpoint)
    }
  })

  it("that do not exist are refused", () => {
    const filesystem = new FlatFilesystem()
    const options = { mountpoint: "/nonexistent", fsName: "x", subtype: "x" }
    const wrong: ReadonlyArray<object> = [
      { features: { unknown: true } },
      { features: { epoch: 1 } },
      { features: 7 },
      { maxBackground: 0 }
    ]
    for (const bad of wrong) {
      assert.throws(
        () => Session.mount({ ...options, ...bad }, filesystem.contents, () => undefined),
        FuseError,
        /EINVAL/
      )
    }
    return filesystem.close()
  })
})

import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { MemoryFilesystem } from "../../examples/memory-filesystem.ts"
import { python, removeFolder, shell, temporaryFolder } from "./support.ts"

describe("the memory filesystem behaves as a local one", () => {
  const mountpoint = temporaryFolder()
  let filesystem: MemoryFilesystem

  beforeAll(() => {
    filesystem = new MemoryFilesystem(mountpoint)
  })

  afterAll(async () => {
    await filesystem.close()
    removeFolder(mountpoint)
  })

  it("writes, appends, truncates and reads", async () => {
    const out = await shell(
      mountpoint,
      `printf one > a; printf two >> a; cat a; printf x > a; cat a; truncate -s 5 a; stat -c %s a; od -An -c a`
    )
    assert.strictEqual(out.replaceAll(/\s+/g, " "), "onetwox5 x \\0 \\0 \\0 \\0 ")
  })

  it("copies a file of several megabytes without changing it", () =>
    shell(mountpoint, `head -c 9000001 /dev/urandom > big; cp big copy; cmp big copy; rm big copy`))

  it("keeps holes, and writes at any place", async () => {
    const out = await python(
      mountpoint,
      `
fd = os.open('sparse', os.O_RDWR | os.O_CREAT)
os.pwrite(fd, b'end', 1000000)
os.pwrite(fd, b'middle', 500000)
assert os.pread(fd, 6, 500000) == b'middle'
assert os.pread(fd, 10, 0) == bytes(10)
assert os.pread(fd, 100, 1000000) == b'end'
assert os.pread(fd, 100, 2000000) == b''
assert os.lseek(fd, 0, os.SEEK_HOLE) == 1000003
os.ftruncate(fd, 500003)
os.ftruncate(fd, 500010)
assert os.pread(fd, 100, 500000) == b'mid' + bytes(7)
print(os.fstat(fd).st_size)`
    )
    assert.strictEqual(out, "500010\n")
  })

  it("maps files into memory, shared and writable", () =>
    python(
      mountpoint,
      `
import mmap
with open('mapped', 'wb') as f: f.write(b'a' * 10000)
with open('mapped', 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0)
    assert m[9999:10000] == b'a'
    m[4090:4100] = b'0123456789'
    m.flush()
    m.close()
with open('mapped', 'rb') as f:
    data = f.read()
assert data[4090:4100] == b'0123456789' and len(data) == 10000 and data.count(b'a') == 9990`
    ))

  it("renames, also over an open file, whose bytes stay readable", () =>
    python(
      mountpoint,
      `
with open('old', 'w') as f: f.write('old bytes')
kept = open('old')
with open('new', 'w') as f: f.write('new bytes')
os.rename('new', 'old')
assert open('old').read() == 'new bytes'
assert kept.read() == 'old bytes'
assert not os.path.exists('new')
gone = open('old')
os.unlink('old')
assert gone.read() == 'new bytes'
assert not os.path.exists('old')`
    ))

  it("appends from several processes without losing a line", async () => {
    const writer = `for i in $(seq 200); do echo line-$i >> log; done`
    await Promise.all([shell(mountpoint, writer), shell(mountpoint, writer), shell(mountpoint, writer)])
    assert.strictEqual((await shell(mountpoint, "wc -l < log")).trim(), "600")
  })

  it("lists large folders completely and removes trees", async () => {
    const out = await shell(
      mountpoint,
      `mkdir -p tree/deep; cd tree; for i in $(seq 3000); do : > file-$i; done; ls | wc -l; find . -type f | wc -l; cd ..; rm -r tree; ls -d tree || echo gone`
    )
    assert.deepStrictEqual(out.split(/\s+/).filter(Boolean), ["3001", "3000", "gone"])
  })

  it("refuses names that are not UTF-8", () =>
    python(
      mountpoint,
      `
import errno
try: open(b'bad\\xff', 'w'); raise SystemExit(1)
except OSError as e: assert e.errno == errno.EILSEQ, e
assert not os.path.exists(b'bad\\xff')
open('good-\\u00e4\\U0001F600', 'w').close()
assert 'good-\\u00e4\\U0001F600' in os.listdir('.')`
    ))

  it("counts what it did", async () => {
    await shell(mountpoint, `cat ${join(mountpoint, "log")} > /dev/null`)
    const stats = filesystem.session.stats()
    assert.isAbove(stats.bytesWritten, 9_000_000)
    assert.isAbove(stats.ops["create"]?.count ?? 0, 3000)
    assert.isTrue(stats.capabilities["parallelDirectoryOperations"])
    assert.isTrue(stats.capabilities["explicitInvalidateData"])
    assert.isFalse(stats.capabilities["autoInvalidateData"])
    assert.strictEqual(stats.strayReplies, 0)
    assert.strictEqual(stats.pending, 0)
  })
})

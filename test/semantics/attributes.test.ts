/** docs/SEMANTICS.md, "Attributes" and "Not supported". */
import { assert, describe, test } from "vitest"
import { here, put, python, shareMount, startPython, whileSilent } from "./support.ts"

const state = (path: string) => `os.getxattr("${path}", "user.onemount.state").decode()`

describe("attributes", () => {
  const shared = shareMount(async (drive) => {
    await put(drive, "remote.txt", "from the server")
    await put(drive, "renamed there.txt", "same inode")
    await put(drive, "plain.txt", "like any file")
  })

  const remount = async () => {
    assert.strictEqual((await shared.mount.signal("SIGTERM")).code, 0)
    shared.mount = await shared.harness.mount(shared.drive)
  }

  test("A1: inode numbers are stable through renames, remounts and changes at the server", async () => {
    const inos = () => here(shared.mount, "stat -c %i moved.txt 'renamed there'*")
    await here(shared.mount, "mv remote.txt moved.txt")
    const before = await inos()
    await shared.mount.sync()
    await remount()
    const item = await shared.drive.json("GET", "/me/drive/root:/renamed%20there.txt")
    await shared.drive.json("PATCH", `/me/drive/items/${item.id}`, { name: "renamed there too.txt" })
    await shared.drive.json("PUT", `/me/drive/items/${item.id}/content`, "and new content")
    await shared.mount.sync()
    assert.strictEqual(await here(shared.mount, "cat 'renamed there too.txt'"), "and new content")
    assert.strictEqual(await inos(), before)
  })

  test("A2: mtime keeps its nanoseconds here; the server gets what it can hold, and rounding it changes nothing here", async () => {
    const set = `os.utime("timed.txt", ns=(1_600_000_000_000000000, 1_600_000_000_123456789))`
    const show = `print(os.stat("timed.txt").st_mtime_ns)`
    assert.deepStrictEqual(await python(shared.mount, `write("timed.txt", "x"); ${set}; ${show}`), [
      "1600000000123456789"
    ])
    await shared.mount.sync()
    const { fileSystemInfo } = await shared.drive.json("GET", "/me/drive/root:/timed.txt")
    assert.strictEqual(fileSystemInfo.lastModifiedDateTime, "2020-09-13T12:26:40.123Z")
    await shared.mount.sync()
    await remount()
    assert.deepStrictEqual(await python(shared.mount, show), ["1600000000123456789"])
  })

  test("A3: reading moves no access time; one that was set is kept until the mount ends, then mtime shows", async () => {
    const show = `print(os.stat("read.txt").st_atime_ns, os.stat("read.txt").st_mtime_ns)`
    const [before] = await python(
      shared.mount,
      `write("read.txt", "x"); os.utime("read.txt", ns=(5_000_000_000, 7_000_000_000)); read("read.txt"); ${show}`
    )
    assert.strictEqual(before, "5000000000 7000000000")
    await shared.mount.sync()
    await remount()
    assert.deepStrictEqual(await python(shared.mount, show), ["7000000000 7000000000"])
  })

  test("A4: permissions are kept on this machine; what came from the server and nobody did a chmod on shows 644, folders 755", async () => {
    await here(shared.mount, "umask 077; echo x > script; chmod 750 script; mkdir private")
    await shared.mount.sync()
    await remount()
    assert.strictEqual(await here(shared.mount, "stat -c %a script private plain.txt ."), "750\n700\n644\n755\n")
  })

  test("A5: everything belongs to who mounted; chown to the owner is accepted, to anybody else EPERM", async () => {
    const out = await python(
      shared.mount,
      `
owner = os.stat("plain.txt")
print(owner.st_uid == os.getuid(), owner.st_gid == os.getgid(), errno_of(os.chown, "plain.txt", owner.st_uid, owner.st_gid))
print(errno_of(os.chown, "plain.txt", 12345, -1), errno_of(os.chown, "plain.txt", -1, 12345))
`
    )
    assert.deepStrictEqual(out, ["True True ok", "EPERM EPERM"])
  })

  test("A12: a file has no set-user-ID and no set-group-ID bit, however it is made and changed; a folder keeps what it is given", async () => {
    const out = await python(
      shared.mount,
      `
os.umask(0)
fd = os.open("set-id", os.O_CREAT | os.O_WRONLY, 0o6755)
shown = lambda path: oct(os.stat(path).st_mode & 0o7777)
made = shown("set-id")
os.chmod("set-id", 0o6711)
changed = shown("set-id")
os.write(fd, b"written")
os.ftruncate(fd, 3)
os.chown("set-id", os.getuid(), os.getgid())
print(made, changed, shown("set-id"))
os.mkdir("set-id folder")
os.chmod("set-id folder", 0o2770)
os.close(os.open("set-id folder/file", os.O_CREAT | os.O_WRONLY, 0o2640))
print(shown("set-id folder"), shown("set-id folder/file"), os.stat("set-id folder/file").st_gid == os.getgid())
`
    )
    assert.deepStrictEqual(out, ["0o755 0o711 0o711", "0o2770 0o640 True"])
  })

  test("A6: sizes are the server's whether the content is here or not; blocks are the size in units of 512, folders 4096", async () => {
    await put(shared.drive, "ghost.bin", new Uint8Array(1_000_001))
    await shared.mount.sync()
    const out = await python(
      shared.mount,
      `
ghost = os.stat("ghost.bin"); print(ghost.st_size, ghost.st_blocks, ghost.st_nlink)
os.makedirs("folder/a"); os.mkdir("folder/b"); write("folder/c", "x")
folder = os.stat("folder"); print(folder.st_size, folder.st_nlink)
`
    )
    assert.deepStrictEqual(out, ["1000001 1954 1", "4096 4"])
  })

  test("A7: the size of the filesystem is the drive's quota, free space what the quota has left", async () => {
    const { quota } = await shared.drive.json("GET", "/me/drive")
    const out = await python(
      shared.mount,
      `
space = os.statvfs("."); print(space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize < space.f_blocks * space.f_frsize)
print(space.f_bfree == space.f_bavail, space.f_ffree, space.f_namemax)
`
    )
    assert.deepStrictEqual(out, [`${quota.total} True`, "True 1000000000 255"])
  })

  test("A8: user.* attributes of up to 65,536 bytes are kept on this machine", async () => {
    await python(shared.mount, `os.setxattr("plain.txt", "user.mine", b"\\x00binary" + b"x" * 60_000)`)
    await shared.mount.sync()
    await remount()
    const out = await python(
      shared.mount,
      `
print(len(os.getxattr("plain.txt", "user.mine")), "user.mine" in os.listxattr("plain.txt"))
print(errno_of(os.setxattr, "plain.txt", "user.mine", b"x" * 65_537), errno_of(os.setxattr, "plain.txt", "user.mine", b"x" * 65_536))
print(errno_of(os.setxattr, "plain.txt", b"user.\\xff", b"x"))
`
    )
    assert.deepStrictEqual(out, ["60007 True", "E2BIG ok", "EILSEQ"])
  })

  test("A9: user.onemount.state, id, hash, local and error tell about an item, are read-only and not listed", async () => {
    await put(shared.drive, "told.txt", "ghost")
    await shared.mount.sync()
    const { id, file } = await shared.drive.json("GET", "/me/drive/root:/told.txt")
    const out = await python(
      shared.mount,
      `
print(*[os.getxattr("told.txt", "user.onemount." + name).decode() for name in ("hash", "id", "state")], os.listxattr("told.txt"))
write(".~lock.x#", "x"); print(os.getxattr(".~lock.x#", "user.onemount.local"), errno_of(os.getxattr, ".~lock.x#", "user.onemount.id"))
errno_of(os.mkdir, "folder/a?"); print(os.getxattr("folder", "user.onemount.error").decode())
print({errno_of(os.setxattr, "told.txt", "user.onemount." + name, b"x") for name in ("state", "id", "hash", "local", "error", "new")})
`
    )
    assert.deepStrictEqual(out, [
      `${file.hashes.quickXorHash} ${id} GHOST []`,
      "b'true' ENODATA",
      "a?: OneDrive does not allow ? in names",
      "{'EPERM'}"
    ])
    const copies = `setfattr() { python3 -c 'import os, sys; os.setxattr(*sys.argv[1:3], sys.argv[3].encode())' "$@"; }
      setfattr told.txt user.mine kept; cp -a told.txt copy.txt; cp --preserve=xattr told.txt other.txt; rm told.txt
      mv copy.txt ../outside.txt; mv ../outside.txt told.txt`
    assert.strictEqual(await here(shared.mount, `{ ${copies}; } 2>&1`), "")
    assert.deepStrictEqual(await python(shared.mount, `print(os.listxattr("told.txt"), os.listxattr("other.txt"))`), [
      "['user.mine'] ['user.mine']"
    ])
  })

  test("A10: the state goes from GHOST to HYDRATED by reading, to DIRTY_LOCAL by writing, and back with the upload", async () => {
    await put(shared.drive, "states.txt", "three states")
    await shared.mount.sync()
    const out = await whileSilent(shared.drive, () =>
      python(
        shared.mount,
        `print(${state("states.txt")}); write("states.txt", "edited"); print(${state("states.txt")})`
      )
    )
    assert.deepStrictEqual(out, ["GHOST", "DIRTY_LOCAL"])
    await shared.mount.sync()
    await put(shared.drive, "states.txt", "and again")
    await shared.mount.sync()
    assert.deepStrictEqual(
      await python(shared.mount, `print(${state("states.txt")}); read("states.txt"); print(${state("states.txt")})`),
      ["GHOST", "HYDRATED"]
    )
  })

  test("A13: there is no birth time", async () => {
    assert.strictEqual(await here(shared.mount, "stat -c %W plain.txt"), "0\n")
  })

  test("U1: symlink and link are EPERM", async () => {
    const out = await python(
      shared.mount,
      `print(errno_of(os.symlink, "plain.txt", "soft"), errno_of(os.link, "plain.txt", "hard"))`
    )
    assert.deepStrictEqual(out, ["EPERM EPERM"])
  })

  test("U2: mknod makes regular files; devices, FIFOs and sockets are EPERM", async () => {
    const out = await python(
      shared.mount,
      `
import stat
print(errno_of(os.mknod, "regular", 0o644 | stat.S_IFREG), errno_of(os.mkfifo, "fifo"))
print(errno_of(os.mknod, "null", 0o644 | stat.S_IFCHR, os.makedev(1, 3)), errno_of(os.mknod, "socket", 0o644 | stat.S_IFSOCK))
`
    )
    assert.deepStrictEqual(out, ["ok EPERM", "EPERM EPERM"])
  })

  test("U3: security.*, system.* and trusted.* attributes are EOPNOTSUPP; there are no ACLs and no capabilities", async () => {
    const out = await python(
      shared.mount,
      `
import struct
# The kernel refuses malformed values itself.
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, 4, 0xffffffff) for tag in (1, 4, 0x20))
capability = struct.pack("<IIIII", 0x02000001, 0, 0, 0, 0)
attributes = {"security.x": b"", "trusted.x": b"", "system.posix_acl_access": acl, "security.capability": capability}
print({errno_of(os.setxattr, "plain.txt", name, value) for name, value in attributes.items()})
print(errno_of(os.getxattr, "plain.txt", "system.posix_acl_access"), errno_of(os.getxattr, "plain.txt", "security.capability"))
`
    )
    assert.deepStrictEqual(out, ["{'ENOTSUP'}", "ENOTSUP ENODATA"])
  })

  test("U4: inotify tells of changes made on this machine only", async () => {
    await here(shared.mount, "mkdir watched")
    await shared.mount.sync()
    const watcher = startPython(
      shared.mount,
      `
watch = libc.inotify_init1(0); libc.inotify_add_watch(watch, b"watched", 0x100)
print("watching")
heard = b""
while b"last" not in heard: heard += os.read(watch, 4096)
print(b"here" in heard, b"there" in heard)
`
    )
    await watcher.line(/^watching$/m, 10_000)
    await here(shared.mount, "touch watched/here")
    await put(shared.drive, "watched/there", "seen by ls")
    await shared.mount.sync()
    await here(shared.mount, "test -e watched/there; touch watched/last")
    assert.strictEqual((await watcher.finished).stdout, "watching\nTrue False\n")
  })
})

import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { MountedDrive } from "./MountedDrive.ts"

layer(MountedDrive.layer([{ path: "/remote.txt", text: "from the server" }]), {
  excludeTestServices: true,
  timeout: 60_000
})("attributes", (it) => {
  it.effect("keeps user attributes, tells its own, and refuses the others", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`
f = "remote.txt"
print(os.getxattr(f, "user.onemount.state"), len(os.getxattr(f, "user.onemount.hash")) == 28)
print(os.listxattr(f))
os.setxattr(f, "user.mine", b"1", os.XATTR_CREATE)
print(errno_of(os.setxattr, f, "user.mine", b"2", os.XATTR_CREATE), errno_of(os.setxattr, f, "user.no", b"", os.XATTR_REPLACE))
os.setxattr(f, "user.mine", b"\\x00" * 4000, os.XATTR_REPLACE)
print(len(os.getxattr(f, "user.mine")), "user.mine" in os.listxattr(f))
os.removexattr(f, "user.mine")
print(errno_of(os.getxattr, f, "user.mine"), errno_of(os.removexattr, f, "user.mine"))
print(errno_of(os.setxattr, f, "user.onemount.state", b"x"), errno_of(os.setxattr, f, "trusted.x", b"x"))
print(errno_of(os.getxattr, f, "system.posix_acl_access"))
open("local", "w").write("x")
print(os.getxattr("local", "user.onemount.state"), errno_of(os.getxattr, "local", "user.onemount.hash"))
`)
      assert.deepStrictEqual(out.trim().split("\n"), [
        "b'GHOST' True",
        "[]",
        "EEXIST ENODATA",
        "4000 True",
        "ENODATA ENODATA",
        "EPERM ENOTSUP",
        "ENOTSUP",
        "b'DIRTY_LOCAL' ENODATA"
      ])
    })
  )

  it.effect("shows the drive's quota as the size of the filesystem", () =>
    Effect.gen(function* () {
      const { python, sh } = yield* MountedDrive
      const out = yield* python(`
s = os.statvfs(".")
print(s.f_bsize, s.f_blocks > 0, 0 < s.f_bavail <= s.f_blocks, s.f_ffree > 0, s.f_namemax)
`)
      assert.strictEqual(out.trim(), "4096 True True True 255")
      assert.match(yield* sh("df -T . | tail -1"), /fuse\.onemount/)
    })
  )

  it.effect("makes a file of the server look like any file", () =>
    Effect.gen(function* () {
      const { sh } = yield* MountedDrive
      assert.match(yield* sh("stat -c '%A %h %s %F' remote.txt"), /^-rw-r--r-- 1 15 regular file$/m)
      assert.strictEqual(yield* sh("cat remote.txt"), "from the server")
      assert.strictEqual(yield* sh("stat -c %A ."), "drwxr-xr-x\n")
    })
  )
})

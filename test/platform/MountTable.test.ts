import { assert, describe, it } from "@effect/vitest"
import * as MountTable from "../../src/platform/MountTable.ts"

const table = `22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
36 22 0:32 / /home/me/One\\040Drive rw,nosuid,nodev,relatime shared:77 master:3 - fuse.onemount onemount rw,user_id=0
37 22 0:33 / /home/me/a\\134b rw - tmpfs tmpfs rw
38 36 0:34 / /home/me/One\\040Drive rw - fuse.other other rw
`

describe("mountinfo", () => {
  const mounts = MountTable.parse(table)

  it("reads mountpoint, type and source past any number of optional fields", () => {
    assert.deepStrictEqual(mounts[0], { mountpoint: "/", type: "ext4", source: "/dev/nvme0n1p2" })
    assert.deepStrictEqual(mounts[1], { mountpoint: "/home/me/One Drive", type: "fuse.onemount", source: "onemount" })
    assert.strictEqual(mounts[2]?.mountpoint, "/home/me/a\\b")
    assert.strictEqual(mounts.length, 4)
  })

  it("the topmost mount answers for a mountpoint", () => {
    assert.strictEqual(MountTable.at(mounts, "/home/me/One Drive")?.type, "fuse.other")
    assert.isUndefined(MountTable.at(mounts, "/home/me"))
  })

  it("reads this machine's table", () => {
    assert.isDefined(MountTable.at(MountTable.read(), "/proc"))
  })
})

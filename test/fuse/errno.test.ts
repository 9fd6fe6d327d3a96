import { constants } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { FsErrorReason } from "../../src/filesystem/FsError.ts"
import { errnoOf } from "../../src/fuse/errno.ts"

describe("errno", () => {
  it("has a number of this platform for every reason", () => {
    const known = new Set<number>(Object.values(constants.errno))
    for (const reason of FsErrorReason.literals) assert.isTrue(known.has(errnoOf(reason)), reason)
  })

  it("says what the man pages say", () => {
    const { errno } = constants
    assert.strictEqual(errnoOf("NotFound"), errno.ENOENT)
    assert.strictEqual(errnoOf("Exists"), errno.EEXIST)
    assert.strictEqual(errnoOf("NotEmpty"), errno.ENOTEMPTY)
    assert.strictEqual(errnoOf("NameInvalid"), errno.EINVAL)
    assert.strictEqual(errnoOf("NameTooLong"), errno.ENAMETOOLONG)
    assert.strictEqual(errnoOf("NoSpace"), errno.ENOSPC)
    assert.strictEqual(errnoOf("Offline"), errno.ENETUNREACH)
    assert.strictEqual(errnoOf("Io"), errno.EIO)
  })
})

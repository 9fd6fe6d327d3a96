import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { FuseError, quickXorHashFile, syncFile } from "../src/index.ts"

const folder = mkdtempSync(join(tmpdir(), "fuse-native-files-"))
const ramp = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (7 * i + 3) & 255)

afterAll(() => rmSync(folder, { recursive: true }))

describe("quickXorHashFile", () => {
  const vectors: ReadonlyArray<readonly [name: string, bytes: Uint8Array, hash: string]> = [
    ["nothing", new Uint8Array(0), "AAAAAAAAAAAAAAAAAAAAAAAAAAA="],
    ["one byte", Buffer.from("J"), "SgAAAAAAAAAAAAAAAQAAAAAAAAA="],
    ["a line", Buffer.from("hello world\n"), "aCgDG9jwBhDc4Q1ybAMZFAAAAAA="],
    ["1000 bytes", ramp(1000), "dgD8j0n8sM0aPE5CUJ8tqmilX/E="],
    ["100000 bytes", ramp(100_000), "7gi7SoTZMRx5gfdODD0gn/kHw6o="],
    ["a MiB of zeros", new Uint8Array(1 << 20), "AAAAAAAAAAAAAAAAAAAQAAAAAAA="]
  ]

  it.each(vectors)("hashes %s", async (name, bytes, hash) => {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    assert.deepStrictEqual(await quickXorHashFile(path), { hash, length: bytes.length })
  })

  it("hashes a beginning, and says how much there was", async () => {
    const path = join(folder, "beginning")
    writeFileSync(path, ramp(5000))
    assert.deepStrictEqual(await quickXorHashFile(path, 1000), { hash: "dgD8j0n8sM0aPE5CUJ8tqmilX/E=", length: 1000 })
    assert.strictEqual((await quickXorHashFile(path, 10_000)).length, 5000)
  })

  it("rejects with what the system says", async () => {
    const error = await quickXorHashFile(join(folder, "absent")).catch((reason: unknown) => reason)
    assert.instanceOf(error, FuseError)
    assert.deepInclude(error, { code: "ENOENT", errno: 2, syscall: "quickXorHashFile" })
    const closed = await quickXorHashFile(1_000_000).catch((reason: unknown) => reason)
    assert.deepInclude(closed, { code: "EBADF" })
    const empty = await quickXorHashFile("").catch((reason: unknown) => reason)
    assert.deepInclude(empty, { code: "EINVAL" })
  })
})

describe("syncFile", () => {
  it("syncs files and folders", async () => {
    await syncFile(folder)
    const error = await syncFile(join(folder, "absent")).catch((reason: unknown) => reason)
    assert.deepInclude(error, { code: "ENOENT", syscall: "syncFile" })
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { QuickXorHash, quickXorHash } from "../../src/platform/QuickXorHash.ts"

const pattern = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => (7 * i + 3) & 255)

/** The definition, bit by bit. */
const naive = (bytes: Uint8Array): string => {
  const register = new Uint8Array(20)
  const flip = (bit: number) => {
    register[bit >>> 3] = (register[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
  }
  bytes.forEach((byte, i) => {
    for (let bit = 0; bit < 8; bit++) if ((byte >>> bit) & 1) flip((11 * i + bit) % 160)
  })
  for (let bit = 0; bit < 53; bit++) if (Math.floor(bytes.length / 2 ** bit) % 2 === 1) flip(96 + bit)
  return Buffer.from(register).toString("base64")
}

describe("QuickXorHash", () => {
  it("agrees with the published vectors", () => {
    assert.strictEqual(quickXorHash(new Uint8Array(0)), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    assert.strictEqual(quickXorHash(Buffer.from("J")), "SgAAAAAAAAAAAAAAAQAAAAAAAAA=")
    assert.strictEqual(quickXorHash(Buffer.from("hello world\n")), "aCgDG9jwBhDc4Q1ybAMZFAAAAAA=")
    assert.strictEqual(quickXorHash(pattern(1000)), "dgD8j0n8sM0aPE5CUJ8tqmilX/E=")
    assert.strictEqual(quickXorHash(pattern(100_000)), "7gi7SoTZMRx5gfdODD0gn/kHw6o=")
    assert.strictEqual(quickXorHash(new Uint8Array(1 << 20)), "AAAAAAAAAAAAAAAAAAAQAAAAAAA=")
  })

  const Chunks = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 })))

  it.prop("does not depend on how the content is split", [Chunks, Schema.Int], ([chunks, seed]) => {
    const size = chunks.reduce((sum, chunk) => sum + chunk, 0)
    // An odd offset into the buffer makes the word view unaligned.
    const bytes = Uint8Array.from({ length: size + 3 }, (_, i) => (i * 31 + seed + (i >>> 3) * 7) & 255).subarray(3)
    const hash = new QuickXorHash()
    let at = 0
    for (const chunk of chunks) hash.update(bytes.subarray(at, (at += chunk)))
    assert.strictEqual(hash.length, size)
    assert.strictEqual(hash.digestBase64(), naive(bytes))
    assert.strictEqual(quickXorHash(bytes), naive(bytes))
  })

  it("goes on after a digest", () => {
    const hash = new QuickXorHash().update(pattern(700))
    hash.digest()
    hash.update(pattern(1000).subarray(700))
    assert.strictEqual(hash.digestBase64(), "dgD8j0n8sM0aPE5CUJ8tqmilX/E=")
  })
})

import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import { ContentHash } from "../../src/graph-server/ContentHash.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { bytesOf, deltaPass, drive, get, type Item, post, put } from "./api.ts"

const root = "/me/drive/root"
const unit = 320 * 1024

const digest = (name: "sha256" | "sha1", bytes: Uint8Array): string =>
  createHash(name).update(bytes).digest("hex").toUpperCase()

const hashesOf = (item: Item | undefined) => item?.file?.hashes

/** Uploads in two fragments and returns the item. */
const bySession = Effect.fnUntraced(function* (name: string, bytes: Uint8Array) {
  const { body } = yield* post(`${root}:/${name}:/createUploadSession`, {})
  const fragment = (from: number, to: number) =>
    put(body.uploadUrl, bytes.subarray(from, to), {
      headers: { "content-range": `bytes ${from}-${to - 1}/${bytes.length}` }
    })
  yield* fragment(0, unit)
  return (yield* fragment(unit, bytes.length)).body
})

describe("hashes of a personal drive", () => {
  it.effect("are quickXorHash and sha256Hash, wherever the item is shown", () =>
    Effect.gen(function* () {
      const bytes = bytesOf(unit + 999)
      const expected = { quickXorHash: quickXorHash(bytes), sha256Hash: digest("sha256", bytes) }
      assert.deepStrictEqual(hashesOf((yield* put(`${root}:/put.bin:/content`, bytes)).body), expected)
      assert.deepStrictEqual(hashesOf(yield* bySession("session.bin", bytes)), expected)
      yield* (yield* GraphServer.DriveAdmin).putFile("/admin.bin", bytes)
      yield* post(`${root}:/put.bin:/copy`, { name: "copy.bin" })
      const shown = [
        ...(yield* get(`${root}/children`)).body.value,
        ...(yield* deltaPass(`${root}/delta`)).items.filter(({ file }) => file !== undefined),
        (yield* get(`${root}:/put.bin`)).body
      ]
      assert.strictEqual(shown.length, 9)
      for (const item of shown) assert.deepStrictEqual(hashesOf(item), expected, item.name)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("follow the content when it is replaced, and when an earlier one is restored", () =>
    Effect.gen(function* () {
      const sha256 = (text: string) => digest("sha256", Buffer.from(text))
      yield* put(`${root}:/a.txt:/content`, "one")
      assert.strictEqual(hashesOf((yield* put(`${root}:/a.txt:/content`, "two")).body)?.sha256Hash, sha256("two"))
      yield* post(`${root}:/a.txt:/versions/1.0/restoreVersion`, {})
      assert.strictEqual(hashesOf((yield* get(`${root}:/a.txt`)).body)?.sha256Hash, sha256("one"))
    }).pipe(Effect.provide(drive()))
  )

  it.effect("are only the quickXorHash of nothing for an empty file", () =>
    Effect.gen(function* () {
      const { body } = yield* put(`${root}:/empty:/content`, "")
      const expected = { quickXorHash: quickXorHash(new Uint8Array(0)) }
      assert.deepStrictEqual(hashesOf(body), expected)
      assert.deepStrictEqual(hashesOf((yield* get(`${root}:/empty`)).body), expected)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("of generated contents are worked out for whoever asks for the item", () =>
    Effect.gen(function* () {
      yield* (yield* GraphServer.DriveGenerator).generate({ items: 300, seed: 5 })
      const files = (yield* deltaPass(`${root}/delta`)).items.filter(({ size, file }) => file !== undefined && size > 0)
      const { id = "", eTag } = files.find(({ size }) => size > unit) ?? {}
      for (const file of files) assert.deepStrictEqual(Object.keys(hashesOf(file) ?? {}), ["quickXorHash"])
      const { body } = yield* get(`/me/drive/items/${id}`)
      const { bytes } = yield* get(body["@microsoft.graph.downloadUrl"] ?? "")
      const expected = { quickXorHash: quickXorHash(bytes), sha256Hash: digest("sha256", bytes) }
      assert.deepStrictEqual([hashesOf(body), body.eTag], [expected, eTag])
      const again = (yield* deltaPass(`${root}/delta`)).items.find((item) => item.id === id)
      assert.deepStrictEqual(hashesOf(again), expected)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("have a sha1Hash as well when the drive is as they were until 2023", () =>
    Effect.gen(function* () {
      const bytes = bytesOf(1000)
      assert.deepStrictEqual(hashesOf((yield* put(`${root}:/a:/content`, bytes)).body), {
        quickXorHash: quickXorHash(bytes),
        sha256Hash: digest("sha256", bytes),
        sha1Hash: digest("sha1", bytes)
      })
    }).pipe(Effect.provide(drive({ settings: { sha1Hash: true } })))
  )
})

describe("hashes of a business drive", () => {
  it.effect("are quickXorHash alone", () =>
    Effect.gen(function* () {
      const bytes = bytesOf(unit + 999)
      yield* put(`${root}:/put.bin:/content`, bytes)
      yield* bySession("session.bin", bytes)
      for (const item of (yield* get(`${root}/children`)).body.value) {
        const alone = (yield* get(`/me/drive/items/${item.id}`)).body
        for (const shown of [item, alone])
          assert.deepStrictEqual(hashesOf(shown), { quickXorHash: quickXorHash(bytes) })
      }
    }).pipe(Effect.provide(drive({ kind: "business" })))
  )
})

describe("ContentHash", () => {
  it.prop(
    "goes on from a clone at any point, and leaves the original as it was",
    [Schema.Uint8Array, Schema.Uint8Array],
    ([first, second]) => {
      const bytes = Buffer.concat([Buffer.from("x"), first, second])
      const head = ContentHash.make(["sha256", "sha1"]).update(bytes.subarray(0, 1 + first.length))
      const before = [head.length, head.quickXor(), head.digests()]
      const whole = head.clone().update(second)
      assert.deepStrictEqual(whole.digests(), { sha256: digest("sha256", bytes), sha1: digest("sha1", bytes) })
      assert.deepStrictEqual([whole.length, whole.quickXor()], [bytes.length, quickXorHash(bytes)])
      assert.deepStrictEqual([head.length, head.quickXor(), head.digests()], before)
    }
  )
})

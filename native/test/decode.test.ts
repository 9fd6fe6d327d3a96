import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { RecordBuffer } from "../src/decode.ts"
import { layouts } from "../src/layouts.ts"

/** Packs as cpp/core/record.h does, written down independently of the reader. */
const pack = (
  buffer: RecordBuffer,
  records: ReadonlyArray<readonly [op: string, ...fields: Array<number | string>]>
) => {
  const bytes = Buffer.from(buffer.numbers.buffer)
  let at = 0
  for (const [op, ...fields] of records) {
    const start = at
    at += 8
    for (const field of fields) {
      const text = typeof field === "string" ? Buffer.from(field) : undefined
      bytes.writeDoubleLE(text?.length ?? Number(field), at)
      at += 8
      text?.copy(bytes, at)
      at += Math.ceil((text?.length ?? 0) / 8) * 8
    }
    bytes.writeUInt32LE(
      layouts.findIndex(({ name }) => name === op),
      start
    )
    bytes.writeUInt32LE((at - start) / 8, start + 4)
  }
  return at / 8
}

const caller = { uid: 1000, gid: 100, pid: 4242, umask: 0o22 }
const head = [77, 5, caller.uid, caller.gid, caller.pid, caller.umask] as const
const none = Number.NaN

describe("records", () => {
  it("have the names and numbers that the addon has", () => {
    const header = readFileSync(new URL("../cpp/core/operation.h", import.meta.url), "utf8")
    const [, enumeration = ""] = /enum class Op[^{]*\{([^}]*)\}/.exec(header) ?? []
    const [, names = ""] = /names\[\] = \{([^}]*)\}/.exec(header) ?? []
    const ours = layouts.map(({ name }) => name)
    assert.deepStrictEqual(
      [...names.matchAll(/"(\w*)"/g)].map(([, name]) => name),
      ours
    )
    const numbered = [...enumeration.replaceAll(/\/\/.*/g, "").matchAll(/[A-Z]\w*(?=,| = 1)/g)].map(([name]) => name)
    assert.deepStrictEqual(["", ...numbered.map((name) => name.toLowerCase())], ours)
  })

  it("decode one after the other, with names of any length and alphabet", () => {
    const buffer = new RecordBuffer(1024)
    const names = ["a", "12345678", "123456789", "äöü€😀", "x".repeat(255)]
    const words = pack(
      buffer,
      names.map((name) => ["lookup", ...head, name] as const)
    )
    assert.deepStrictEqual(
      buffer.requests(words),
      names.map((name) => ({ op: "lookup", id: 77, caller, parent: 5, name }) as never)
    )
  })

  it("tell what was not given from zero", () => {
    const buffer = new RecordBuffer(64)
    const words = pack(buffer, [
      ["setattr", ...head, none, none, 0, none, 0, 0, 0, 0, 2, 0, 0],
      ["setattr", ...head, 9, 0o644, none, none, none, 1, -5, 999_999_999, 0, 0, 0]
    ])
    const [first, second] = buffer.requests(words)
    assert.deepInclude(first, {
      op: "setattr",
      handle: undefined,
      mode: undefined,
      uid: 0,
      gid: undefined,
      size: 0,
      atime: undefined,
      mtime: "now"
    } as never)
    assert.deepInclude(second, {
      handle: 9,
      mode: 0o644,
      size: undefined,
      atime: { sec: -5, nsec: 999_999_999 },
      mtime: undefined
    } as never)
  })

  it("keep values apart from the buffer they came in", () => {
    const buffer = new RecordBuffer(64)
    const words = pack(buffer, [["setxattr", ...head, "user.k", "value", 1]])
    const [request] = buffer.requests(words)
    buffer.numbers.fill(0)
    assert.strictEqual(request?.op, "setxattr")
    if (request?.op === "setxattr") assert.strictEqual(Buffer.from(request.value).toString(), "value")
  })

  it("decode lists, and numbers up to 2^53", () => {
    const buffer = new RecordBuffer(64)
    const words = pack(buffer, [
      ["forget", 2, 10, Number.MAX_SAFE_INTEGER],
      ["drained", 10, 3],
      ["rename", ...head, "old", 6, "new", 1],
      ["release", 5, 8, none],
      ["closed", "gone"]
    ])
    assert.deepStrictEqual(buffer.requests(words), [
      {
        op: "forget",
        nodes: [10, Number.MAX_SAFE_INTEGER]
      },
      { op: "drained", node: 10, content: 3 },
      { op: "rename", id: 77, caller, parent: 5, name: "old", newParent: 6, newName: "new", flags: 1 },
      { op: "release", node: 5, handle: 8, content: undefined },
      { op: "closed", reason: "gone" }
    ] as never)
  })

  it("decode content events apart from requests", () => {
    const buffer = new RecordBuffer(64)
    const words = pack(buffer, [
      ["dirty", 3, 4],
      ["fetch", 4, 131_072, 1000, 0, 1]
    ])
    assert.deepStrictEqual(buffer.events(words), [
      { op: "dirty", id: 3, content: 4 },
      { op: "fetch", content: 4, offset: 131_072, length: 1000, sequential: 0, ahead: true }
    ] as never)
    assert.throws(() => buffer.requests(words), RangeError)
  })
})

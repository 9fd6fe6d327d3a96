import { assert, describe, it } from "@effect/vitest"
import { Option, Result, Schema } from "effect"
import { canonicalDriveId, canonicalItemId } from "../../src/graph/ids.ts"
import { isPathSafe, makePaths, segment } from "../../src/graph/paths.ts"
import { defaultGraphConfig } from "../../src/graph/GraphConfig.ts"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { formatTime, parseTime } from "../../src/graph/Time.ts"
import { decodeDrive, decodeItem, decodePage, decodeSession, decodeUser } from "../../src/graph/wire.ts"
import { fileItem } from "./ScriptedServer.ts"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"

const item = (json: unknown) => Result.getOrThrow(decodeItem(json))
const problem = (json: unknown) => Result.getOrThrow(Result.flip(decodeItem(json)))

describe("times", () => {
  for (const [text, sec, nsec] of [
    ["1970-01-01T00:00:00Z", 0, 0],
    ["2026-01-02T03:04:05Z", 1767323045, 0],
    ["2026-01-02T03:04:05.1Z", 1767323045, 100_000_000],
    ["2026-01-02T03:04:05.1234567Z", 1767323045, 123_456_700],
    ["2026-01-02T03:04:05", 1767323045, 0],
    ["2026-01-02T04:04:05+01:00", 1767323045, 0],
    ["1969-12-31T23:59:59.5Z", -1, 500_000_000],
    ["0001-01-01T00:00:00Z", -62_135_596_800, 0]
  ] as const) {
    it(`${text} is read`, () => assert.deepStrictEqual(Option.getOrNull(parseTime(text)), { sec, nsec }))
  }

  for (const text of ["", "yesterday", "2026-13-02T03:04:05Z", "2026-01-02", "2026-01-02T03:04:05.Z"]) {
    it(`"${text}" is refused`, () => assert.isTrue(Option.isNone(parseTime(text))))
  }

  const anyTime = Schema.Struct({
    sec: Schema.Int.check(Schema.isBetween({ minimum: -62_135_596_800, maximum: 253_402_300_799 })),
    nsec: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999_999_999 }))
  })
  it.prop("survive writing and reading, to 100 ns", [anyTime], ([time]) => {
    const expected = { sec: time.sec, nsec: time.nsec - (time.nsec % 100) }
    assert.deepStrictEqual(Option.getOrNull(parseTime(formatTime(time))), expected)
  })

  it("outside of what Graph can express are clamped", () => {
    assert.strictEqual(formatTime({ sec: 1e12, nsec: 1 }), "9999-12-31T23:59:59Z")
    assert.strictEqual(formatTime({ sec: -1e12, nsec: 1 }), "0001-01-01T00:00:00Z")
  })
})

describe("ids", () => {
  it("of personal drives are lower case with 16 digits", () => {
    assert.strictEqual(canonicalDriveId("66D53BE8A5056ECA"), "66d53be8a5056eca")
    assert.strictEqual(canonicalDriveId("6D53BE8A5056ECA"), "06d53be8a5056eca")
    assert.strictEqual(canonicalDriveId("b!AbC-_1"), "b!AbC-_1")
    assert.strictEqual(canonicalDriveId("b%21AbC"), "b!AbC")
  })

  it("of personal items keep what follows the drive", () => {
    for (const id of ["66D53BE8A5056ECA!103", "66d53be8a5056eca%21103"]) {
      assert.strictEqual(canonicalItemId(id), "66D53BE8A5056ECA!103")
    }
    assert.strictEqual(canonicalItemId("6d53be8a5056eca!sAbC"), "06D53BE8A5056ECA!sAbC")
    assert.strictEqual(canonicalItemId("01aBcDeF"), "01aBcDeF")
  })

  it.prop("are stable once canonical", [Schema.String], ([id]) => {
    const once = canonicalItemId(id)
    assert.strictEqual(canonicalItemId(once), once.replaceAll("%21", "!"))
  })
})

describe("paths", () => {
  it.prop("carry any name as one segment that decodes to it", [Schema.String], ([name]) => {
    if (!isPathSafe(name)) return
    const url = new URL(makePaths(defaultGraphConfig).child(ItemId("01A!b"), name))
    const parts = url.pathname.split("/")
    assert.strictEqual(url.search + url.hash, "")
    assert.strictEqual(parts.at(-2), "01A!b:")
    assert.strictEqual(decodeURIComponent(parts.at(-1) ?? ""), name)
  })

  it("escape what URLs and OData read as syntax", () => {
    assert.strictEqual(segment("a%#?é '/:b!"), "a%25%23%3F%C3%A9%20%27%2F%3Ab!")
    assert.strictEqual(segment("\ud800"), "%EF%BF%BD")
    for (const name of ["", ".", "..", "a/b", "a\0", "\ud800x"]) assert.isFalse(isPathSafe(name))
    for (const name of ["...", ".a", "a b", "\u{1f600}"]) assert.isTrue(isPathSafe(name))
  })
})

describe("items", () => {
  it("decode", () => {
    assert.deepStrictEqual(item(fileItem({ unknown: { field: 1 }, "@odata.etag": "x" })), {
      id: ItemId("01FILE"),
      name: "a.bin",
      kind: "file",
      isRoot: false,
      deleted: false,
      parentId: ItemId("01ROOT"),
      size: 10,
      eTag: '"{G},1"',
      cTag: '"c:{G},1"',
      hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
      created: { sec: 1767323045, nsec: 0 },
      modified: { sec: 1767323045, nsec: 123_000_000 },
      webUrl: null
    })
  })

  for (const [name, facets, kind] of [
    ["folder", { folder: {} }, "folder"],
    ["root", { root: {} }, "folder"],
    ["file", { file: {} }, "file"],
    ["package", { package: { type: "oneNote" }, folder: {} }, "other"],
    ["remote item", { remoteItem: { folder: {} }, folder: {} }, "other"],
    ["vault", { specialFolder: { name: "vault" }, folder: {} }, "other"],
    ["album", { bundle: {}, folder: {} }, "other"],
    ["no facet at all", {}, "other"],
    ["infected file", { file: {}, malware: {} }, "file"]
  ] as const) {
    it(`with ${name} are of kind ${kind}`, () => {
      assert.strictEqual(item({ id: "1", name: "x", size: 3, ...facets }).kind, kind)
    })
  }

  it("tolerate what services leave out or get wrong", () => {
    assert.isNull(item(fileItem({ file: { hashes: {} } })).hash)
    assert.isNull(item(fileItem({ file: { mimeType: "x" } })).hash)
    assert.isNull(item(fileItem({ file: { hashes: null } })).hash)
    // Of nothing there is one hash, told or not.
    assert.strictEqual(item(fileItem({ size: 0, file: { hashes: {} } })).hash, quickXorHash(new Uint8Array(0)))
    assert.strictEqual(item({ id: "1", name: "d", folder: {}, size: -17 }).size, 0)
    assert.isNull(item(fileItem({ cTag: undefined })).cTag)
    assert.strictEqual(item(fileItem({ eTag: undefined, "@odata.etag": '"e"' })).eTag, '"e"')
    assert.isNull(item(fileItem({ parentReference: { driveId: "b!x" } })).parentId)
    const untimed = item(fileItem({ fileSystemInfo: {}, lastModifiedDateTime: "2026-01-02T03:04:05Z" }))
    assert.strictEqual(untimed.modified.sec, 1767323045)
    assert.strictEqual(untimed.created.sec, 1767323045)
  })

  it("deleted need no more than an id", () => {
    const gone = item({ id: "1", deleted: { state: "deleted" }, file: {}, size: 0 })
    assert.isTrue(gone.deleted)
    assert.strictEqual(gone.name, "")
    assert.isNull(gone.parentId)
  })

  for (const [field, json] of [
    ["id", { name: "x" }],
    ["id", { id: "", name: "x" }],
    ["name", fileItem({ name: undefined })],
    ["name", fileItem({ name: "" })],
    ["name", fileItem({ name: "../etc/passwd" })],
    ["size", fileItem({ size: undefined })],
    ["size", fileItem({ size: -1 })],
    ["size", fileItem({ size: 1.5 })],
    ["size", fileItem({ size: "10" })],
    ["fileSystemInfo.lastModifiedDateTime", fileItem({ fileSystemInfo: { lastModifiedDateTime: "soon" } })]
  ] as const) {
    it(`name the field ${field} when it is wrong: ${JSON.stringify(json).slice(0, 60)}`, () =>
      assert.match(problem(json), new RegExp(`^${field}: `)))
  }

  it("in pages are named by their position, without values", () => {
    const text = Result.getOrThrow(
      Result.flip(decodePage({ value: [fileItem(), fileItem({ eTag: { secret: "abc" } })] }))
    )
    assert.match(text, /^value\.1\.eTag: /)
    assert.notInclude(text, "abc")
  })

  it.prop("never throw on any JSON", [Schema.Json], ([json]) => {
    for (const decode of [decodeItem, decodePage, decodeDrive, decodeUser, decodeSession]) decode(json)
  })
})

const drive = (json: unknown) => Result.getOrThrow(decodeDrive(json))
const next = (...nextExpectedRanges: ReadonlyArray<unknown>) =>
  Result.getOrNull(Result.map(decodeSession({ nextExpectedRanges }), (state) => state.nextOffset))

describe("drives and sessions", () => {
  it("quota is null where it is restricted", () => {
    assert.isNull(drive({ id: "b!x" }).quota)
    assert.isNull(drive({ id: "b!x", quota: { total: 0, used: 0 } }).quota)
    assert.deepStrictEqual(drive({ id: "x", quota: { total: 10, used: 4 } }).quota, {
      total: 10,
      used: 4,
      remaining: 6
    })
    assert.strictEqual(drive({ id: "x", quota: { total: 10, used: 12, remaining: -2 } }).quota?.remaining, 0)
  })

  it("sessions go on at the lowest missing byte", () => {
    assert.strictEqual(next("327680-"), 327_680)
    assert.strictEqual(next("12345-55232", "77829-99375"), 12_345)
    assert.strictEqual(next("500-", "100-200"), 100)
    for (const bad of [[], ["-5"], ["abc"], [""], [7]]) assert.isNull(next(...bad))
  })
})

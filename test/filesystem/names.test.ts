import { assert, describe, it } from "@effect/vitest"
import {
  builtinLocalPatterns,
  localNames,
  refusePath,
  refuseRemoteName,
  refuseSegment
} from "../../src/filesystem/names.ts"

const refused = (names: ReadonlyArray<string>) => names.filter((name) => refuseRemoteName(name) !== undefined)

describe("names", () => {
  it("refuses what OneDrive refuses, with the reason", () => {
    const bad = [
      ...Array.from('"*:<>?\\|', (character) => `a${character}b`),
      "tab\tname",
      "del\u007f",
      " leading",
      "trailing ",
      "trailing.",
      "~$report.docx",
      ".lock",
      ".LOCK",
      "desktop.ini",
      "CON",
      "con.txt",
      "Prn",
      "aux.tar.gz",
      "NUL",
      "com0",
      "COM9.log",
      "lpt1",
      "a_vti_b",
      "A_VTI_B"
    ]
    assert.deepStrictEqual(refused(bad), bad)
    assert.strictEqual(refuseRemoteName("a?b")?.detail, "OneDrive does not allow ? in names")
    assert.strictEqual(refuseRemoteName("a\nb")?.detail, "OneDrive does not allow control characters in names")
  })

  it("accepts everything else, names that only look reserved included", () => {
    const good = [
      "a",
      ".hidden",
      "welcom1.txt",
      "console",
      "com10",
      "nul_",
      "locks.lock",
      "100%.txt",
      "a#b",
      "~backup",
      "file~",
      "Žluťoučký kůň",
      "👩‍💻",
      "forms",
      "a.b.c",
      "two  spaces"
    ]
    assert.deepStrictEqual(refused(good), [])
  })

  it("limits segments to 255 bytes and 255 UTF-16 units", () => {
    assert.isUndefined(refuseSegment("x".repeat(255)))
    assert.strictEqual(refuseSegment("x".repeat(256))?.reason, "NameTooLong")
    assert.isUndefined(refuseSegment("é".repeat(127)))
    assert.strictEqual(refuseSegment("é".repeat(128))?.reason, "NameTooLong")
  })

  it("refuses what is no segment or no text, whoever keeps it", () => {
    for (const name of ["", ".", "..", "a/b", "a\0b", "bad\ufffd", "half\ud800"]) {
      assert.strictEqual(refuseSegment(name)?.reason, "NameInvalid", JSON.stringify(name))
    }
    assert.isUndefined(refuseSegment("👩‍💻"))
  })

  it("limits the decoded path to 400 characters without its leading slash", () => {
    assert.isUndefined(refusePath(`/${"x".repeat(400)}`))
    assert.isUndefined(refusePath("x".repeat(400)))
    assert.strictEqual(refusePath(`/${"x".repeat(401)}`)?.reason, "PathTooLong")
  })

  it("knows the scratch names of desktops and editors, and a person's own patterns", () => {
    const isLocal = localNames(["*.tmp", "build?"])
    const local = [
      ".~lock.report.odt#",
      "~$report.docx",
      ".goutputstream-AB12CD",
      ".Trash-1000",
      "notes.swp",
      ".notes.txt.swo",
      ".notes.txt.swp",
      "x.tmp",
      "X.TMP",
      "build1"
    ]
    assert.deepStrictEqual(local.filter(isLocal), local)
    const remote = ["report.odt", "a.swpx", "Trash-1000", "build", "build12", "tmp", ".swap", "lock.~lock."]
    assert.deepStrictEqual(remote.filter(isLocal), [])
    assert.strictEqual(builtinLocalPatterns.length, 6)
  })

  it("takes every character of a pattern but * and ? literally", () => {
    const isLocal = localNames(["a.b", "(x)+", "[q]"])
    assert.deepStrictEqual(["a.b", "(x)+", "[q]"].filter(isLocal), ["a.b", "(x)+", "[q]"])
    assert.deepStrictEqual(["aXb", "x", "xx", "q"].filter(isLocal), [])
  })
})

/** `onemount doctor` on this machine, and on ones that lack something. */
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, test } from "vitest"

const program = join(import.meta.dirname, "../../src/main.ts")
let home: string

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "onemount-doctor-"))
})
afterAll(() => rmSync(home, { recursive: true }))

interface Check {
  readonly name: string
  readonly result: string
  readonly found: string
  readonly meaning: string
  readonly advice: string
}

const doctor = (args: ReadonlyArray<string>, path = process.env["PATH"]) =>
  new Promise<{ readonly status: number | null; readonly out: string; readonly err: string }>((resolve) => {
    const env = { PATH: path, HOME: home, XDG_CACHE_HOME: home, TMPDIR: home }
    const child = spawn(process.execPath, [program, "doctor", ...args], { env })
    let [out, err] = ["", ""]
    child.stdout.on("data", (text: Buffer) => (out += text.toString()))
    child.stderr.on("data", (text: Buffer) => (err += text.toString()))
    child.on("close", (status) => resolve({ status, out, err }))
  })

const checksOf = (out: string): ReadonlyMap<string, Check> =>
  new Map((JSON.parse(out) as { checks: ReadonlyArray<Check> }).checks.map((check) => [check.name, check]))

describe("onemount doctor", () => {
  test("finds everything that a mount needs, and leaves nothing", async () => {
    const { err, out, status } = await doctor(["--json"])
    assert.deepStrictEqual([status, err], [0, ""])
    const checks = checksOf(out)
    for (const name of ["node", "kernel", "libfuse", "fuse", "fusermount3", "privileges", "namespace", "descriptors"]) {
      assert.include(["ok", "warn"], checks.get(name)?.result, name)
    }
    for (const name of ["configuration", "cache.directory", "cache.sparse", "cache.reflink", "mount"]) {
      assert.isDefined(checks.get(name), name)
    }
    assert.match(checks.get("libfuse")?.found ?? "", /^libfuse 3\.\d+/)
    assert.strictEqual(checks.get("feature.readdirPlus")?.found, "used")
    for (const { advice, meaning, result } of checks.values()) {
      assert.isNotEmpty(meaning)
      assert.strictEqual(advice === "", result === "ok")
    }
    assert.deepStrictEqual(readdirSync(home), [])
    assert.notInclude(readFileSync("/proc/self/mountinfo", "utf8"), home)
  })

  test("says it to people", async () => {
    const { out, status } = await doctor(["--cache-dir", join(home, "cache")])
    assert.strictEqual(status, 0)
    assert.match(out, /^ok +node +Node /m)
    assert.include(out, join(home, "cache"))
  })

  test("ends with 1 and says what to do when the configuration or the cache cannot be used", async () => {
    const bad = await doctor(["--json", "--set", "cache.limit=much"])
    assert.strictEqual(bad.status, 1)
    assert.deepInclude(checksOf(bad.out).get("configuration"), { result: "fail" })
    assert.include(checksOf(bad.out).get("configuration")?.found, "cache.limit")
    assert.match(bad.err, /a mount will not work: configuration/)
    const full = await doctor(["--json", "--set", "cache.reserve=1PiB"])
    assert.strictEqual(full.status, 1)
    assert.deepInclude(checksOf(full.out).get("cache.space"), { result: "fail" })
  })

  test("misses fusermount3", async () => {
    const only = join(home, "bin")
    rmSync(only, { recursive: true, force: true })
    mkdirSync(only)
    symlinkSync(process.execPath, join(only, "node"))
    const { out } = await doctor(["--json"], only)
    const check = checksOf(out).get("fusermount3")
    // Root can do without.
    assert.include(["warn", "fail"], check?.result)
    assert.match(check?.advice ?? "", /package fuse3/)
    rmSync(only, { recursive: true })
  })
})

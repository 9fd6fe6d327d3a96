/** The command line as a process: what it prints, where, and what it ends with. Nothing here mounts. */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { resolveOutside } from "../../src/platform/MountTable.ts"

const program = join(import.meta.dirname, "../../src/main.ts")
let home: string

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "onemount-cli-"))
  mkdirSync(join(home, "run"), { mode: 0o700 })
})
afterAll(() => rmSync(home, { recursive: true }))

const onemount = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: "utf8",
    timeout: 20_000,
    env: { PATH: process.env["PATH"], HOME: home, XDG_RUNTIME_DIR: join(home, "run"), ...env }
  })
  return { status, stdout, stderr }
}

describe("help", () => {
  it("names every command and every exit status", () => {
    const { status, stdout, stderr } = onemount(["--help"])
    assert.strictEqual(status, 0)
    assert.strictEqual(stderr, "")
    for (const command of ["mount", "unmount", "status", "sync", "serve", "config", "events", "doctor"]) {
      assert.match(stdout, new RegExp(`^  ${command} `, "m"))
    }
    for (const code of [0, 1, 2, 3, 4, 5, 6, 7]) assert.match(stdout, new RegExp(`\\b${code} \\w`))
  })

  it("of a command shows its flags and examples", () => {
    const { stdout } = onemount(["mount", "--help"])
    for (const flag of ["--embedded", "--graph-url", "--token-file", "--cache-dir", "--foreground", "--daemon"]) {
      assert.include(stdout, flag)
    }
    assert.include(stdout, "EXAMPLES")
  })
})

describe("wrong calls", () => {
  const cases: ReadonlyArray<readonly [what: string, args: ReadonlyArray<string>, status: number, message: RegExp]> = [
    ["an unknown command", ["mont"], 2, /Unknown subcommand "mont"[\s\S]*mount/],
    ["an unknown flag", ["mount", "--embeded", "x", "/mnt"], 2, /--embeded[\s\S]*Try `onemount mount --help`/],
    ["a missing argument", ["mount"], 2, /MOUNTPOINT/],
    ["an empty argument", ["mount", "--embedded", "a", ""], 2, /MOUNTPOINT is empty/],
    ["two drives", ["mount", "--embedded", "a", "--graph-url", "http://x", "/mnt"], 2, /leave out --graph-url/],
    ["a sample without a drive", ["mount", "--sample", "--token-file", "x", "/mnt"], 2, /--sample needs --embedded/],
    ["here and there", ["mount", "--foreground", "--daemon", "--embedded", "a", "/mnt"], 2, /choose one/],
    ["no account", ["mount", "/mnt"], 5, /--token-file FILE/],
    ["a token file that is not there", ["mount", "--token-file", "/nonexistent/t", "/mnt"], 5, /\/nonexistent\/t/],
    [
      "an address that is none",
      ["mount", "--graph-url", "ftp://x", "--token-file", "x", "/mnt"],
      2,
      /--graph-url: graph\.url/
    ],
    [
      "a key that is none",
      ["mount", "--set", "cache.limt=1GiB", "--embedded", "a", "/mnt"],
      2,
      /did you mean `cache\.limit`/
    ],
    ["a value out of range", ["config", "--set", "upload.workers=99"], 2, /upload\.workers is "99".*from 1 to 16/],
    ["a configuration that is missing", ["config", "--config", "/nonexistent.toml"], 2, /cannot read/],
    ["no such mount", ["status", "/nonexistent"], 6, /nothing is mounted/],
    ["a path outside of mounts", ["sync", "/nonexistent"], 6, /nothing is mounted/],
    ["nothing to sync", ["sync"], 6, /nothing is mounted/],
    ["a timeout that is none", ["sync", "--timeout", "-1"], 2, /--timeout/],
    ["nothing to unmount", ["unmount", "/nonexistent"], 6, /nothing is mounted at \/nonexistent/],
    ["another filesystem to unmount", ["unmount", "/proc"], 6, /not a mount of onemount \(proc, type proc\)/],
    ["nothing to follow", ["events"], 6, /nothing is mounted/],
    ["a port that is none", ["serve", "--dir", "x", "--port", "70000"], 2, /from 0 to 65535/],
    ["a folder that is no drive", ["serve", "--dir", "/etc"], 7, /\/etc is not an embedded drive/]
  ]

  for (const [what, args, status, message] of cases) {
    it(what, () => {
      const end = onemount(args)
      assert.strictEqual(end.status, status, end.stderr)
      assert.strictEqual(end.stdout, "")
      assert.match(end.stderr, message)
      assert.match(end.stderr, /^onemount: /)
      assert.notInclude(end.stderr, "    at ", "a stack is not an explanation")
    })
  }

  it("a configuration file with a mistake is quoted by line", () => {
    mkdirSync(join(home, ".config/onemount"), { recursive: true })
    const file = join(home, ".config/onemount/config.toml")
    writeFileSync(file, '[cahce]\nlimit = "1GiB"\n')
    const { status, stderr } = onemount(["config"])
    rmSync(file)
    assert.strictEqual(status, 2)
    assert.include(stderr, `${file}:2: unknown key \`cahce.limit\`, did you mean \`cache.limit\`?`)
  })
})

describe("with nothing mounted", () => {
  it("status says so, as JSON too", () => {
    assert.deepStrictEqual(onemount(["status"]), { status: 0, stdout: "nothing is mounted\n", stderr: "" })
    assert.strictEqual(onemount(["status", "--json"]).stdout, "[]\n")
  })

  it("config shows every key with its source", () => {
    const { status, stdout } = onemount(["config", "--set", "sync.interval=10s"], { ONEMOUNT_CACHE_LIMIT: "2GiB" })
    assert.strictEqual(status, 0)
    assert.match(stdout, /^sync\.interval = 10s {3}\(--set sync\.interval\)$/m)
    assert.match(stdout, /^cache\.limit = 2GiB {3}\(ONEMOUNT_CACHE_LIMIT\)$/m)
    assert.match(stdout, /^log\.level = info {3}\(default\)$/m)
  })
})

describe("the launcher", () => {
  it("hands over to the vendored Node when started with an old one", () => {
    const old = spawnSync(
      "sh",
      ["-c", "PATH=$(echo $PATH | tr : '\\n' | grep -v node_modules | paste -sd:) command -v node"],
      {
        encoding: "utf8"
      }
    ).stdout.trim()
    const built = join(import.meta.dirname, "../../dist/main.js")
    const { status, stdout } = spawnSync(old === "" ? process.execPath : old, [built, "--version"], {
      encoding: "utf8"
    })
    assert.strictEqual(status, 0)
    assert.match(stdout, /^onemount v\d+\.\d+\.\d+\n$/)
  })
})

describe("resolveOutside", () => {
  it("follows links up to a mountpoint and looks at nothing below it", () => {
    mkdirSync(join(home, "real/mnt"), { recursive: true })
    symlinkSync("real", join(home, "link"))
    symlinkSync("loop", join(home, "loop"))
    const mountpoint = join(home, "real/mnt")
    assert.strictEqual(resolveOutside(join(home, "link/mnt/a/../b"), new Set([mountpoint])), join(mountpoint, "b"))
    assert.strictEqual(resolveOutside(join(home, "link/other"), new Set()), join(home, "real/other"))
    assert.strictEqual(resolveOutside(join(home, "loop/x"), new Set()), join(home, "loop/x"))
    assert.strictEqual(resolveOutside("/", new Set()), "/")
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { check } from "../../src/control/mountpoint.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "onemount-mountpoint-")))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

const attempt = (
  mountpoint: string,
  ownPaths: ReadonlyArray<{ path: string; what: string }> = [],
  runtime = "/nonexistent"
) => check({ env: { PATH: process.env["PATH"], XDG_RUNTIME_DIR: runtime }, mountpoint, ownPaths })

describe("a mountpoint", () => {
  it.live("that is an empty directory is returned without symbolic links", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      mkdirSync(join(base, "real"))
      symlinkSync("real", join(base, "link"))
      assert.strictEqual(yield* attempt(join(base, "link")), join(base, "real"))
    })
  )

  it.live("that does not exist says how to make it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(attempt("/nonexistent/OneDrive"))
      assert.strictEqual(error.reason, "Missing")
      assert.include(error.message, "mkdir -p /nonexistent/OneDrive")
    })
  )

  it.live("that is a file, or below one, is refused", () =>
    Effect.gen(function* () {
      const file = join(yield* temporary, "file")
      writeFileSync(file, "")
      assert.strictEqual((yield* Effect.flip(attempt(file))).reason, "NotDirectory")
      assert.strictEqual((yield* Effect.flip(attempt(join(file, "x")))).reason, "NotDirectory")
    })
  )

  it.live("that is not empty lists what is there", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      for (let i = 0; i < 8; i++) writeFileSync(join(base, `${i}.txt`), "")
      const error = yield* Effect.flip(attempt(base))
      assert.strictEqual(error.reason, "NotEmpty")
      assert.include(error.message, "(0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 3 more)")
    })
  )

  it.live("that carries another filesystem names it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(attempt("/proc"))
      assert.strictEqual(error.reason, "Mounted")
      assert.match(error.message, /\/proc is already mounted \(proc, type proc\)/)
    })
  )

  it.live("inside our own directories, or around them, is refused", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      const mountpoint = join(base, "mnt")
      mkdirSync(mountpoint)
      const around = [{ path: base, what: "cache directory" }]
      const inside = [{ path: join(mountpoint, "not/yet/there"), what: "folder of the embedded drive" }]
      assert.strictEqual((yield* Effect.flip(attempt(mountpoint, around))).reason, "Overlaps")
      assert.include((yield* Effect.flip(attempt(mountpoint, inside))).message, "folder of the embedded drive")
      assert.strictEqual(
        yield* attempt(mountpoint, [{ path: join(base, "mnt2"), what: "cache directory" }]),
        mountpoint
      )
    })
  )

  it.live("that holds the runtime directory is refused: the daemon would wait for itself", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      const error = yield* Effect.flip(attempt(base, [], base))
      assert.strictEqual(error.reason, "Overlaps")
      assert.include(error.message, `the runtime directory ${base}/onemount lies inside the mountpoint ${base}`)
      mkdirSync(join(base, "onemount/below"), { recursive: true })
      assert.strictEqual((yield* Effect.flip(attempt(join(base, "onemount"), [], base))).reason, "Overlaps")
      assert.strictEqual((yield* Effect.flip(attempt(join(base, "onemount/below"), [], base))).reason, "Overlaps")
    })
  )

  it.live("is recognised in every spelling", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      const mountpoint = join(base, "mnt")
      mkdirSync(mountpoint)
      symlinkSync("mnt", join(base, "link"))
      symlinkSync("mnt/later", join(base, "dangling"))
      const spellings = [`${mountpoint}/`, `${base}/link`, `${base}/link/`, `${base}/mnt/../mnt/.`, `${base}//mnt`]
      for (const spelling of spellings) {
        const inside = [{ path: join(base, "link/../mnt/token"), what: "token file" }]
        assert.strictEqual((yield* Effect.flip(attempt(spelling, inside))).reason, "Overlaps", spelling)
      }
      const dangling = yield* Effect.flip(attempt(mountpoint, [{ path: join(base, "dangling"), what: "log file" }]))
      assert.include(dangling.message, `the log file ${mountpoint}/later lies inside`)
    })
  )
})

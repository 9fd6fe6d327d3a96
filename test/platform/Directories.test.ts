import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makePrivateDirectory } from "../../src/platform/Directories.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-directories-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

describe("a private directory", () => {
  it.live("is made with what is missing above it, for the owner only", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      makePrivateDirectory(join(base, "a/b"))
      for (const path of ["a", "a/b"]) assert.strictEqual(statSync(join(base, path)).mode & 0o777, 0o700)
      mkdirSync(join(base, "open"))
      const before = statSync(join(base, "open")).mode
      makePrivateDirectory(join(base, "open"))
      assert.strictEqual(statSync(join(base, "open")).mode, before)
    })
  )

  it.live("is an error, and no endless loop, where none can be", () =>
    Effect.gen(function* () {
      const base = yield* temporary
      writeFileSync(join(base, "file"), "")
      assert.throws(() => makePrivateDirectory(join(base, "file")), /EEXIST/)
      assert.throws(() => makePrivateDirectory(join(base, "file/x")), /EEXIST/)
      assert.throws(() => makePrivateDirectory("/proc/onemount/x"), /ENOENT/)
    })
  )
})

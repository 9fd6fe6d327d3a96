import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DirectoryLocked, DirectoryUnusable, lock } from "../../src/platform/DirectoryLock.ts"
import { runScript } from "../../src/platform/Processes.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-lock-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

describe("directory lock", () => {
  it.live("one holder at a time, who is named to others", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lock(directory, "process 1, mounted at /a")
          const refused = yield* Effect.flip(Effect.scoped(lock(directory, "process 2, mounted at /b")))
          assert.instanceOf(refused, DirectoryLocked)
          assert.strictEqual(refused.message, `${directory} is in use by process 1, mounted at /a`)
        })
      )
      yield* Effect.scoped(lock(directory, "process 2, mounted at /b"))
    })
  )

  it.live("a directory that cannot be made is named with the reason", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(lock("/proc/onemount", "nobody")))
      assert.instanceOf(error, DirectoryUnusable)
      assert.match(error.message, /^\/proc\/onemount cannot be used \(ENOENT/)
    })
  )

  it.live("holds against another process and ends with the holder's death", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const module = join(import.meta.dirname, "../../src/platform/DirectoryLock.ts")
      const script = `
        const { Effect } = await import("effect")
        const { lock } = await import(${JSON.stringify(module)})
        const result = await Effect.runPromise(Effect.scoped(lock(process.argv[1], "child").pipe(
          Effect.as("taken"), Effect.catch((error) => Effect.succeed(error.message)),
          Effect.tap((text) => Effect.sync(() => {
            process.stdout.write(text, () => process.kill(process.pid, "SIGKILL"))
          })), Effect.andThen(Effect.never))))`
      const attempt = runScript(`(async () => {${script}})()`, [directory], { timeout: 20_000 })
      const during = yield* Effect.scoped(Effect.andThen(lock(directory, "parent"), attempt))
      assert.include(during.stdout, "is in use by parent")
      assert.strictEqual((yield* attempt).stdout, "taken")
      yield* Effect.scoped(lock(directory, "parent again"))
    })
  )
})

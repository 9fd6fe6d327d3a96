import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeSpareFiles } from "../../src/content/SpareFiles.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "onemount-spare-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true }))
)

const spares = (directory: string) => fs.readdirSync(join(directory, "spare"))

const untilMade = (directory: string, count: number): Effect.Effect<void> =>
  Effect.suspend(() =>
    spares(directory).length >= count ? Effect.void : Effect.andThen(Effect.sleep(5), untilMade(directory, count))
  )

describe("SpareFiles", () => {
  it.live("the first need starts the making, a later one finds a private empty file", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const directory = yield* temporaryFolder
        const { take } = yield* makeSpareFiles(directory)
        const [first, second] = [join(directory, "first"), join(directory, "second")]
        take(first)
        assert.isFalse(fs.existsSync(first), "there was none yet, whoever opens the path makes it")
        yield* Effect.timeout(untilMade(directory, 1_024), 20_000)
        take(second)
        const { size, mode } = fs.statSync(second)
        assert.deepStrictEqual([size, mode & 0o777], [0, 0o600])
        assert.strictEqual(spares(directory).length, 1_023)
      })
    )
  )

  it.live("takes over what an earlier run left, but only empty files", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const directory = yield* temporaryFolder
        const folder = join(directory, "spare")
        fs.mkdirSync(folder, { recursive: true })
        fs.writeFileSync(join(folder, "7"), "")
        fs.writeFileSync(join(folder, "8"), "somebody's")
        const { take } = yield* makeSpareFiles(directory)
        const taken = join(directory, "taken")
        take(taken)
        assert.strictEqual(fs.statSync(taken).size, 0)
        assert.strictEqual(fs.readFileSync(join(folder, "8"), "utf8"), "somebody's")
      })
    )
  )
})

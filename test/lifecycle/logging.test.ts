import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer } from "effect"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Config } from "../../src/config/Config.ts"
import { fromFlags } from "../../src/config/sources.ts"
import * as Logging from "../../src/lifecycle/logging.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-logging-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

const logging = (directory: string) =>
  Logging.layer.pipe(
    Layer.provideMerge(
      Config.layer({
        file: join(directory, "config.toml"),
        env: {},
        flags: fromFlags({ "log.file": join(directory, "logs/onemount.log") })
      })
    )
  )

const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /

describe("logging", () => {
  it.effect("writes one line per message, with level and annotations, from the level in force up", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      writeFileSync(join(directory, "config.toml"), '[log]\nlevel = "info"\n')
      yield* Effect.gen(function* () {
        yield* Effect.logDebug("not this")
        yield* Effect.annotateLogs(Effect.logInfo("sent"), { name: "a.txt" })
        writeFileSync(join(directory, "config.toml"), '[log]\nlevel = "debug"\n')
        yield* Effect.flatMap(Config, (config) => config.reload)
        yield* Effect.logDebug("but this")
        yield* Effect.logError("broken", Cause.fail(new Error("why")))
      }).pipe(Effect.provide(logging(directory)))
      const text = readFileSync(join(directory, "logs/onemount.log"), "utf8")
      const [first = "", second = "", third = ""] = text.split("\n")
      assert.match(first, stamp)
      assert.strictEqual(first.replace(stamp, ""), "INFO  sent name=a.txt")
      assert.strictEqual(second.replace(stamp, ""), "DEBUG but this")
      assert.match(third, /ERROR broken .*why/)
      assert.strictEqual(statSync(join(directory, "logs/onemount.log")).mode & 0o777, 0o600)
    })
  )
})

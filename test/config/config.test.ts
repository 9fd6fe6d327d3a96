import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, SubscriptionRef } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Config, type Sources } from "../../src/config/Config.ts"
import { decode } from "../../src/config/kinds.ts"
import { entries, variableOf } from "../../src/config/options.ts"
import { editDistance, nearestOf, resolve } from "../../src/config/resolve.ts"
import { fromEnvironment, fromFlags, fromToml } from "../../src/config/sources.ts"

const toml = (text: string) => Result.getOrThrow(fromToml("config.toml", text))
const problemsOf = (text: string): ReadonlyArray<string> =>
  Result.match(resolve(toml(text)), { onFailure: (error) => error.problems, onSuccess: () => [] })

const temporaryFile = Effect.acquireRelease(
  Effect.sync(() => join(mkdtempSync(join(tmpdir(), "onemount-config-")), "config.toml")),
  (file) => Effect.sync(() => rmSync(join(file, ".."), { recursive: true }))
)

const sources = (file: string): Sources => ({ file, env: {}, flags: [] })

describe("precedence", () => {
  it("flags win over the environment, the environment over the file, the file over defaults", () => {
    const settings = [
      ...toml('[cache]\nlimit = "1GiB"\nreserve = 0\n[upload]\nworkers = 2\n'),
      ...fromEnvironment({ ONEMOUNT_CACHE_LIMIT: "2GiB", ONEMOUNT_UPLOAD_WORKERS: "3", HOME: "/x" }),
      ...fromFlags({ "upload.workers": "4" })
    ]
    const { values, origins } = Result.getOrThrow(resolve(settings))
    assert.strictEqual(values.cache.reserve, 0)
    assert.strictEqual(values.cache.limit, 2 * 1024 ** 3)
    assert.strictEqual(values.upload.workers, 4)
    assert.strictEqual(values.download.workers, 4)
    assert.strictEqual(origins.get("cache.reserve"), "config.toml:3")
    assert.strictEqual(origins.get("cache.limit"), "ONEMOUNT_CACHE_LIMIT")
    assert.strictEqual(origins.get("upload.workers"), "--set upload.workers")
    assert.isUndefined(origins.get("download.workers"))
  })

  it("lists and paths read the same from every source", () => {
    const file = Result.getOrThrow(resolve(toml('[names]\nlocalOnly = ["*.tmp", "~$*"]\n'))).values
    const env = Result.getOrThrow(resolve(fromEnvironment({ ONEMOUNT_NAMES_LOCAL_ONLY: "*.tmp,~$*" }))).values
    assert.deepStrictEqual(file.names.localOnly, ["*.tmp", "~$*"])
    assert.deepStrictEqual(env.names, file.names)
  })
})

describe("refusals", () => {
  it("names the nearest key and the line", () => {
    assert.deepStrictEqual(problemsOf('\n[cahce]\nlimit = "1GiB"\n'), [
      "config.toml:3: unknown key `cahce.limit`, did you mean `cache.limit`?"
    ])
    assert.match(problemsOf("[mount]\nfile_mode = '644'\n")[0] ?? "", /did you mean `mount\.fileMode`\?/)
    assert.match(problemsOf("[weather]\nforecast = 1\n")[0] ?? "", /see `onemount config`/)
    assert.match(problemsOf("[names]\nlocalonly = ['x']\n[cache]\n")[0] ?? "", /did you mean `names\.localOnly`\?/)
    assert.deepStrictEqual(problemsOf("[cahce]\n[cache]\n[cache.limit]\n"), [
      "config.toml:1: unknown key `cahce`, did you mean `cache`?",
      "config.toml:3: cache.limit is {} and has to be a size from 64MiB to 1PiB, such as 10GiB"
    ])
  })

  it("names unknown variables with the nearest one", () => {
    const result = resolve(fromEnvironment({ ONEMOUNT_CACHE_LIMITS: "1GiB" }))
    assert.match(String(Result.isFailure(result) && result.failure.message), /did you mean `ONEMOUNT_CACHE_LIMIT`\?/)
  })

  it("names key, value and range of invalid values, all at once", () => {
    const problems = problemsOf('[upload]\nworkers = 17\n[cache]\nlimit = "lots"\n[sync]\ninterval = 30\n')
    assert.deepStrictEqual(problems, [
      "config.toml:2: upload.workers is 17 and has to be a whole number from 1 to 16",
      'config.toml:4: cache.limit is "lots" and has to be a size from 64MiB to 1PiB, such as 10GiB',
      "config.toml:6: sync.interval is 30 and has to be a time from 5s to 1d, such as 30s"
    ])
  })

  it("refuses budgets that contradict each other", () => {
    assert.match(problemsOf('[shutdown]\ntotal = "5s"\n')[0] ?? "", /shutdown\.total/)
  })

  it("says where TOML is not TOML", () => {
    const result = fromToml("config.toml", "[cache\nlimit = 1")
    assert.isTrue(Result.isFailure(result) && result.failure.reason === "Syntax")
    assert.match(String(Result.isFailure(result) && result.failure.message), /config\.toml is not valid TOML: .*line 1/)
  })
})

describe("the table", () => {
  it("accepts every default as it shows it", () => {
    for (const [key, option] of entries) {
      const shown = option.show(option.default)
      const value = decode(option, shown)
      assert.isTrue(value._tag === "Some" && JSON.stringify(value.value) === JSON.stringify(option.default), key)
    }
  })

  it("gives every key its own variable", () => {
    assert.strictEqual(variableOf("mount.fileMode"), "ONEMOUNT_MOUNT_FILE_MODE")
    assert.strictEqual(new Set(entries.map(([key]) => variableOf(key))).size, entries.length)
  })
})

describe("nearest match", () => {
  const Word = Schema.String.check(Schema.isMaxLength(12))

  it.prop("is a distance: zero only for equal words, the same both ways", [Word, Word], ([a, b]) => {
    assert.strictEqual(editDistance(a, b) === 0, a === b)
    assert.strictEqual(editDistance(a, b), editDistance(b, a))
    assert.isAtMost(editDistance(a, b), Math.max(a.length, b.length))
  })

  it("counts a swap of neighbours once and gives up on other words", () => {
    assert.strictEqual(editDistance("cahce", "cache"), 1)
    assert.isUndefined(nearestOf("completely.different", ["cache.limit", "log.level"]))
  })
})

describe("Config", () => {
  it.effect("a named file has to exist, the default one does not", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const missing = yield* Config.use((config) => config.current).pipe(
        Effect.provide(Config.layer(sources(file))),
        Effect.flip
      )
      assert.strictEqual(missing.reason, "Unreadable")
      const values = yield* Config.use((config) => config.current).pipe(
        Effect.provide(Config.layer({ file: undefined, env: { XDG_CONFIG_HOME: join(file, "..") }, flags: [] }))
      )
      assert.strictEqual(values.upload.workers, 5)
    })
  )

  it.effect("reload applies what can change, names the rest, and changes nothing on an error", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      writeFileSync(file, '[sync]\ninterval = "30s"\n')
      yield* Effect.gen(function* () {
        const config = yield* Config
        writeFileSync(file, '[shutdown]\ndrain = "2s"\n[upload]\nworkers = 9\n')
        assert.deepStrictEqual(yield* config.reload, { applied: ["shutdown.drain"], later: ["upload.workers"] })
        const values = yield* SubscriptionRef.get(config.values)
        assert.strictEqual(values.shutdown.drain, 2000)
        assert.strictEqual(values.upload.workers, 5)
        writeFileSync(file, '[sync]\ninterval = "1h"\nintervall = "1h"\n[shutdown]\ndrain = "3s"\n')
        assert.strictEqual((yield* Effect.flip(config.reload)).reason, "Invalid")
        assert.strictEqual((yield* config.current).shutdown.drain, 2000)
      }).pipe(Effect.provide(Config.layer(sources(file))))
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { commandLine, identity, isAlive, openFileLimit, run, runScript } from "../../src/platform/Processes.ts"

describe("run", () => {
  it.live("returns status and output", () =>
    Effect.gen(function* () {
      const done = yield* run("sh", ["-c", "echo out; echo err >&2; exit 3"], { timeout: 5000 })
      assert.deepStrictEqual(done, { code: 3, timedOut: false, stdout: "out\n", stderr: "err\n" })
    })
  )

  it.live("gives up on a command that does not end", () =>
    Effect.gen(function* () {
      assert.isTrue((yield* run("sleep", ["60"], { timeout: 50 })).timedOut)
    })
  )

  it.live("a command that does not exist has status 127", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run("/nonexistent/command", [], { timeout: 1000 })).code, 127)
    })
  )

  it.live("scripts get their arguments", () =>
    Effect.gen(function* () {
      const { stdout } = yield* runScript("process.stdout.write(process.argv[1])", ["--a b"], { timeout: 10_000 })
      assert.strictEqual(stdout, "--a b")
    })
  )
})

describe("openFileLimit", () => {
  it.live("is what the shell says that it inherits", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run("sh", ["-c", "ulimit -n"], { timeout: 5000 })
      assert.strictEqual(openFileLimit(), stdout === "unlimited\n" ? Infinity : Number(stdout))
    })
  )
})

describe("identity", () => {
  it("names a living process, not another one with its pid", () => {
    const own = identity(process.pid)
    assert.isDefined(own)
    assert.isTrue(own !== undefined && isAlive(own))
    assert.isFalse(isAlive({ pid: process.pid, startTime: "1" }))
    assert.isUndefined(identity(2 ** 22 + 1))
    assert.include(commandLine(process.pid), "vitest")
  })
})

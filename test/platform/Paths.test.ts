import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { userInfo } from "node:os"
import { join } from "node:path"
import * as Paths from "../../src/platform/Paths.ts"

describe("XDG directories", () => {
  it("follow the variables, below HOME without them", () => {
    const env = { HOME: "/home/me", XDG_CACHE_HOME: "/fast/cache" }
    assert.strictEqual(Paths.cacheDirectory(env), "/fast/cache/onemount")
    assert.strictEqual(Paths.configDirectory(env), "/home/me/.config/onemount")
  })

  it("ignore relative values, as the specification asks", () => {
    assert.strictEqual(Paths.configDirectory({ HOME: "/h", XDG_CONFIG_HOME: "relative" }), "/h/.config/onemount")
  })

  it("come from the user database when HOME is empty", () => {
    assert.strictEqual(Paths.home({ HOME: "" }), userInfo().homedir)
  })

  it.skipIf(process.getuid?.() !== 0)("have an answer for a user whom the user database does not know", () => {
    const script = `
      import(process.argv[1]).then((paths) => {
        process.setuid(4_000_000)
        console.log(paths.home({}), paths.runtimeDirectory({}))
      })`
    const module = join(import.meta.dirname, "../../src/platform/Paths.ts")
    const { stdout } = spawnSync(process.execPath, ["-e", script, "--", module], { encoding: "utf8" })
    assert.strictEqual(stdout, "/ /tmp/onemount-4000000\n")
  })

  it("the runtime directory has a private place in /tmp as its fallback", () => {
    assert.strictEqual(Paths.runtimeDirectory({ XDG_RUNTIME_DIR: "/run/user/1" }), "/run/user/1/onemount")
    assert.strictEqual(Paths.runtimeDirectory({}), `/tmp/onemount-${userInfo().uid}`)
  })
})

describe("isWithin", () => {
  it("compares whole names", () => {
    assert.isTrue(Paths.isWithin("/a", "/a"))
    assert.isTrue(Paths.isWithin("/a", "/a/b"))
    assert.isTrue(Paths.isWithin("/", "/a"))
    assert.isFalse(Paths.isWithin("/a", "/ab"))
    assert.isFalse(Paths.isWithin("/a/b", "/a"))
  })
})

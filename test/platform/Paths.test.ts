import { assert, describe, it } from "@effect/vitest"
import { userInfo } from "node:os"
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

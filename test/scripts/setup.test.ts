/** `npm start` and `npm test` set up what is missing, and nothing else. Needs what they install: run by them, it is there. */
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"

const scripts = join(import.meta.dirname, "../../scripts")

/** A checkout with the same scripts, whose builds only make their folders. */
let checkout: string

const put = (path: string, text: string) => {
  mkdirSync(join(checkout, path, ".."), { recursive: true })
  writeFileSync(join(checkout, path), text)
}

/** Everything in it was last changed so many seconds ago. */
const age = (seconds: number, ...paths: ReadonlyArray<string>) => {
  const time = (performance.timeOrigin + performance.now()) / 1000 - seconds
  for (const path of paths) utimesSync(join(checkout, path), time, time)
}

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "onemount-setup-"))
  const build = { "build:native": "mkdir -p native/build native/dist", "build:ts": "mkdir -p dist" }
  put("package.json", JSON.stringify({ name: "checkout", scripts: build }))
  put("package-lock.json", "{}")
  put("node_modules/.package-lock.json", "{}")
  for (const path of ["native/src/a.ts", "src/b.ts", "tsconfig.json", "tsconfig.build.json"]) put(path, "")
  mkdirSync(join(checkout, "scripts"))
  for (const name of ["setup.mjs", "start.mjs"]) copyFileSync(join(scripts, name), join(checkout, "scripts", name))
  age(60, "native/src/a.ts", "native/src", "native", "src/b.ts", "src", "package-lock.json")
})
afterEach(() => rmSync(checkout, { recursive: true }))

const setUp = () => {
  const script = `import(process.argv[1]).then(({ runMain, setup }) => runMain(setup))`
  const args = ["-e", script, "--", join(checkout, "scripts/setup.mjs")]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
  assert.strictEqual(status, 0, stderr)
  return [...stdout.matchAll(/^(\w.*) \.\.\. /gm)].map(([, step]) => step)
}

describe("setup", () => {
  it("builds once, and again what was changed since", () => {
    assert.deepStrictEqual(setUp(), ["Building the FUSE binding", "Building OneMount"])
    assert.deepStrictEqual(setUp(), [])
    put("native/src/a.ts", "changed")
    assert.deepStrictEqual(setUp(), ["Building the FUSE binding"])
    rmSync(join(checkout, "src/b.ts"))
    assert.deepStrictEqual(setUp(), ["Building OneMount"])
  })
})

describe("start", () => {
  it("explains a mountpoint that cannot be made", () => {
    setUp()
    put("file", "")
    const args = [join(checkout, "scripts/start.mjs"), join(checkout, "file/mnt")]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
    assert.strictEqual(status, 1)
    assert.match(stderr, /^The folder .*\/file\/mnt cannot be made: ENOTDIR.*npm start -- FOLDER\n$/)
  })
})

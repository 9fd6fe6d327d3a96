import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { assert, it } from "vitest"
import { start } from "./support.ts"

const actor = join(import.meta.dirname, "actors/forced-unmount.ts")
const allowed = spawnSync("unshare", ["-Urm", "true"]).status === 0

// Nothing of fusectl is to be seen there, and no privilege outside of it.
it.skipIf(!allowed)("a forced unmount in a user namespace leaves no thread behind", async () => {
  const { code, stderr, stdout } = await start("unshare", "-Urm", process.execPath, actor).finished
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual(JSON.parse(stdout), {
    outcome: "forced",
    reason: "force was asked for",
    aborted: true,
    threads: []
  })
})

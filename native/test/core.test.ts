import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, it } from "vitest"

const script = join(import.meta.dirname, "../scripts/test-core.mjs")

it("the C++ core passes its own tests", { timeout: 300_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [script])
  assert.include(stdout, "100% tests passed")
})

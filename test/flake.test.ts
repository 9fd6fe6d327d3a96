/** flake.nix is parsed by nix where nix is installed; building it needs nixpkgs from the network (docs/decisions/0006). */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"

const parse = spawnSync("nix-instantiate", ["--parse", join(import.meta.dirname, "../flake.nix")], { encoding: "utf8" })

it.skipIf(parse.error !== undefined)("flake.nix parses (skipped without nix-instantiate)", () => {
  assert.strictEqual(parse.status, 0, parse.stderr)
})

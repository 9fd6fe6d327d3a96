// Builds the addon into build/ and the TypeScript face into dist/. Needs no package besides node-api-headers and
// typescript. The C++ step is skipped while its sources are older than its result, and where there is no toolchain but a
// prebuilt addon.
import { existsSync, readdirSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { haveTools, prebuilt, requireTools, root, run } from "./toolchain.mjs"

const require = createRequire(import.meta.url)

const newest = (path) => {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

const addon = join(root, "build", "fuse_native.node")
const sources = ["CMakeLists.txt", "cpp"].map((path) => newest(join(root, path)))
if (!haveTools() && existsSync(prebuilt().path)) {
  console.log(`fuse-native: no toolchain, using ${prebuilt().path}`)
} else if (!existsSync(addon) || statSync(addon).mtimeMs < Math.max(...sources)) {
  requireTools({ fuse: true })
  console.log("fuse-native: compiling the addon")
  run("cmake", "-S", ".", "-B", "build", `-DNODE_API_INCLUDE=${require("node-api-headers").include_dir}`)
  run("cmake", "--build", "build", "--parallel", "2")
}

console.log("fuse-native: compiling the TypeScript face")
const manifest = require.resolve("typescript/package.json")
const { bin } = require(manifest)
run(process.execPath, join(dirname(manifest), bin.tsc), "-p", "tsconfig.json")

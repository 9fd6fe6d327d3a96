// `npm run prebuilt --workspace native [-- PACKAGE]`: makes prebuilds/linux-<arch>/ in this package or in a copy of it,
// which is what users need instead of a compiler. The addon with libfuse, libstdc++ and libgcc inside, stripped; what
// libfuse's licence asks for (LGPL-2.1, section 6); and proof that it needs nothing but the C library and loads on every
// Node there is here.
import { spawnSync } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { prebuilt, requireTools, root, run } from "./toolchain.mjs"

/** Parts of the C library. */
const allowed = /^(lib[cm]\.so\.6|ld-linux[-\w]*\.so\.\d)$/
const licence = "/usr/share/common-licenses/LGPL-2.1"
const copyright = "/usr/share/doc/libfuse3-dev/copyright"

const fail = (message) => {
  console.error(`fuse-native: ${message}`)
  process.exit(1)
}

requireTools({ fuse: true })
run(process.execPath, join(root, "scripts/build.mjs"))
for (const file of [licence, copyright]) if (!existsSync(file)) fail(`${file} is missing: use Debian or Ubuntu`)

const { folder, path } = prebuilt(process.argv[2] ?? root)
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
copyFileSync(join(root, "build/fuse_native.node"), path)
run("strip", "--strip-unneeded", path)

const needed = [...run("objdump", "-p", path).matchAll(/^\s+NEEDED\s+(\S+)$/gm)].map(([, name]) => name)
const others = needed.filter((name) => !allowed.test(name))
if (others.length > 0) fail(`the addon needs ${others.join(", ")}: install the static libfuse3.a (libfuse3-dev)`)
const versions = [...run("objdump", "-T", path).matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, , minor]) => Number(minor))
const libc = `2.${Math.max(...versions)}`

const sh = (script, ...args) => run("sh", "-ec", script, "sh", ...args)

// Whoever gets the addon may link it again with another libfuse: relink.sh does that with these objects, and is tried.
const work = mkdtempSync(join(tmpdir(), "fuse-native-relink-"))
mkdirSync(join(work, "build"))
sh('cp build/*.a "$1/build"; cp --parents -r build/CMakeFiles/fuse_native.dir/cpp cpp/libfuse.map "$1"', work)
sh('find "$1/build/CMakeFiles" ! -type d ! -name "*.o" -delete', work)
const link = readFileSync(join(root, "build/CMakeFiles/fuse_native.dir/link.txt"), "utf8").replaceAll(root, "..")
writeFileSync(join(work, "relink.sh"), `#!/bin/sh\nset -e\ncd "$(dirname "$0")/build"\n${link}`, { mode: 0o755 })
run("tar", "-czf", join(folder, "relink.tar.gz"), "-C", work, ".")
run(join(work, "relink.sh"))
const again = join(work, "build/fuse_native.node")

copyFileSync(licence, join(folder, "LGPL-2.1.txt"))
copyFileSync(copyright, join(folder, "libfuse-copyright.txt"))
const libfuse = run("pkg-config", "--modversion", "fuse3").trim()
writeFileSync(
  join(folder, "NOTICE.txt"),
  `fuse_native.node contains libfuse ${libfuse}, (C) its authors (libfuse-copyright.txt), under the GNU Lesser General
Public License 2.1 (LGPL-2.1.txt), unmodified. Its source is the Debian source package fuse3 of that version, which is that of
https://github.com/libfuse/libfuse/releases/tag/fuse-${libfuse}. relink.tar.gz has the objects of everything else and
relink.sh, which links them with libfuse3.a, so that you can use a modified one. The addon also contains libstdc++ and libgcc under the GCC Runtime Library Exception.
`
)

const nodes = [process.execPath, "node", "/usr/bin/node"]
const loaded = new Set()
for (const node of nodes) {
  const paths = [path, again].map((addon) => JSON.stringify(addon))
  const code = `for (const path of [${paths}]) require(path); console.log(process.version)`
  const { error, status, stderr, stdout } = spawnSync(node, ["-e", code], { encoding: "utf8" })
  if (error !== undefined) continue
  if (status !== 0) fail(`${node} does not load it:\n${stderr}`)
  loaded.add(stdout.trim())
}
rmSync(work, { recursive: true })
const size = Math.round(statSync(path).size / 1024)
console.log(`${path}: ${size} KiB, libfuse ${libfuse}, needs ${needed.join(" and ")} ${libc} or newer`)
console.log(`loads on Node ${[...loaded].join(", ")}`)

// Finding and running the C++ toolchain, with a clear word about what is missing.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = join(dirname(fileURLToPath(import.meta.url)), "..")

/** Where a prebuilt addon for this machine belongs in the package. */
export const prebuilt = (packageFolder = root) => {
  const folder = join(packageFolder, "prebuilds", `${process.platform}-${process.arch}`)
  return { folder, path: join(folder, "fuse_native.node") }
}

const packages = {
  cmake: "cmake",
  "a C++17 compiler": "g++ (Debian, Ubuntu), gcc-c++ (Fedora, openSUSE) or gcc (Arch)",
  "pkg-config": "pkg-config (Debian, Ubuntu), pkgconf (others)",
  "libfuse 3.14 or newer with headers": "libfuse3-dev (from Debian 12 and Ubuntu 24.04 on), fuse3-devel (Fedora, openSUSE) or fuse3 (Arch)"
}

const works = (command, ...args) => spawnSync(command, args, { stdio: "ignore" }).status === 0

const missingTools = ({ fuse }) => {
  const missing = []
  if (!works("cmake", "--version")) missing.push("cmake")
  const compilers = [process.env.CXX, "c++", "g++", "clang++"].filter(Boolean)
  if (!compilers.some((compiler) => works(compiler, "--version"))) missing.push("a C++17 compiler")
  if (fuse && !works("pkg-config", "--version")) missing.push("pkg-config")
  else if (fuse && !works("pkg-config", "--atleast-version=3.14", "fuse3")) {
    missing.push("libfuse 3.14 or newer with headers")
  }
  return missing
}

/** True when the addon can be compiled here. */
export const haveTools = () => missingTools({ fuse: true }).length === 0

/** Ends the process with a message when something is missing; libfuse is needed for the addon only. */
export const requireTools = (needs) => {
  const missing = missingTools(needs)
  if (missing.length === 0) return
  const lines = missing.map((what) => `  ${what}: install ${packages[what]}`)
  console.error(`fuse-native cannot be built, missing:\n${lines.join("\n")}`)
  process.exit(1)
}

/** Runs a step; its output is shown only when it fails. */
export const run = (command, ...args) => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { cwd: root, encoding: "utf8" })
  if (status === 0) return stdout
  console.error(`${command} ${args.join(" ")} failed\n${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}`)
  process.exit(1)
}

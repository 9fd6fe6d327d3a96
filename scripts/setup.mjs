// What a fresh machine lacks, step by step: system packages, npm packages, build outputs. No dependencies: runs before
// `npm ci`, on Node >= 18. Each step is said in one line; its output is shown only when it fails.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("..", import.meta.url))

/** A failure that is explained already: one line for the user, no stack. */
export class SetupError extends Error {}

export const say = (line) => process.stdout.write(`${line}\n`)

/** Runs `main` and turns failures into an exit status. */
export const runMain = (main) =>
  main().catch((error) => {
    process.stderr.write(error instanceof SetupError ? `${error.message}\n` : `${error.stack}\n`)
    process.exitCode = 1
  })

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

const quietly = (command, args) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
    child.on("error", (error) => resolve({ code: 127, output: error.message }))
    child.on("close", (code) => resolve({ code: code ?? 1, output }))
  })

/** One step: `title ... 1.2 s`, or its whole output and a SetupError. */
export const step = async (title, command, args) => {
  const since = performance.now()
  process.stdout.write(`${title} ... `)
  const { code, output } = await quietly(command, args)
  if (code === 0) return say(seconds(since))
  say(`failed after ${seconds(since)}`)
  process.stderr.write(output.endsWith("\n") ? output : `${output}\n`)
  throw new SetupError(`${title} failed: \`${[command, ...args].join(" ")}\` (exit status ${code})`)
}

// ── system packages ──

const has = (command) => spawnSync("sh", ["-c", `command -v ${command}`], { stdio: "ignore" }).status === 0
const hasLibrary = (name) => spawnSync("pkg-config", ["--exists", name], { stdio: "ignore" }).status === 0

const prebuilt = () => existsSync(join(root, `native/prebuilds/linux-${process.arch}/fuse_native.node`))

/** What the build and the mount need, and how to see that it is there; some are for the tests only. */
const needs = [
  { name: "fuse3", there: () => has("fusermount3") },
  ...[
    { name: "libfuse3", there: () => hasLibrary("fuse3") },
    { name: "cmake", there: () => has("cmake") },
    { name: "compiler", there: () => has("g++") },
    { name: "make", there: () => has("make") },
    { name: "pkg-config", there: () => has("pkg-config") }
  ].map(({ name, there }) => ({ name, there: () => there() || prebuilt() })),
  { name: "python3", there: () => has("python3"), forTests: true },
  { name: "git", there: () => has("git"), forTests: true }
]

const managers = [
  {
    command: "apt-get",
    install: ["apt-get", "install", "-y", "--no-install-recommends"],
    refresh: ["apt-get", "update"],
    packages: { fuse3: "fuse3", libfuse3: "libfuse3-dev", cmake: "cmake", compiler: "g++", make: "make" }
  },
  {
    command: "dnf",
    install: ["dnf", "install", "-y"],
    packages: { fuse3: "fuse3", libfuse3: "fuse3-devel", cmake: "cmake", compiler: "gcc-c++", make: "make" }
  },
  {
    command: "pacman",
    install: ["pacman", "-S", "--needed", "--noconfirm"],
    packages: {
      fuse3: "fuse3",
      libfuse3: "fuse3",
      cmake: "cmake",
      compiler: "gcc",
      make: "make",
      "pkg-config": "pkgconf",
      python3: "python"
    }
  },
  {
    command: "zypper",
    install: ["zypper", "--non-interactive", "install"],
    packages: { fuse3: "fuse3", libfuse3: "fuse3-devel", cmake: "cmake", compiler: "gcc-c++", make: "make" }
  }
]

const asRoot = () => {
  if (process.getuid?.() === 0) return []
  return spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0 ? ["sudo", "-n"] : undefined
}

const systemPackages = async (tests) => {
  const missing = needs.filter((need) => (tests || !need.forTests) && !need.there()).map((need) => need.name)
  if (missing.length === 0) return
  const manager = managers.find(({ command }) => has(command))
  if (manager === undefined) {
    throw new SetupError(
      `Missing: ${missing.join(", ")}. Install FUSE 3 with its headers, cmake, make, g++, pkg-config${tests ? ", Python 3 and git" : ""}.`
    )
  }
  const packages = [...new Set(missing.map((name) => manager.packages[name] ?? name))]
  const install = [...manager.install, ...packages]
  const prefix = asRoot()
  if (prefix === undefined) {
    const commands = [manager.refresh, install].filter((command) => command !== undefined)
    const line = commands.map((command) => `sudo ${command.join(" ")}`).join(" && ")
    throw new SetupError(`System packages are missing. Run this once, then start again:\n  ${line}`)
  }
  const elevated = (command) => {
    const [first, ...rest] = [...prefix, ...command]
    return [first, rest]
  }
  if (manager.refresh) await step("Refreshing the package lists", ...elevated(manager.refresh))
  await step(`Installing ${packages.join(", ")}`, ...elevated(install))
}

const fuseDevice = () => {
  if (existsSync("/dev/fuse")) return
  spawnSync("modprobe", ["fuse"], { stdio: "ignore" })
  if (existsSync("/dev/fuse")) return
  throw new SetupError(
    "There is no /dev/fuse: run `sudo modprobe fuse`; in a container start it with --device /dev/fuse --cap-add SYS_ADMIN."
  )
}

// ── npm packages and build outputs ──

const modified = (path) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Newest change below a folder, its own included so that deletions count, unless outputs come and go in it. */
const newest = (path, skip = []) => {
  const absolute = join(root, path)
  const stat = statSync(absolute, { throwIfNoEntry: false })
  if (stat === undefined) return 0
  if (!stat.isDirectory()) return stat.mtimeMs
  const names = readdirSync(absolute)
  const sources = names.filter((name) => !skip.includes(name))
  const own = sources.length === names.length ? stat.mtimeMs : 0
  return sources.reduce((latest, name) => Math.max(latest, newest(join(path, name), skip)), own)
}

const npmPackages = async () => {
  if (modified("node_modules/.package-lock.json") >= modified("package-lock.json")) return
  await step("Installing npm packages (npm ci)", "npm", ["ci", "--no-fund", "--no-audit"])
}

/** tsc leaves outputs alone that would not change, so their age says nothing; a stamp does. */
const builds = [
  {
    title: "Building the FUSE binding",
    script: "build:native",
    sources: ["native"],
    skip: ["build", "dist", "node_modules", "test", "examples", "prebuilds", "README.md"],
    output: "native/dist"
  },
  {
    title: "Building OneMount",
    script: "build:ts",
    sources: ["src", "tsconfig.json", "tsconfig.build.json"],
    skip: [],
    output: "dist"
  }
]

const stampOf = (build) => join("node_modules", ".cache", "onemount", `${build.script.replace(":", "-")}.built`)

const outputs = async () => {
  for (const build of builds) {
    const stamp = stampOf(build)
    const sources = Math.max(
      ...build.sources.map((source) => newest(source, build.skip)),
      modified("package-lock.json")
    )
    if (modified(build.output) > 0 && modified(stamp) > sources) continue
    const since = Date.now()
    await step(build.title, "npm", ["run", "--silent", build.script])
    touch(join(root, stamp), since)
  }
}

/** Dated back to the start of the build: a source saved while it ran is newer than the stamp. */
const touch = (path, time) => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, "")
  utimesSync(path, time / 1000, time / 1000)
}

/** Everything, in order, what the `tests` need besides; says nothing and takes a few milliseconds when nothing is to do. */
export const setup = async ({ tests = false } = {}) => {
  if (process.platform !== "linux") throw new SetupError("OneMount runs on Linux.")
  await systemPackages(tests)
  fuseDevice()
  await npmPackages()
  await outputs()
}

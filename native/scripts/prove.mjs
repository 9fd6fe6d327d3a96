// `npm run test:native [-- --ci]`: looks for what ordinary tests do not see. The core's tests under each sanitizer; a
// fuzzer over everything that parses bytes; storms through a real mount under AddressSanitizer (which finds leaks at the
// end) and ThreadSanitizer; the addon's mount tests under AddressSanitizer; a thousand mounts that may leave nothing
// behind. Before a sanitizer is believed it has to notice a mistake made on purpose (the canary). With --ci everything
// runs, but shorter.
import { spawn, spawnSync } from "node:child_process"
import { createRequire } from "node:module"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { requireTools, root, run } from "./toolchain.mjs"

const require = createRequire(import.meta.url)
const ci = process.argv.includes("--ci")
const stormSeconds = ci ? { address: 3, thread: 8 } : { address: 10, thread: 15 }
const mutants = ci ? 50_000 : 200_000
const seed = process.env["FUZZ_SEED"] ?? String(Math.floor(Math.random() * 2 ** 31))
const bin = join(root, "../node_modules/.bin")
const node = join(bin, "node")

const step = (what) => console.log(`fuse-native, ${Math.round(performance.now() / 1000)} s: ${what}`)
const fail = (what, output = "") => {
  console.error(`${what}\n${output}`)
  process.exit(1)
}

const build = (folder, ...options) => {
  step(`compiling ${folder}`)
  run("cmake", "-S", ".", "-B", folder, "-DCMAKE_BUILD_TYPE=Proof", ...options)
  run("cmake", "--build", folder, "--parallel", "2")
  return join(root, folder)
}

/** Ends everything unless the command fails with a sanitizer's words. */
const mustBite = (sanitizer, mistake, command, args, env = {}) => {
  const options = { encoding: "utf8", timeout: 60_000, env: { ...process.env, ...env } }
  const { error, status, stderr, stdout } = spawnSync(command, args, options)
  const words = /Sanitizer: |runtime error: /
  if (error === undefined && status !== 0 && words.test(stderr)) return
  fail(`the ${sanitizer} sanitizer did not notice a ${mistake}: its results mean nothing`, `${stdout}${stderr}`)
}

const core = (folder) => {
  step(`core tests, ${basename(folder)}`)
  console.log(run(join(folder, "core_tests")).trim().split("\n").at(-1))
}

const ended = (child) => new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)))

/** A server under a sanitizer, a client without it, and an orderly end. */
const storm = async (folder, sanitizer) => {
  const seconds = stormSeconds[sanitizer]
  step(`a storm of ${seconds} s through a mount, ${sanitizer} sanitizer`)
  const work = mkdtempSync(join(tmpdir(), "fuse-native-storm-"))
  const [mountpoint, bodies] = [join(work, "mnt"), join(work, "bodies")]
  mkdirSync(mountpoint)
  mkdirSync(bodies)
  const server = spawn(join(folder, "storm_server"), [mountpoint, bodies], { stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  const over = ended(server)
  const mounted = new Promise((resolve) => {
    server.stdout.on("data", (text) => (said += text) && said.includes("mounted") && resolve(true))
    void over.then(() => resolve(false))
  })
  server.stderr.on("data", (text) => (said += text))
  if (!(await mounted)) fail("the storm's server did not mount", said)
  const client = spawn(join(folder, "storm_client"), [mountpoint, String(seconds)], { stdio: "inherit" })
  // Whoever hangs here found a lost answer: killing the server lets the client go.
  const limit = setTimeout(() => server.kill("SIGKILL"), (seconds + 30) * 1000)
  const clientEnd = await ended(client)
  server.kill("SIGTERM")
  const serverEnd = await over
  clearTimeout(limit)
  spawnSync("umount", ["-l", mountpoint])
  rmSync(work, { recursive: true, force: true })
  if (clientEnd !== 0 || serverEnd !== 0) fail(`the storm: client ${clientEnd}, server ${serverEnd}`, said)
  console.log(said.trim().split("\n").at(-1))
}

const addressAddon = (folder) => {
  const libasan = spawnSync("c++", ["-print-file-name=libasan.so"], { encoding: "utf8" }).stdout.trim()
  const env = {
    LD_PRELOAD: libasan,
    ASAN_OPTIONS: "detect_leaks=0",
    FUSE_NATIVE_ADDON: join(folder, "fuse_native.node")
  }
  const load = `require(${JSON.stringify(join(folder, "canary_addon.node"))})`
  mustBite("address", "use after free inside node", node, ["-e", load], env)
  step("the addon's tests, address sanitizer")
  const vitest = [join(root, "../node_modules/vitest/vitest.mjs"), "run", "--root", join(root, ".."), "native/test"]
  const { status, stdout, stderr } = spawnSync(node, [...vitest, "--testTimeout=120000"], {
    encoding: "utf8",
    timeout: 600_000,
    env: { ...process.env, ...env, PATH: `${bin}:${process.env["PATH"]}` }
  })
  if (status !== 0 || /AddressSanitizer/.test(stderr))
    fail("the addon's tests under the address sanitizer", stdout + stderr)
  console.log(stdout.trim().split("\n").slice(-4).join("\n"))
}

requireTools({ fuse: true })
// Otherwise it is a unit test, native/test/core.test.ts.
if (!ci) core(build("build/core", "-DCORE_TESTS=ON", "-DCMAKE_BUILD_TYPE=Release"))

const headers = `-DNODE_API_INCLUDE=${require("node-api-headers").include_dir}`
const address = build("build/proof-address", "-DPROOF=ON", "-DSANITIZE=address,undefined", headers)
mustBite("address", "use after free", join(address, "canary"), ["use-after-free"])
mustBite("undefined", "signed overflow", join(address, "canary"), ["overflow"])
mustBite("leak", "leak", join(address, "canary"), ["leak"])
core(address)
step(`${mutants} mutants for the parsers, address and undefined sanitizers, FUZZ_SEED=${seed}`)
console.log(run(join(address, "fuzz"), join(root, "test/corpus"), String(mutants), seed).trim())
await storm(address, "address")
addressAddon(address)

const thread = build("build/proof-thread", "-DPROOF=ON", "-DSANITIZE=thread")
mustBite("thread", "race", join(thread, "canary"), ["race"])
core(thread)
await storm(thread, "thread")

step("mounts and unmounts that may leave nothing behind")
console.log(run(node, "--expose-gc", join(root, "scripts/leaks.mjs")).trim())
step("everything passed")

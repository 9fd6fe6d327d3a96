// `npm run test:native:leaks`: 1,000 mounts and unmounts in one process. After the first two hundred (caches, tables and
// pools are filled by then) the native heap in use, the resident memory that is left when free memory was given back,
// descriptors and threads may not grow. Resident memory without that says nothing: the allocator keeps an arena per
// thread, and each mount has threads of its own. A run that leaks on purpose has to fail first (the canary).
import { execFile } from "node:child_process"
import { createRequire } from "node:module"
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { MemoryFilesystem } from "../examples/memory-filesystem.ts"
import { requireTools, root, run } from "./toolchain.mjs"

const require = createRequire(import.meta.url)
const [warm, cycles] = [200, Number(process.argv[2] ?? 1000)]
/** Bytes a cycle. What V8 keeps about its own tables as they grow is below 200; the smallest object of ours with what
 * hangs on it is above 1000. */
const heapLimit = 512
/** KiB in all; V8 alone moves it by half of that. */
const residentLimit = 8 * 1024
const sh = promisify(execFile)

const probe = () => {
  requireTools({ fuse: true })
  run("cmake", "-S", ".", "-B", "build", `-DNODE_API_INCLUDE=${require("node-api-headers").include_dir}`)
  run("cmake", "--build", "build", "--target", "heap_probe")
  return require(join(root, "build/heap_probe.node"))
}
const { heapInUse, leak, trim } = probe()

const usage = async () => {
  // Native objects go in a turn of their own after the collection that found them.
  for (let round = 0; round < 5; round++) {
    globalThis.gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
  trim()
  const status = readFileSync("/proc/self/status", "utf8")
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1])
  const descriptors = readdirSync("/proc/self/fd").length
  return { heap: heapInUse(), resident: field("VmRSS"), threads: field("Threads"), descriptors }
}

const mountpoint = mkdtempSync(join(tmpdir(), "fuse-native-leaks-"))

const mounts = async (count, afterEach) => {
  for (let cycle = 1; cycle <= count; cycle++) {
    const filesystem = new MemoryFilesystem(mountpoint)
    if (cycle % 10 === 0) await sh("sh", ["-ec", `cd ${mountpoint}; echo x > a; mv a b; cat b; ls -l; rm b`])
    await filesystem.close()
    afterEach?.()
  }
}

const leaked = async (title, count, afterEach) => {
  const before = await usage()
  await mounts(count, afterEach)
  const after = await usage()
  const heap = (after.heap - before.heap) / count
  console.log(
    `${title}, ${count} cycles: ${Math.round(heap)} bytes of heap a cycle, resident ${before.resident} to ` +
      `${after.resident} KiB, threads ${before.threads} to ${after.threads}, descriptors ${before.descriptors} to ` +
      `${after.descriptors}`
  )
  if (heap > heapLimit) return true
  if (after.resident - before.resident > residentLimit) return true
  return after.threads > before.threads || after.descriptors > before.descriptors
}

await mounts(warm)
const noticed = await leaked("1 KiB lost on purpose", 100, leak)
const leaks = await leaked("mount and unmount", cycles - warm)
rmSync(mountpoint, { recursive: true })
if (!noticed) console.error("the check did not notice a leak made on purpose: its result means nothing")
if (leaks) console.error("something leaks")
if (leaks || !noticed) process.exitCode = 1

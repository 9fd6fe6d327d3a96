// `npm run test:native:leaks`: 1,000 mounts and unmounts in one process. Memory, descriptors and threads after the first
// hundred (caches, arenas and pools are filled by then) and at the end have to be the same; memory may grow by 16 MiB.
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { MemoryFilesystem } from "../examples/memory-filesystem.ts"

const [warm, cycles] = [100, Number(process.argv[2] ?? 1000)]
const growth = 16 * 1024
const sh = promisify(execFile)

const usage = async () => {
  // Native objects go in a turn of their own after the collection that found them.
  for (let round = 0; round < 3; round++) {
    globalThis.gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const status = readFileSync("/proc/self/status", "utf8")
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1])
  return { rss: field("VmRSS"), threads: field("Threads"), descriptors: readdirSync("/proc/self/fd").length }
}

const mountpoint = mkdtempSync(join(tmpdir(), "fuse-native-leaks-"))
let before
for (let cycle = 1; cycle <= cycles; cycle++) {
  const filesystem = new MemoryFilesystem(mountpoint)
  if (cycle % 10 === 0) await sh("sh", ["-ec", `cd ${mountpoint}; echo x > a; mv a b; cat b; ls -l; rm b`])
  await filesystem.close()
  if (cycle === warm) before = await usage()
}
const after = await usage()
rmSync(mountpoint, { recursive: true })
console.log(`after ${warm}: ${JSON.stringify(before)}, after ${cycles}: ${JSON.stringify(after)} (rss in KiB)`)
const leaked =
  after.rss - before.rss > growth || after.threads > before.threads || after.descriptors > before.descriptors
if (leaked) process.exitCode = 1

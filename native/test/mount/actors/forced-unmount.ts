/** Mounts, lets a reader wait for bytes that never come, unmounts by force and prints what is left of it all. */
import { readFileSync, readdirSync } from "node:fs"
import { FlatFilesystem, python } from "../support.ts"

/** Names of the binding's threads; one may end while it is looked at. */
const bindingThreads = (): ReadonlyArray<string> =>
  readdirSync("/proc/self/task").flatMap((id) => {
    try {
      const name = readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim()
      return name.startsWith("fuse-") ? [name] : []
    } catch {
      return []
    }
  })

const filesystem = new FlatFilesystem()
filesystem.add(1, { size: 1000 })
const reader = python(filesystem.mountpoint, "os.pread(os.open('f1', os.O_RDONLY), 10, 0)").catch(String)
await filesystem.signal.until(() => filesystem.of("fetch").length === 1)
const { outcome, reason } = await filesystem.session.unmount({ deadline: 0, force: true })
const read = await reader
await filesystem.close()
// The last instructions of a thread come after it was counted as ended.
const limit = performance.now() + 5000
while (bindingThreads().length > 0 && performance.now() < limit) await new Promise((resolve) => setImmediate(resolve))
console.log(JSON.stringify({ outcome, reason, aborted: /Errno 103/.test(read), threads: bindingThreads() }))

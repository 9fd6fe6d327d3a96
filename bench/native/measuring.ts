/** How bench/native.ts and bench/features.ts measure: the load generator, one run of it, cold caches, priority. */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { availableParallelism, setPriority } from "node:os"
import { output } from "../report.ts"
import { exec } from "../subjects.ts"
import { idle, type Mounted } from "./subjects.ts"
import type { Workload } from "./workloads.ts"

/** Nice values of everything here while it is measured, and as it was. */
export const measured = -10
export const usual = 0

export const lastCpu = String(availableParallelism() - 1)
export const allCpus = `0-${lastCpu}`

/** Runs the load generator with a workload, a directory and settings; what it prints. */
export type Load = (...args: ReadonlyArray<string>) => Promise<ReadonlyArray<number>>

export const loader =
  (program: string, signal: AbortSignal): Load =>
  async (...args) => {
    signal.throwIfAborted()
    const line = await output(spawn(program, args, { signal }), `load ${args.join(" ")}`)
    return line.trim().split(" ").map(Number)
  }

/** What else runs here gets a tenth of the time; children inherit it. Within a session, and of the session (sched(7)). */
export const prefer = async (nice: number): Promise<void> => {
  setPriority(nice)
  const group = "/proc/self/autogroup"
  if (existsSync(group)) await writeFile(group, String(nice))
}

/** Dentries and inodes of the kernel; those of the folder that is served are warmed again. */
export const dropCaches = async (load: Load, source: Mounted, subjects: ReadonlyArray<Mounted>): Promise<void> => {
  await exec("sync", [])
  await writeFile("/proc/sys/vm/drop_caches", "2")
  await load("walk", source.directory)
  await Promise.all(subjects.map(idle))
}

/** Operations per second. `tag` names what is made, `created` is how many files that are at most. */
export const measure = async (
  load: Load,
  workload: Pick<Workload, "load" | "pinned" | "makes">,
  subject: Mounted,
  tag: string,
  created: number
): Promise<number> => {
  const settings = [
    ...workload.load.slice(1),
    `tag=${tag}`,
    ...(workload.pinned === true ? [`cpu=${lastCpu}`, `server=${subject.pid}`] : [])
  ]
  const [operations, seconds] = await load(workload.load[0]!, subject.directory, ...settings)
  if (workload.makes === true) await load("remove", subject.directory, `tag=${tag}`, `files=${created}`)
  return operations! / seconds!
}

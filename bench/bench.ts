/**
 * Compares, in one run, this mount with ext4 and with libfuse's passthrough_ll example (compiled from the system's
 * libfuse3-dev) on the same files with the same driver. Prints ratios: absolute numbers of a shared machine mean little.
 *
 * Model: the subjects take turns, so that a machine whose speed drifts drifts for all of them; the median counts. What
 * the mount does after a change (sending it to the embedded drive, in the same process) is waited for before the next
 * measurement, so that it slows down neither its own reads nor its peers; while files are written it goes on and counts.
 *
 *     npm run bench [-- --quick] [-- --json]
 */
import { spawn } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { bench, interrupted, options } from "./command.ts"
import { median, output, type Row } from "./report.ts"
import { exec, ext4, onemount, passthrough, requirements, type Subject } from "./subjects.ts"
import { type Workload, workloadsOf } from "./workloads.ts"

const files = options.quick ? 1_000 : 10_000
const newFiles = options.quick ? 300 : 1_000
const repeats = options.quick ? 3 : 5

const drive = async (driver: string, args: ReadonlyArray<string>): Promise<string> => {
  interrupted.throwIfAborted()
  return output(spawn(driver, args, { signal: interrupted }), driver)
}

const dropCaches = async () => {
  await exec("sync", [])
  await writeFile("/proc/sys/vm/drop_caches", "3")
}

/** Operations per second. */
const measure = async (driver: string, subject: Subject, workload: Workload, round = 0): Promise<number> => {
  if (workload.cache === "cold") await dropCaches()
  const line = await drive(driver, [workload.driver, subject.directory, String(workload.count), String(round)])
  if (workload.cache === "none") await subject.settle()
  const [operations, seconds] = line.trim().split(" ").map(Number)
  return operations! / seconds!
}

const compare = async (driver: string, subjects: ReadonlyArray<Subject>, workload: Workload): Promise<Array<Row>> => {
  const samples = subjects.map((): Array<number> => [])
  if (workload.cache === "warm") for (const subject of subjects) await measure(driver, subject, workload)
  for (let i = 0; i < repeats; i++) {
    for (const [at, subject] of subjects.entries()) samples[at]!.push(await measure(driver, subject, workload, i))
  }
  const [local, peer, ours] = samples.map(median) as [number, number, number]
  const label = `${workload.name} (${workload.unit})`
  const { goals } = workload
  return [
    { name: `${label} / passthrough_ll`, ours, peer, ratio: ours / peer, goal: goals.passthrough },
    { name: `${label} / ext4`, ours, peer: local, ratio: ours / local, goal: goals.ext4 }
  ]
}

const run = async (root: string, subjects: Array<Subject>): Promise<Array<Row>> => {
  const driver = join(root, "driver")
  await exec("cc", ["-O2", "-o", driver, join(import.meta.dirname, "driver.c")])
  // One by one: what was started is stopped also when the next one does not start.
  for (const make of [ext4, passthrough, onemount]) {
    interrupted.throwIfAborted()
    subjects.push(await make(root))
  }
  for (const subject of subjects) await drive(driver, ["prepare", subject.directory, String(files), "0"])
  for (const subject of subjects) await subject.settle()
  const rows: Array<Row> = []
  for (const workload of workloadsOf(files, newFiles)) rows.push(...(await compare(driver, subjects, workload)))
  return rows
}

const main = async () => {
  requirements()
  const subjects: Array<Subject> = []
  const stop = async () => {
    for (const subject of subjects.toReversed()) await subject.stop()
  }
  await bench((root) => run(root, subjects), stop)
}

await main()

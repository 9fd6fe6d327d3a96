/**
 * The embedded drive's scale: making a generated drive, its memory, and serving it from end to end in delta pages.
 * `npm run bench:drive [-- --quick] [--json]`: a million items, or 100,000 with --quick. The drive runs in a process of
 * its own. Every figure is printed twice: by that process's processor time, which other work on the machine changes
 * little, and by the wall clock, which means something on an idle machine only. "below goal" marks what fails.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { printTable, type Row } from "./report.ts"

const quick = process.argv.includes("--quick")
const items = quick ? 100_000 : 1_000_000
const pages = quick ? 50 : 300

const main = join(import.meta.dirname, "../src/main.ts")

const statusOf = (pid: number, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0)

/** Seconds of processor time of all threads (proc(5): utime and stime, in ticks of 10 ms). */
const processorTime = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ")
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const serve = (dir: string): Promise<{ readonly url: string; readonly pid: number; readonly stop: () => void }> =>
  new Promise((resolve, reject) => {
    const args = [main, "serve", "--dir", dir, "--generate", String(items)]
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
    child.on("exit", (code) => reject(new Error(`serve ended with ${code}`)))
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const url = /listening (http:\S+)/.exec(chunk)?.[1]
      if (url !== undefined && child.pid !== undefined) resolve({ url, pid: child.pid, stop: () => child.kill() })
    })
  })

interface Page {
  readonly value: ReadonlyArray<unknown>
  readonly "@odata.nextLink"?: string
}

const enumerate = async (url: string, token: string): Promise<number> => {
  let next: string | undefined = `${url}/v1.0/me/drive/root/delta?$top=1000`
  let listed = 0
  for (let page = 0; page < pages && next !== undefined; page++) {
    const reply: Response = await fetch(next, { headers: { authorization: `Bearer ${token}` } })
    const body = (await reply.json()) as Page
    listed += body.value.length
    next = body["@odata.nextLink"]
  }
  return listed
}

const row = (name: string, ours: number, peer: number, ratio: number): Row => ({ name, ours, peer, ratio, goal: 1 })

const dir = mkdtempSync(join(tmpdir(), "onemount-bench-drive-"))
try {
  const started = performance.now()
  const drive = await serve(dir)
  const seconds = (performance.now() - started) / 1000
  const token = readFileSync(join(dir, "token"), "utf8").trim()
  const peak = statusOf(drive.pid, "VmHWM") / 1024
  const making = processorTime(drive.pid)
  await enumerate(drive.url, token)
  const [before, begun] = [processorTime(drive.pid), performance.now()]
  const listed = await enumerate(drive.url, token)
  const speed = listed / (processorTime(drive.pid) - before)
  // The client parses what it gets on a core of its own or on ours: its time counts too.
  const wallSpeed = listed / ((performance.now() - begun) / 1000)
  drive.stop()
  const limit = (120 * items) / 1_000_000
  const rows = [
    row(`make ${items} items and listen, processor s (limit)`, making, limit, limit / making),
    row(`make ${items} items and listen, wall s (limit)`, seconds, limit, limit / seconds),
    row("peak memory, MiB (limit)", peak, 1536, 1536 / peak),
    row("delta items per processor second (goal)", speed, 20_000, speed / 20_000),
    row("delta items per wall second, with its client (goal)", wallSpeed, 20_000, wallSpeed / 20_000)
  ]
  printTable(rows)
  if (process.argv.includes("--json")) console.log(JSON.stringify({ rows }))
} finally {
  rmSync(dir, { recursive: true, force: true })
}

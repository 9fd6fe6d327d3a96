/**
 * Compares, in one run, this mount with ext4 and with libfuse's passthrough_ll example (compiled from the system's
 * libfuse3-dev) on the same files with the same driver. Prints ratios: absolute numbers of a shared machine mean little.
 *
 *     npm run bench [-- --quick] [-- --json]
 */
import { spawn, type ChildProcess } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { median, output, printTable, type Row } from "./report.ts"

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } }
})

const files = options.quick ? 2_000 : 10_000
const repeats = options.quick ? 3 : 5
const example = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"

interface Workload {
  readonly name: string
  readonly driver: string
  readonly count: number
  /** Drop the kernel's dentries, inodes and pages before each run. */
  readonly cold: boolean
  readonly unit: string
  /** Ratio expected against passthrough_ll and against ext4 (see docs/decisions for where they come from). */
  readonly goals: { readonly passthrough: number; readonly ext4: number }
}

const workloads: ReadonlyArray<Workload> = [
  {
    name: "stat cold",
    driver: "stat",
    count: files,
    cold: true,
    unit: "files/s",
    goals: { passthrough: 0.5, ext4: 0.02 }
  },
  {
    name: "stat warm",
    driver: "stat",
    count: files,
    cold: false,
    unit: "files/s",
    goals: { passthrough: 0.9, ext4: 0.7 }
  },
  {
    name: "find cold",
    driver: "find",
    count: files,
    cold: true,
    unit: "entries/s",
    goals: { passthrough: 0.9, ext4: 0.05 }
  },
  {
    name: "find warm",
    driver: "find",
    count: files,
    cold: false,
    unit: "entries/s",
    goals: { passthrough: 0.9, ext4: 0.1 }
  },
  {
    name: "absent warm",
    driver: "absent",
    count: files,
    cold: false,
    unit: "names/s",
    goals: { passthrough: 5, ext4: 0.7 }
  },
  {
    name: "open+read+close",
    driver: "open",
    count: files,
    cold: false,
    unit: "files/s",
    goals: { passthrough: 0.5, ext4: 0.02 }
  },
  {
    name: "sequential read, cached",
    driver: "seqread",
    count: files,
    cold: false,
    unit: "MiB/s",
    goals: { passthrough: 0.9, ext4: 0.2 }
  },
  {
    name: "random 4 KiB reads, cached",
    driver: "randread",
    count: 20_000,
    cold: false,
    unit: "reads/s",
    goals: { passthrough: 0.9, ext4: 0.7 }
  },
  {
    name: "create+write 4 KiB+close",
    driver: "create",
    count: 1_000,
    cold: false,
    unit: "files/s",
    goals: { passthrough: 0.3, ext4: 0.03 }
  },
  {
    name: "sequential write",
    driver: "seqwrite",
    count: files,
    cold: false,
    unit: "MiB/s",
    goals: { passthrough: 0.7, ext4: 0.15 }
  }
]

const exec = (command: string, args: ReadonlyArray<string>): Promise<string> => output(spawn(command, args), command)

const dropCaches = async () => {
  await exec("sync", [])
  await writeFile("/proc/sys/vm/drop_caches", "3")
}

/** A filesystem under test: a directory to work in and how to end it. */
interface Subject {
  readonly name: string
  readonly directory: string
  stop(): Promise<void>
}

const untilLine = (child: ChildProcess, line: RegExp): Promise<void> =>
  new Promise((resolve, reject) => {
    let text = ""
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      if (line.test(text)) resolve()
    })
    child.on("close", (code) => reject(new Error(`ended with ${code} before ${line}`)))
  })

const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.on("close", () => resolve()))

const ext4 = async (root: string): Promise<Subject> => {
  const directory = join(root, "ext4")
  await mkdir(directory)
  return { name: "ext4", directory, stop: async () => undefined }
}

const passthrough = async (root: string): Promise<Subject> => {
  const binary = join(root, "passthrough_ll")
  const flags = (await exec("pkg-config", ["--cflags", "--libs", "fuse3"])).trim().split(/\s+/)
  await exec("cc", ["-O2", "-w", "-D_FILE_OFFSET_BITS=64", "-o", binary, example, ...flags])
  const [source, directory] = [join(root, "ll-source"), join(root, "ll")]
  await mkdir(source)
  await mkdir(directory)
  const child = spawn(binary, ["-f", "-o", `source=${source},cache=always,timeout=86400`, directory], {
    stdio: "inherit"
  })
  while (!(await exec("cat", ["/proc/self/mountinfo"])).includes(` ${directory} `)) await exec("sleep", ["0.05"])
  return {
    name: "passthrough_ll",
    directory,
    stop: async () => {
      const end = ended(child)
      await exec("umount", [directory])
      await end
    }
  }
}

const onemount = async (root: string): Promise<Subject> => {
  const directory = join(root, "onemount")
  await mkdir(directory)
  const program = join(import.meta.dirname, "../dist/main.js")
  const child = spawn(
    process.execPath,
    [program, "mount", "--embedded", join(root, "drive"), "--cache-dir", join(root, "cache"), directory],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, XDG_RUNTIME_DIR: join(root, "run") } }
  )
  await untilLine(child, /^mounted /m)
  return {
    name: "onemount",
    directory,
    stop: async () => {
      const end = ended(child)
      child.kill("SIGTERM")
      await end
    }
  }
}

const measure = async (driver: string, subject: Subject, workload: Workload): Promise<number> => {
  if (workload.driver === "create") await exec("sh", ["-c", `rm -f ${subject.directory}/d*/new*`])
  if (workload.driver === "seqwrite") await exec("rm", ["-f", join(subject.directory, "written.bin")])
  if (workload.cold) await dropCaches()
  const [operations, seconds] = (await exec(driver, [workload.driver, subject.directory, String(workload.count)]))
    .trim()
    .split(" ")
    .map(Number)
  return operations! / seconds!
}

const main = async () => {
  if (!existsSync(example)) throw new Error(`${example} is missing: install libfuse3-dev`)
  const root = await mkdtemp(join(tmpdir(), "onemount-bench-"))
  const subjects: Array<Subject> = []
  try {
    const driver = join(root, "driver")
    await exec("cc", ["-O2", "-o", driver, join(import.meta.dirname, "driver.c")])
    subjects.push(await ext4(root), await passthrough(root), await onemount(root))
    for (const subject of subjects) await exec(driver, ["prepare", subject.directory, String(files)])

    const rows: Array<Row> = []
    for (const workload of workloads) {
      const samples = new Map(subjects.map((subject) => [subject.name, [] as Array<number>]))
      if (!workload.cold) for (const subject of subjects) await measure(driver, subject, workload)
      // In turn, so that a machine whose speed drifts drifts for all of them.
      for (let i = 0; i < repeats; i++) {
        for (const subject of subjects) samples.get(subject.name)!.push(await measure(driver, subject, workload))
      }
      const [local, peer, ours] = subjects.map((subject) => median(samples.get(subject.name)!)) as [
        number,
        number,
        number
      ]
      const label = `${workload.name} (${workload.unit})`
      rows.push({ name: `${label} / passthrough_ll`, ours, peer, ratio: ours / peer, goal: workload.goals.passthrough })
      rows.push({ name: `${label} / ext4`, ours, peer: local, ratio: ours / local, goal: workload.goals.ext4 })
    }
    printTable(rows)
    if (options.json) console.log(JSON.stringify({ rows }))
  } finally {
    for (const subject of subjects.toReversed()) await subject.stop()
    await rm(root, { recursive: true, force: true })
  }
}

await main()

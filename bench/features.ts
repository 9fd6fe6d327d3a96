/**
 * Compares each feature's usual setting with the other one, on the workload that the feature is for. A ratio above 1
 * speaks for the usual setting; native/README.md has the decisions.
 *
 * Model: as bench/native.ts, whose server and load generator are used. The usual mount and one that differs in a single
 * option serve the same folder and take turns; the median of the rounds counts. Assumes root (dropping caches).
 *
 *     npm run bench:features [-- --quick] [-- --json]
 */
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { bench, interrupted, options } from "./command.ts"
import { dropCaches, type Load, loader, measure, measured, prefer, usual } from "./native/measuring.ts"
import * as peers from "./native/peers.ts"
import { type Kind, local, type Mounted, ours } from "./native/subjects.ts"
import { type Toggle, togglesOf } from "./native/toggles.ts"
import { median, type Row } from "./report.ts"

const sizes = options.quick
  ? { rounds: 5, ms: 30, files: 2_000, mib: 16 }
  : { rounds: 11, ms: 150, files: 10_000, mib: 128 }

interface Field {
  readonly folder: string
  readonly source: Mounted
  readonly load: Load
  /** The usual mounts, made when they are needed. */
  readonly usual: Map<Kind, Mounted>
}

const usualMount = async ({ folder, source, usual }: Field, kind: Kind): Promise<Mounted> => {
  const subject = usual.get(kind) ?? (await ours(kind, source.directory, folder))
  usual.set(kind, subject)
  return subject
}

const compare = async (field: Field, toggle: Toggle, number: number): Promise<Array<Row>> => {
  const { goal, kind, workload } = toggle
  const name = `${workload.name} / ${toggle.name}`
  const chosen = await usualMount(field, kind)
  const refusal = kind === "passthrough" ? await chosen.say("passthrough") : ""
  if (refusal !== "") {
    console.log(`${name}: absent: ${refusal}`)
    return []
  }
  const other = await ours(kind, field.source.directory, field.folder, toggle.other, `other ${number}`)
  try {
    const samples = { chosen: [] as Array<number>, other: [] as Array<number> }
    for (let round = 0; round < sizes.rounds; round++) {
      if (workload.cold === true) await dropCaches(field.load, field.source, [chosen, other])
      const turns = [
        { subject: chosen, rates: samples.chosen },
        { subject: other, rates: samples.other }
      ]
      // Each begins every other round, so that nobody always comes second.
      for (const { rates, subject } of round % 2 === 0 ? turns : turns.toReversed()) {
        rates.push(await measure(field.load, workload, subject, `${number}-${round}-`, 0))
      }
    }
    const [own, peer] = [median(samples.chosen), median(samples.other)]
    return [{ name, ours: own, peer, ratio: own / peer, goal }]
  } finally {
    await other.stop()
  }
}

const run = async (folder: string, mounts: Map<Kind, Mounted>): Promise<Array<Row>> => {
  const load = loader(await peers.load(folder), interrupted)
  const source = join(folder, "source")
  await mkdir(source)
  await load("prepare", source, `files=${sizes.files}`, `mib=${sizes.mib}`)
  const field = { folder, source: local(source), load, usual: mounts }
  const rows: Array<Row> = []
  for (const [number, toggle] of togglesOf(sizes.ms, sizes.mib).entries()) {
    rows.push(...(await compare(field, toggle, number)))
  }
  return rows
}

const main = async () => {
  if (process.getuid?.() !== 0) throw new Error("dropping the kernel's caches for cold runs needs root")
  const mounts = new Map<Kind, Mounted>()
  const stop = async () => {
    await Promise.all([...mounts.values()].map((mount) => mount.stop()))
    await prefer(usual)
  }
  await prefer(measured)
  await bench((folder) => run(folder, mounts), stop)
}

await main()

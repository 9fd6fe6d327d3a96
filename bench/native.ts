/**
 * Compares the binding, in one run and on the same files, with libfuse's passthrough_ll and passthrough_hp, npm's
 * fuse-native and ext4; and the product's `create` with its journal. Prints ratios: absolute numbers of a shared machine
 * mean little.
 *
 * Model: one folder on ext4, served by every server at once in mounts of the same kind (native/subjects.ts), used by one
 * load generator (native/load.cpp). The servers take turns within each round, so that a machine whose speed drifts drifts
 * for all of them; the median of the rounds counts. Where it is about the cost of a request, server and load share one
 * processor, because waking another one costs more than the request, and the time is that processor's time for the two,
 * which leaves out what else runs there. That two servers did the same work is shown by the
 * kernel's own count of requests. Assumes root (dropping caches, tracefs) and, for the peers, Debian and the network once.
 *
 *     npm run bench:native [-- --quick] [-- --json]
 */
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { bench, interrupted, options } from "./command.ts"
import {
  allCpus,
  dropCaches,
  lastCpu,
  type Load,
  loader,
  measure,
  measured,
  prefer,
  usual
} from "./native/measuring.ts"
import * as peers from "./native/peers.ts"
import { product, type Product } from "./native/product.ts"
import { counter, type Counter } from "./native/requests.ts"
import { stallRow } from "./native/stall.ts"
import { fuseNative, local, type Mounted, ours, passthroughHp, passthroughLl, pin } from "./native/subjects.ts"
import { type Key, type Workload, workloadsOf } from "./native/workloads.ts"
import { median, type Row } from "./report.ts"
import { exec, requirements } from "./subjects.ts"

const sizes = options.quick
  ? { rounds: 5, ms: 40, files: 4_000, mib: 64, created: 100 }
  : { rounds: 7, ms: 200, files: 20_000, mib: 256, created: 500 }
/** Descriptors that an example needs besides one for each inode. */
const spareDescriptors = 200

/** Everything that is mounted, and why some of it is not. */
interface Field {
  readonly subjects: Map<Key, Mounted>
  readonly absent: Map<Key, string>
  readonly counter: Counter | undefined
  readonly load: Load
}

/** Requests of an operation by name, largest first. */
const countRequests = async (field: Field, workload: Workload, key: Key): Promise<string | undefined> => {
  const subject = field.subjects.get(key)
  if (subject === undefined || field.counter === undefined) return undefined
  let operations = 0
  const counts = await field.counter.during(subject.directory, async () => {
    const load = workload.load.map((setting) => (setting.startsWith("ms=") ? "ms=20" : setting))
    const [done] = await field.load(load[0]!, subject.directory, ...load.slice(1).filter((s) => s !== "warm=1"))
    operations = done!
  })
  const each = [...counts].map(([name, count]) => [name, count / operations] as const).filter(([, n]) => n > 0.02)
  const total = each.reduce((sum, [, n]) => sum + n, 0)
  const list = each.toSorted(([, a], [, b]) => b - a).map(([name, n]) => `${n.toFixed(2)} ${name}`)
  return `${key} ${total.toFixed(2)} (${list.join(", ")})`
}

const compare = async (field: Field, workload: Workload): Promise<Array<Row>> => {
  const refusal = field.absent.get(workload.ours)
  if (refusal !== undefined) {
    console.log(`${workload.name}: absent: ${refusal}`)
    return []
  }
  const keys = [workload.ours, ...workload.comparisons.flatMap(({ peers }) => peers)]
  const present = [...new Set(keys)].filter((key) => field.subjects.has(key))
  const samples = new Map(present.map((key) => [key, [] as Array<number>]))
  if (workload.pinned === true) for (const key of present) await pin(field.subjects.get(key)!, lastCpu)
  for (let round = 0; round < sizes.rounds; round++) {
    if (workload.cold === true) await dropCaches(field.load, field.subjects.get("ext4")!, [...field.subjects.values()])
    // Every round begins with another one, so that nobody always has the same predecessor.
    for (let turn = 0; turn < present.length; turn++) {
      const key = present[(round + turn) % present.length]!
      samples.get(key)!.push(await measure(field.load, workload, field.subjects.get(key)!, `${round}-`, sizes.created))
    }
  }
  if (workload.counted === true && field.counter !== undefined) {
    const counted: Array<string> = []
    for (const key of present) counted.push((await countRequests(field, workload, key))!)
    console.log(`requests an operation, ${workload.name}: ${counted.join("; ")}`)
  }
  if (workload.pinned === true) for (const key of present) await pin(field.subjects.get(key)!, allCpus)
  const own = median(samples.get(workload.ours)!)
  return workload.comparisons.flatMap(({ goal, label, peers }): Array<Row> => {
    const name = `${workload.name} / ${label}`
    const rates = peers.flatMap((key) => (samples.has(key) ? [median(samples.get(key)!)] : []))
    if (rates.length > 0) return [{ name, ours: own, peer: Math.max(...rates), ratio: own / Math.max(...rates), goal }]
    console.log(`${name}: absent: ${peers.map((key) => field.absent.get(key)).join(", ")}`)
    return []
  })
}

/** Create, write and close with the journal; the peer makes the same files. */
const createRow = async (field: Field, drive: Product): Promise<Array<Row>> => {
  const peer = field.subjects.get("ll cached")
  if (peer === undefined) return []
  const samples = { ours: [] as Array<number>, peer: [] as Array<number> }
  await field.load("prepare", drive.directory, "files=0", "mib=0")
  await drive.settle()
  for (let round = 0; round < sizes.rounds; round++) {
    const settings = [`files=${sizes.created}`, `tag=${round}-`]
    const [made, seconds] = await field.load("create", drive.directory, ...settings)
    samples.ours.push(made! / seconds!)
    await drive.settle()
    const [peerMade, peerSeconds] = await field.load("create", peer.directory, ...settings)
    samples.peer.push(peerMade! / peerSeconds!)
    await field.load("remove", peer.directory, ...settings)
  }
  const [own, other] = [median(samples.ours), median(samples.peer)]
  const name = "create+write 4 KiB+close with the journal / passthrough_ll"
  return [{ name, ours: own, peer: other, ratio: own / other, goal: 0.75 }]
}

const mountAll = async (field: Field, source: string, folder: string): Promise<void> => {
  field.subjects.set("ext4", local(source))
  const add = async (key: Key, make: Promise<Mounted>) => {
    try {
      field.subjects.set(key, await make)
    } catch (cause) {
      if (key.startsWith("ours")) throw cause
      field.absent.set(key, String(cause))
    }
  }
  const [ll, hp, npm] = await Promise.all([peers.passthroughLl(), peers.passthroughHp(), peers.fuseNative()])
  const kinds = ["cached", "uncached", "direct", "javascript"] as const
  const made = await Promise.allSettled([
    add("hp", passthroughHp(hp, source, folder)),
    ...[...kinds, "passthrough" as const].map((kind) => add(`ours ${kind}`, ours(kind, source, folder))),
    add("ours writeback", ours("cached", source, folder, { features: { writebackCache: true } }, "ours writeback")),
    ...kinds.map((kind) => add(`ll ${kind}`, passthroughLl(ll, kind, source, folder))),
    ...(["cached", "uncached"] as const).map((kind) =>
      add(`fuse-native ${kind}`, fuseNative(npm, kind, source, folder))
    )
  ])
  for (const result of made) if (result.status === "rejected") throw result.reason
  interrupted.throwIfAborted()
  const refusal = await field.subjects.get("ours passthrough")!.say("passthrough")
  if (refusal !== "") field.absent.set("ours passthrough", refusal)
}

const run = async (folder: string, field: Field, started: Array<() => Promise<void>>): Promise<Array<Row>> => {
  const source = join(folder, "source")
  await mkdir(source)
  const limit = Number((await exec("sh", ["-c", "ulimit -H -n"])).trim())
  // passthrough_* keep a descriptor for each inode that the kernel knows.
  const files = Number.isNaN(limit) ? sizes.files : Math.min(sizes.files, limit - spareDescriptors)
  if (files < sizes.files) console.log(`${files} files instead of ${sizes.files}: descriptors are limited to ${limit}`)
  await field.load("prepare", source, `files=${files}`, `mib=${sizes.mib}`)
  await mountAll(field, source, folder)
  const rows: Array<Row> = []
  for (const workload of workloadsOf(sizes.ms, sizes.mib)) rows.push(...(await compare(field, workload)))
  rows.push(await stallRow(sizes.rounds, field.subjects.get("ours uncached")!, field.load, sizes.ms * 4))
  const drive = await product(folder)
  started.push(drive.stop)
  rows.push(...(await createRow(field, drive)))
  return rows
}

const main = async () => {
  requirements()
  const started: Array<() => Promise<void>> = []
  const subjects = new Map<Key, Mounted>()
  const measureAll = async (folder: string) => {
    const program = await peers.load(folder)
    const counting = await counter(folder)
    if (counting !== undefined) started.push(counting.stop)
    else console.log("requests are not counted: tracefs has no fuse_request_send here")
    const load = loader(program, interrupted)
    return run(folder, { subjects, absent: new Map(), counter: counting, load }, started)
  }
  const stop = async () => {
    await Promise.all([...subjects.values()].map((subject) => subject.stop()))
    for (const end of started.toReversed()) await end()
    await prefer(usual)
  }
  await prefer(measured)
  await bench(measureAll, stop)
}

await main()

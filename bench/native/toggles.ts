/** Each feature of the binding by the workload it is for: what is mounted otherwise than usual, and what is run on both. */
import type { MountOptions } from "@onemount/fuse-native"
import type { Kind } from "./subjects.ts"
import type { Workload } from "./workloads.ts"

export interface Toggle {
  /** What the other mount has otherwise. */
  readonly name: string
  readonly kind: Kind
  readonly other: Partial<MountOptions>
  readonly workload: Pick<Workload, "name" | "load" | "pinned" | "makes" | "cold">
  /** Least ratio of the usual setting to the other one that speaks for it; 0 where speed does not decide. */
  readonly goal: number
}

/** The usual setting may be this much slower before it is the wrong one: a shared machine measures no better. */
const tolerance = 0.9

const sequentialWrite = (mib: number, kib: number) => ({
  name: `sequential write, ${kib} KiB`,
  load: ["seqwrite", `mib=${mib}`, `block=${kib * 1024}`],
  makes: true
})

/** `ms`: how long a timed run lasts; `mib`: size of what is written. */
export const togglesOf = (ms: number, mib: number): ReadonlyArray<Toggle> => {
  const read = { name: "sequential read, cold", load: ["seqread"] }
  const walk = { name: "walk and stat, cold kernel", load: ["walk"], cold: true }
  const absent = (threads: number, files: number) => ({
    name: `absent names, ${threads} thread${threads === 1 ? "" : "s"}`,
    load: ["absent", `ms=${ms}`, `threads=${threads}`, `files=${files}`]
  })
  const lookups = (threads: number) => ({
    name: `lookup, uncached, ${threads} threads`,
    load: ["lookup", `ms=${ms}`, `threads=${threads}`, "files=100", "warm=1"]
  })
  const toggles: ReadonlyArray<Omit<Toggle, "goal"> & { readonly goal?: number }> = [
    // Not chosen for speed: the kernel would overrule sizes and times.
    ...[4, 128].map((kib) => ({
      name: "writebackCache on",
      kind: "cached" as const,
      other: { features: { writebackCache: true } },
      workload: sequentialWrite(mib, kib),
      goal: 0
    })),
    ...[4, 128].map((kib) => ({
      name: "killPrivileges off",
      kind: "cached" as const,
      other: { features: { killPrivileges: false } },
      workload: sequentialWrite(mib, kib)
    })),
    {
      name: "killPrivileges off",
      kind: "passthrough",
      other: { features: { killPrivileges: false } },
      workload: { ...sequentialWrite(mib, 128), name: "sequential write, 128 KiB, passthrough" }
    },
    {
      name: "spliceRead on",
      kind: "cached",
      other: { features: { spliceRead: true } },
      workload: sequentialWrite(mib, 1024)
    },
    {
      name: "largeRequests off",
      kind: "cached",
      other: { features: { largeRequests: false } },
      workload: sequentialWrite(mib, 1024)
    },
    { name: "largeRequests off", kind: "cached", other: { features: { largeRequests: false } }, workload: read },
    { name: "asyncRead off", kind: "cached", other: { features: { asyncRead: false } }, workload: read },
    { name: "maxBackground 12", kind: "cached", other: { maxBackground: 12 }, workload: read },
    // Nor are these: on two processors fewer threads are no slower, but one that copies a file would hold up the others.
    ...[1, 2].flatMap((threads) =>
      [
        { kind: "cached" as const, workload: read },
        { kind: "uncached" as const, workload: lookups(4) }
      ].map((where) => ({ name: `threads ${threads}`, other: { threads }, ...where, goal: 0 }))
    ),
    { name: "readdirPlus off", kind: "cached", other: { features: { readdirPlus: false } }, workload: walk },
    {
      name: "noOpendir off",
      kind: "cached",
      other: { features: { noOpendir: false } },
      workload: { name: "walk, kernel-cached", load: ["walk"] }
    },
    {
      name: "parallelDirectoryOperations off",
      kind: "uncached",
      other: { features: { parallelDirectoryOperations: false } },
      workload: absent(4, 100)
    },
    {
      name: "negativeEntries off",
      kind: "cached",
      other: { features: { negativeEntries: false } },
      workload: absent(1, 100)
    }
  ]
  return toggles.map((toggle) => ({ goal: tolerance, ...toggle }))
}

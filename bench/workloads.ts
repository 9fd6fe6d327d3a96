/** What is measured, and the ratios expected of this version: the ones that data and caches in the kernel allow. */

export interface Workload {
  readonly name: string
  /** Of driver.c. */
  readonly driver: string
  readonly count: number
  /** The kernel's dentries, inodes and pages are dropped before each run; otherwise an untimed run warms them. */
  readonly cache: "cold" | "warm" | "none"
  readonly unit: string
  /**
   * Ratio expected against passthrough_ll and ext4. Warm metadata and pages are the kernel's (0.7 to 1 of ext4); what
   * has to enter JavaScript reaches half to two thirds of a C server's rate at one request at a time.
   */
  readonly goals: { readonly passthrough: number; readonly ext4: number }
}

export const workloadsOf = (files: number, newFiles: number): ReadonlyArray<Workload> => [
  {
    name: "stat cold",
    driver: "stat",
    count: files,
    cache: "cold",
    unit: "files/s",
    goals: { passthrough: 0.5, ext4: 0.03 }
  },
  {
    name: "stat warm",
    driver: "stat",
    count: files,
    cache: "warm",
    unit: "files/s",
    goals: { passthrough: 0.9, ext4: 0.7 }
  },
  {
    name: "find cold",
    driver: "find",
    count: files,
    cache: "cold",
    unit: "entries/s",
    goals: { passthrough: 1, ext4: 0.3 }
  },
  {
    name: "find warm",
    driver: "find",
    count: files,
    cache: "warm",
    unit: "entries/s",
    goals: { passthrough: 1, ext4: 0.7 }
  },
  {
    name: "absent warm",
    driver: "absent",
    count: files,
    cache: "warm",
    unit: "names/s",
    goals: { passthrough: 10, ext4: 0.7 }
  },
  {
    name: "open+read+close",
    driver: "open",
    count: files,
    cache: "warm",
    unit: "files/s",
    goals: { passthrough: 0.65, ext4: 0.04 }
  },
  {
    name: "sequential read, cached",
    driver: "seqread",
    count: files,
    cache: "warm",
    unit: "MiB/s",
    goals: { passthrough: 0.9, ext4: 0.25 }
  },
  {
    name: "random 4 KiB reads, cached",
    driver: "randread",
    count: 20_000,
    cache: "warm",
    unit: "reads/s",
    goals: { passthrough: 0.9, ext4: 0.8 }
  },
  {
    name: "create+write 4 KiB+close",
    driver: "create",
    count: newFiles,
    cache: "none",
    unit: "files/s",
    goals: { passthrough: 0.65, ext4: 0.08 }
  },
  {
    name: "sequential write",
    driver: "seqwrite",
    count: files,
    cache: "none",
    unit: "MiB/s",
    goals: { passthrough: 0.9, ext4: 0.25 }
  }
]

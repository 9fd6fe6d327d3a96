/** The lines of "speed it must reach" as workloads: what is run, on which mounts, and the ratio each has to reach. */

/** A mount by server and kind; see subjects.ts. `hp` is always cached. */
export type Key =
  | "ext4"
  | "hp"
  | "ours cached"
  | "ours uncached"
  | "ours direct"
  | "ours javascript"
  | "ours passthrough"
  | "ours writeback"
  | "ll cached"
  | "ll uncached"
  | "ll direct"
  | "ll javascript"
  | "fuse-native cached"
  | "fuse-native uncached"

export interface Comparison {
  /** The best of them counts; those that are absent are left out. */
  readonly peers: ReadonlyArray<Key>
  readonly label: string
  /** 0 for what is shown without a goal. */
  readonly goal: number
}

export interface Workload {
  readonly name: string
  /** Of load.cpp, and its settings. */
  readonly load: ReadonlyArray<string>
  readonly ours: Key
  readonly comparisons: ReadonlyArray<Comparison>
  /** Load and server share one processor: the cost of the work, without what waking an idle processor costs. */
  readonly pinned?: boolean
  /** Kernel's dentries and inodes are dropped before each run, and ext4's own warmed again. */
  readonly cold?: boolean
  /** Makes files that are removed after each run. */
  readonly makes?: boolean
  /** Equal work is proved by counting the kernel's requests on each mount. */
  readonly counted?: boolean
}

const best = (...peers: ReadonlyArray<Key>): Comparison => ({ peers, label: "best of passthrough_ll, _hp", goal: 0.95 })
const ext4: Comparison = { peers: ["ext4"], label: "ext4", goal: 0 }
const ll = (peer: Key, goal: number): Comparison => ({ peers: [peer], label: "passthrough_ll", goal })
const hp = (goal: number): Comparison => ({ peers: ["hp"], label: "passthrough_hp", goal })
const npm = (peer: Key, goal: number): Comparison => ({ peers: [peer], label: "fuse-native", goal })

const cached = (ms: number): ReadonlyArray<Workload> => [
  {
    name: "stat, kernel-cached",
    load: ["stat", `ms=${ms}`, "warm=1"],
    ours: "ours cached",
    comparisons: [best("ll cached", "hp"), ext4]
  },
  {
    name: "walk, kernel-cached",
    load: ["walk"],
    ours: "ours cached",
    comparisons: [best("ll cached", "hp"), ext4]
  },
  {
    name: "repeated read, kernel-cached",
    load: ["reread", `ms=${ms}`],
    ours: "ours cached",
    comparisons: [best("ll cached", "hp"), ext4]
  }
]

const uncached = (ms: number): ReadonlyArray<Workload> =>
  [
    { what: "stat", load: "stat" },
    { what: "lookup", load: "lookup" },
    { what: "open+read+close", load: "openread" }
  ].flatMap(({ load, what }) =>
    [1, 4].map((threads) => ({
      name: `${what}, uncached, ${threads} thread${threads === 1 ? "" : "s"}, one CPU`,
      // Few files: passthrough_ll searches a list of all that it knows.
      load: [load, `ms=${ms}`, `threads=${threads}`, "files=100", "warm=1"],
      ours: "ours uncached" as const,
      comparisons: [ll("ll uncached", 1.2), npm("fuse-native uncached", 2)],
      pinned: true,
      counted: true
    }))
  )

const javascript = (ms: number): ReadonlyArray<Workload> =>
  [true, false].flatMap((pinned) =>
    [
      { threads: 16, goal: 0.8 },
      { threads: 1, goal: 0.6 }
    ].map(({ goal, threads }) => ({
      name: `answered by JavaScript, ${threads} in flight${pinned ? ", one CPU" : ""}`,
      load: ["fstat", `ms=${ms}`, `threads=${threads}`],
      ours: "ours javascript" as const,
      comparisons: [ll("ll javascript", goal)],
      pinned,
      counted: true
    }))
  )

const data = (ms: number, mib: number): ReadonlyArray<Workload> => [
  {
    name: "sequential read, cold",
    load: ["seqread"],
    ours: "ours cached",
    comparisons: [hp(0.95)]
  },
  {
    name: "random 4 KiB reads, direct, one CPU",
    load: ["randread", `ms=${ms}`],
    ours: "ours direct",
    comparisons: [ll("ll direct", 1)],
    pinned: true,
    counted: true
  },
  // passthrough_hp has the writeback cache; ours without it is shown beside, because that is the product's setting.
  ...[128, 4].flatMap((block) =>
    [
      { name: "writeback", ours: "ours writeback" as const, goal: 0.95 },
      { name: "written through", ours: "ours cached" as const, goal: 0 }
    ].map(({ goal, name, ours }) => ({
      name: `sequential write of ${block} KiB, ${name}`,
      load: ["seqwrite", `mib=${mib}`, `block=${block * 1024}`],
      ours,
      comparisons: [hp(goal)],
      makes: true
    }))
  )
]

/** Files of at least 256 KiB that the kernel reads and writes itself. */
const passthrough = (ms: number, mib: number): ReadonlyArray<Workload> =>
  [
    { name: "sequential read", load: ["seqread", "forget=0"] },
    { name: "warm read", load: ["reread", `ms=${ms}`] },
    { name: "sequential write", load: ["seqwrite", `mib=${mib}`], makes: true }
  ].map((workload) => ({
    ...workload,
    name: `${workload.name}, passthrough`,
    ours: "ours passthrough",
    comparisons: [{ peers: ["ext4"], label: "ext4", goal: 0.85 }]
  }))

/** `ms`: how long a timed run lasts; `mib`: size of what is written. */
export const workloadsOf = (ms: number, mib: number): ReadonlyArray<Workload> => [
  ...cached(ms),
  ...uncached(ms),
  ...javascript(ms),
  {
    name: "walk and stat, cold kernel",
    load: ["walk"],
    ours: "ours cached",
    comparisons: [hp(1.5), npm("fuse-native cached", 8)],
    cold: true
  },
  ...data(ms, mib),
  ...passthrough(ms, mib)
]

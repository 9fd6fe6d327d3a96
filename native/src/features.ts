/** Features by number (cpp/core/feature.h has the same table), and what a session uses unless told otherwise. */

/** Those a mount can switch: name to default. README.md has the measurements behind the defaults. */
const switches = {
  /** Listings bring attributes, when the kernel thinks that they are wanted. */
  readdirPlus: true,
  /** The kernel collects small writes. It then overrules sizes and times of live inodes: only for who can live with it. */
  writebackCache: false,
  /** Several lookups and listings of one directory at a time. */
  parallelDirectoryOperations: true,
  /** Read-ahead in the background. */
  asyncRead: true,
  asyncDirectIo: true,
  /** Requests through a pipe instead of a copy. */
  spliceRead: false,
  /** Up to 1 MiB per read or write instead of 128 KiB. */
  largeRequests: true,
  /** The kernel remembers absent names. */
  negativeEntries: true,
  /** Directories are not opened, so listings stay cached. */
  noOpendir: true,
  /** `expire` keeps a dentry that is in use. */
  expire: true,
  /** `bumpEpoch`. */
  epoch: true,
  /**
   * Writes are not preceded by a question for `security.capability` (FUSE_HANDLE_KILLPRIV_V2, Linux 5.12). The kernel then
   * leaves it to the filesystem to take set-user-ID, set-group-ID and capabilities from a file that is written, truncated
   * or given to another owner. Switch it on when no file ever has them: strip S_ISUID and S_ISGID of files in the replies
   * to `create`, `mknod` and `setattr` and wherever else attributes go out.
   */
  killPrivileges: false
} as const satisfies Record<string, boolean>

/** Detected and reported only. */
const reported = ["noOpen", "cloneFd", "passthrough"] as const

export type FeatureSwitch = keyof typeof switches
export type Feature = FeatureSwitch | (typeof reported)[number]
export type FeatureSwitches = { readonly [Name in FeatureSwitch]?: boolean }

export interface FeatureState {
  /** Kernel and libfuse have it. */
  readonly offered: boolean
  /** This session uses it. */
  readonly active: boolean
}
export type Features = Readonly<Record<Feature, FeatureState>>

export const featureSwitches = Object.keys(switches) as ReadonlyArray<FeatureSwitch>
const names: ReadonlyArray<Feature> = [...featureSwitches, ...reported]

export const maskOf = (chosen: FeatureSwitches): number =>
  featureSwitches.reduce((mask, name, bit) => ((chosen[name] ?? switches[name]) ? mask | (1 << bit) : mask), 0)

/** From `offered + active * 2^32`. */
export const featuresOf = (masks: number): Features => {
  const offered = masks % 2 ** 32
  const active = Math.floor(masks / 2 ** 32)
  const state = (bit: number): FeatureState => ({
    offered: (offered & (1 << bit)) !== 0,
    active: (active & (1 << bit)) !== 0
  })
  return Object.fromEntries(names.map((name, bit) => [name, state(bit)])) as Record<Feature, FeatureState>
}

/**
 * Every configuration key with its default, range and meaning, in one table: what validation, `onemount config` and
 * the documentation are made from. The key `section.name` is spelt so in the file ([section], name = ...), as
 * ONEMOUNT_SECTION_NAME in the environment, and as `--set section.name=value` on the command line.
 */
import { Schema } from "effect"
import * as Kind from "./kinds.ts"

const minute = 60_000
const MiB = 1024 * 1024
const GiB = 1024 * MiB

const restart = { reload: false } as const
const live = { reload: true } as const

/** The table: section, name, option. */
export const options = {
  graph: {
    url: Kind.text({
      default: "https://graph.microsoft.com/v1.0",
      schema: Schema.String.check(Schema.isPattern(/^https?:\/\/[^\s]+$/)),
      expected: "an http or https address",
      doc: "Root of the Graph API.",
      ...restart
    }),
    tokenFile: Kind.path({
      default: "",
      doc: "File with the bearer token, read again when it changes. Empty: none, see --token-file.",
      ...restart
    }),
    timeout: Kind.duration({
      default: 30_000,
      minimum: 1000,
      maximum: 10 * minute,
      doc: "Longest silence of the server during one request; then the request is repeated.",
      ...restart
    })
  },
  sync: {
    interval: Kind.duration({
      default: 30_000,
      minimum: 5000,
      maximum: 24 * 60 * minute,
      doc: "Time between two polls for changes at the server.",
      ...live
    })
  },
  upload: {
    window: Kind.duration({
      default: 1000,
      minimum: 0,
      maximum: 10 * minute,
      doc: "Quiet time after the last close of a file before it is sent; bursts of saves become one upload.",
      ...restart
    }),
    wait: Kind.duration({
      default: 10_000,
      minimum: 0,
      maximum: 60 * minute,
      doc: "Longest time a file that is saved again and again is held back.",
      ...restart
    }),
    workers: Kind.integer({ default: 5, minimum: 1, maximum: 16, doc: "Uploads at a time.", ...restart })
  },
  download: {
    workers: Kind.integer({ default: 4, minimum: 1, maximum: 64, doc: "Downloads at a time.", ...restart })
  },
  cache: {
    directory: Kind.path({
      default: "",
      doc: "Where metadata and file contents are kept. Empty: a folder per drive under $XDG_CACHE_HOME/onemount.",
      ...restart
    }),
    limit: Kind.size({
      default: 20 * GiB,
      minimum: 64 * MiB,
      maximum: 1024 * 1024 * GiB,
      doc: "Disk space for file contents; the least recently used are dropped first, never unsent changes.",
      ...restart
    }),
    reserve: Kind.size({
      default: GiB,
      minimum: 0,
      maximum: 1024 * 1024 * GiB,
      doc: "Disk space left free for others; writes get ENOSPC beyond it.",
      ...restart
    })
  },
  mount: {
    fileMode: Kind.mode({
      default: 0o644,
      doc: "Permissions of files that were neither made nor chmod-ed here.",
      ...restart
    }),
    directoryMode: Kind.mode({
      default: 0o755,
      doc: "Permissions of folders that were neither made nor chmod-ed here.",
      ...restart
    }),
    uid: Kind.owner({ doc: "Owner of everything in the mount. -1: who mounts.", ...restart }),
    gid: Kind.owner({ doc: "Group of everything in the mount. -1: the group of who mounts.", ...restart }),
    allowOther: Kind.flag({
      default: false,
      doc: "Other users may use the mount (needs user_allow_other in /etc/fuse.conf unless mounted by root).",
      ...restart
    }),
    passthrough: Kind.choice({
      default: "auto",
      values: ["auto", "off"],
      doc:
        "Whether the kernel may read and write files that are wholly here by itself, at the speed of the disk below " +
        "(Linux 6.9, mounted by root). auto: where it can.",
      ...restart
    }),
    timeout: Kind.duration({
      default: 60_000,
      minimum: 1000,
      maximum: 10 * minute,
      doc: "Limit for the whole start of a mount.",
      ...restart
    }),
    requestTimeout: Kind.duration({
      default: 60_000,
      minimum: 1000,
      maximum: 60 * minute,
      doc:
        "Longest time a call waits for missing bytes or an unknown folder before it fails. Longer than " +
        "graph.timeout, so that a silent request can be repeated.",
      ...restart
    })
  },
  names: {
    localOnly: Kind.patterns({
      default: [],
      doc: "Names that stay on this machine beside those of docs/SEMANTICS.md (N8); * is any text, ? any character.",
      ...restart
    })
  },
  shutdown: {
    total: Kind.duration({
      default: 15_000,
      minimum: 2000,
      maximum: 10 * minute,
      doc: "Longest time from the signal to the end of the process.",
      ...live
    }),
    drain: Kind.duration({
      default: 5000,
      minimum: 0,
      maximum: 5 * minute,
      doc: "Part of it for uploads; the rest goes on at the next start.",
      ...live
    }),
    unmount: Kind.duration({
      default: 8000,
      minimum: 100,
      maximum: 5 * minute,
      doc: "Part of it for programs that still use the mount; after that it is forced.",
      ...live
    })
  },
  log: {
    level: Kind.choice({
      default: "info",
      values: ["trace", "debug", "info", "warn", "error"],
      doc: "Least severe level that is logged.",
      ...live
    }),
    file: Kind.path({ default: "", doc: "Log file, appended to. Empty: standard error.", ...restart })
  }
} as const

type Options = typeof options
type ValueOf<O> = O extends Kind.Option<infer A> ? A : never

/** The configuration with every key present: durations in milliseconds, sizes in bytes. */
export type Values = {
  readonly [S in keyof Options]: { readonly [K in keyof Options[S]]: ValueOf<Options[S][K]> }
}

/** `section.name` of every option, in the order of the table. */
export const entries: ReadonlyArray<readonly [key: string, option: Kind.Option<unknown>]> = Object.entries(
  options
).flatMap(([section, members]) =>
  Object.entries(members).map(([name, option]) => [`${section}.${name}`, option as Kind.Option<unknown>] as const)
)

/** The first parts of the keys. */
export const sections: ReadonlyArray<string> = Object.keys(options)

/** The option of a key. */
export const byKey: ReadonlyMap<string, Kind.Option<unknown>> = new Map(entries)

/** `upload.maxWait` is ONEMOUNT_UPLOAD_MAX_WAIT. */
export const variableOf = (key: string): string =>
  `ONEMOUNT_${key
    .replace(".", "_")
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase()}`

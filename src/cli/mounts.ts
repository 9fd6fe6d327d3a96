/** Finding the running mount that a command is about, without touching any mount. */
import { resolve } from "node:path"
import { Effect } from "effect"
import { type Client, connect } from "../control/client.ts"
import { containing, type Entry, list } from "../control/registry.ts"
import { resolveOutside } from "../platform/MountTable.ts"
import { failure } from "./exit.ts"

/** This user's running mounts. */
export const running = Effect.suspend(() => list(process.env))

const others = (entries: ReadonlyArray<Entry>): string =>
  entries.length === 0 ? "nothing is mounted" : `mounted: ${entries.map((entry) => entry.mountpoint).join(", ")}`

/** The mount that holds `path`, with the path inside it (absolute, `/` for the mountpoint itself). */
export const mountOf = Effect.fn("cli.mountOf")(function* (path: string) {
  const entries = yield* running
  const outside = resolveOutside(path, new Set(entries.map((entry) => entry.mountpoint)))
  const entry = containing(entries, outside)
  if (entry === undefined) {
    return yield* failure("noMount", `${outside} is not in a running mount (${others(entries)})`)
  }
  return { entry, inside: outside.slice(entry.mountpoint.length) || "/" }
})

/** The mount at exactly `path`. */
export const mountAt = Effect.fn("cli.mountAt")(function* (path: string) {
  const { entry, inside } = yield* mountOf(path)
  return inside === "/"
    ? entry
    : yield* failure("noMount", `${resolve(path)} is not a mountpoint: it lies in the mount at ${entry.mountpoint}`)
})

/** The only mount there is. */
export const onlyMount = Effect.gen(function* () {
  const entries = yield* running
  const [entry] = entries
  return entry !== undefined && entries.length === 1
    ? entry
    : yield* failure("noMount", `say which mount you mean (${others(entries)})`)
})

/** One conversation with a daemon; what goes wrong on the way is a Failure. */
export const withClient = <A, E extends { readonly message: string }>(
  entry: Entry,
  use: (client: Client) => Effect.Effect<A, E>
) =>
  connect(entry).pipe(
    Effect.mapError((error) => failure("noMount", error.message)),
    Effect.flatMap((client) =>
      Effect.mapError(use(client), (error: E) =>
        failure("_tag" in error && error._tag === "DaemonError" ? "noMount" : "failed", error.message)
      )
    ),
    Effect.scoped
  )

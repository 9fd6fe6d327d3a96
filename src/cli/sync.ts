/** `onemount sync`. */
import { Array as Arr, Console, Effect, Option } from "effect"
import type { Unsynced } from "../control/protocol.ts"
import { containing } from "../control/registry.ts"
import { resolveOutside } from "../platform/MountTable.ts"
import { failure } from "./exit.ts"
import { mountOf, onlyMount, running, withClient } from "./mounts.ts"

interface Options {
  readonly path: Option.Option<string>
  readonly wait: boolean
  readonly allowDeletes: boolean
  /** Seconds. */
  readonly timeout: number
}

/** A day: what comes out of a typing error is refused, what somebody could mean is not. */
const longestWait = 86_400

export const syncCommand = Effect.fn("cli.sync")(function* ({ path, wait, allowDeletes, timeout }: Options) {
  if (!(timeout > 0 && timeout <= longestWait)) {
    return yield* failure("usage", `--timeout is ${timeout} and has to be seconds from above 0 to ${longestWait}`)
  }
  const { entry, inside } = Option.isSome(path) ? yield* mountOf(path.value) : yield* hereOrOnly
  const request = { path: inside, wait, allowDeletes, timeout: Math.round(timeout * 1000) }
  const unsynced = yield* withClient(entry, (client) => client.sync(request))
  if (unsynced.length === 0) return
  for (const line of reasonsOf(unsynced)) yield* Console.error(line)
  return yield* failure(
    "failed",
    `${unsynced.length} ${unsynced.length === 1 ? "change is" : "changes are"} not at the server yet; ` +
      "the daemon goes on trying, `onemount sync --wait` again waits longer"
  )
})

/** Changes of one kind that are named for each reason; a removed tree may be thousands. */
const namedChanges = 5

/** A line for each change, as long as there are few for one reason; then how many more. */
export const reasonsOf = (unsynced: ReadonlyArray<Unsynced>): ReadonlyArray<string> => {
  const groups = Arr.groupBy(unsynced, ({ kind, reason }) => `${kind}: ${reason}`)
  return Object.entries(groups).flatMap(([why, changes]) => {
    const named = changes.slice(0, namedChanges).map(({ path }) => `${path}: ${why}`)
    const others = changes.length - named.length
    return others === 0 ? named : [...named, `and ${others} more: ${why}`]
  })
}

/** The mount the shell stands in, otherwise the only one. */
const hereOrOnly = Effect.gen(function* () {
  const entries = yield* running
  const here = resolveOutside(process.cwd(), new Set(entries.map((entry) => entry.mountpoint)))
  return containing(entries, here) === undefined
    ? { entry: yield* onlyMount, inside: "/" }
    : yield* mountOf(process.cwd())
})

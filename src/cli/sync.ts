/** `onemount sync`. */
import { Console, Effect, Option } from "effect"
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
  for (const { path: item, kind, reason } of unsynced) yield* Console.error(`${item}: ${kind}: ${reason}`)
  return yield* failure(
    "failed",
    `${unsynced.length} ${unsynced.length === 1 ? "change is" : "changes are"} not at the server yet; ` +
      "the daemon goes on trying, `onemount sync --wait` again waits longer"
  )
})

/** The mount the shell stands in, otherwise the only one. */
const hereOrOnly = Effect.gen(function* () {
  const entries = yield* running
  const here = resolveOutside(process.cwd(), new Set(entries.map((entry) => entry.mountpoint)))
  return containing(entries, here) === undefined
    ? { entry: yield* onlyMount, inside: "/" }
    : yield* mountOf(process.cwd())
})

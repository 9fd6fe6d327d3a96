/** `onemount unmount`. */
import { resolve } from "node:path"
import { Console, Duration, Effect, Schedule } from "effect"
import { detach, probe } from "../control/mountpoint.ts"
import { containing, type Entry } from "../control/registry.ts"
import * as MountTable from "../platform/MountTable.ts"
import { isAlive } from "../platform/Processes.ts"
import { failure } from "./exit.ts"
import { running, withClient } from "./mounts.ts"

interface Options {
  readonly mountpoint: string
  readonly force: boolean
}

/** Longer than any sensible shutdown.total; the daemon's own budgets end it earlier. */
const patience = Duration.minutes(11)

export const unmountCommand = Effect.fn("cli.unmount")(function* ({ mountpoint, force }: Options) {
  const entries = yield* running
  const served = MountTable.served(MountTable.read())
  const path = MountTable.resolveOutside(mountpoint, new Set([...served, ...entries.map((entry) => entry.mountpoint)]))
  const entry = containing(entries, path)
  yield* entry?.mountpoint === path ? endDaemon(entry, force) : clearDead(path)
  yield* Console.log(`unmounted ${path}`)
})

const endDaemon = Effect.fnUntraced(function* (entry: Entry, force: boolean) {
  yield* withClient(entry, (client) => client.unmount(force))
  const gone = Effect.sync(() => !isAlive(entry))
  const ended = yield* gone.pipe(
    Effect.repeat({ until: (done) => done, schedule: Schedule.spaced(50) }),
    Effect.timeoutOption(patience)
  )
  if (ended._tag === "None") {
    return yield* failure(
      "failed",
      `process ${entry.pid} does not end: \`onemount unmount --force ${entry.mountpoint}\``
    )
  }
  if (MountTable.at(MountTable.read(), entry.mountpoint) !== undefined) yield* clearDead(entry.mountpoint)
})

/** No daemon: what is there may be the dead mount of a crashed one. */
const clearDead = Effect.fnUntraced(function* (path: string) {
  const mount = MountTable.at(MountTable.read(), path)
  if (mount === undefined) return yield* failure("noMount", `nothing is mounted at ${resolve(path)}`)
  if (!mount.type.startsWith("fuse") || (yield* probe(path)) !== "dead") {
    return yield* failure("noMount", `${path} is not a mount of onemount (${mount.source}, type ${mount.type})`)
  }
  return yield* Effect.mapError(detach(path), (error) => failure("failed", error.message))
})

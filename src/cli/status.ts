/** `onemount status`. */
import { ByteSize, Console, Effect, Option } from "effect"
import type { Status } from "../control/protocol.ts"
import { mountAt, running, withClient } from "./mounts.ts"

interface Options {
  readonly mountpoint: Option.Option<string>
  readonly json: boolean
}

export const statusCommand = Effect.fn("cli.status")(function* ({ mountpoint, json }: Options) {
  const entries = Option.isSome(mountpoint) ? [yield* mountAt(mountpoint.value)] : yield* running
  const [all, silent] = yield* Effect.partition(entries, (entry) => withClient(entry, (client) => client.status), {
    concurrency: 4
  })
  yield* show(all, { json, only: entries.length === 1 })
  // A daemon that hangs hides no other.
  const [first, ...others] = silent
  if (first === undefined) return
  for (const { message } of others) yield* Console.error(`onemount: ${message}`)
  return yield* first
})

const show = Effect.fnUntraced(function* (
  all: ReadonlyArray<Status>,
  { json, only }: { readonly json: boolean; readonly only: boolean }
) {
  if (only && all.length === 0) return
  if (json) return yield* Console.log(JSON.stringify(only ? all[0] : all))
  yield* Console.log(all.length === 0 ? "nothing is mounted" : all.map(describe).join("\n\n"))
})

const ago = (seconds: number | null): string => (seconds === null ? "never" : `${Math.round(seconds)} s ago`)

/** From microseconds. */
const duration = (us: number): string => (us < 1000 ? `${Math.round(us)} us` : `${(us / 1000).toPrecision(3)} ms`)

const size = (bytes: number): string => ByteSize.format(ByteSize.bytes(bytes))

const describe = (status: Status): string => {
  const { pending, cache, cursor, health, detail, phase, requests, writes } = status
  const [most] = requests.operations
  const busiest = most === undefined ? "" : `; ${most.name} p50 ${duration(most.p50)}, p99 ${duration(most.p99)}`
  const parked = pending.parked === 0 ? "" : `, ${pending.parked} of them wait for you`
  return [
    `${status.mountpoint}   ${phase.toLowerCase()}, ${health}${detail === "" ? "" : ` (${detail})`}`,
    `  drive    ${status.drive}`,
    ...(status.api === null ? [] : [`  api      ${status.api} (token in ${status.drive}/token)`]),
    `  process  ${status.pid}, version ${status.version}`,
    `  pending  ${pending.intents} changes (${size(pending.bytes)})${parked}; ${pending.uploads} uploads, ${pending.downloads} downloads`,
    ...status.parked.map(({ count, reason }) => `  waiting  ${count}: ${reason}`),
    `  requests ${requests.completed} answered, ${requests.errors} with an error; ${requests.pending} pending${busiest}`,
    `  writes   ${size(writes.bytes)} in ${writes.completed} writes, ${writes.failed} failed; ${writes.queue.now} waiting; ${writes.activeHandles} open files written`,
    `  cache    ${size(cache.bytes)} of ${size(cache.limit)} in ${cache.files} files, ${cache.directory}`,
    `  items    ${status.items}${cursor.enumerated ? "" : " so far"}, server's changes applied ${ago(cursor.age)}`
  ].join("\n")
}

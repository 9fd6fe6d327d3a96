/** `onemount events`. */
import { Console, Effect, Option, Stream } from "effect"
import { mountAt, onlyMount, withClient } from "./mounts.ts"

export const eventsCommand = Effect.fn("cli.events")(function* (options: {
  readonly mountpoint: Option.Option<string>
}) {
  const entry = Option.isSome(options.mountpoint) ? yield* mountAt(options.mountpoint.value) : yield* onlyMount
  const follow = withClient(entry, (client) =>
    Stream.runForEach(client.events, (event) => Console.log(JSON.stringify(event)))
  )
  yield* Effect.raceFirst(follow, readerGone)
})

/** `onemount events | head -1`: whoever read our output has enough. */
const readerGone = Effect.callback<void>((resume) => {
  const done = () => resume(Effect.void)
  process.stdout.once("error", done)
  return Effect.sync(() => process.stdout.off("error", done))
})

/** `onemount events`. */
import { Console, Effect, Option, Stream } from "effect"
import { mountAt, onlyMount, withClient } from "./mounts.ts"

export const eventsCommand = Effect.fn("cli.events")(function* (options: {
  readonly mountpoint: Option.Option<string>
}) {
  const entry = Option.isSome(options.mountpoint) ? yield* mountAt(options.mountpoint.value) : yield* onlyMount
  yield* withClient(entry, (client) => Stream.runForEach(client.events, (event) => Console.log(JSON.stringify(event))))
})

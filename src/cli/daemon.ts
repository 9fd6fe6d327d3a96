/** What mount and serve have under them: configuration, logging, events, lifecycle and signals. */
import { Effect, Layer } from "effect"
import { Config, type ConfigError, type Sources } from "../config/Config.ts"
import { Events } from "../events/Events.ts"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import * as EventLog from "../lifecycle/eventLog.ts"
import * as Logging from "../lifecycle/logging.ts"
import * as Signals from "../lifecycle/signals.ts"

const lifecycle = Layer.unwrap(
  Effect.map(Config, (config) => Lifecycle.layer(Effect.map(config.current, ({ shutdown }) => shutdown.total)))
)

export const daemonLayer = (sources: Sources): Layer.Layer<Config | Events | Lifecycle, ConfigError> =>
  Layer.mergeAll(Signals.layer, EventLog.layer).pipe(
    Layer.provideMerge(lifecycle),
    Layer.provideMerge(Events.layer),
    Layer.provideMerge(Logging.layer),
    Layer.provideMerge(Config.layer(sources))
  )

/**
 * What a desktop or service manager hears of a mount. So far: systemd's readiness protocol (sd_notify(3)), so that units
 * that need the folder start when it can be read, and `systemctl status` says how the mount is.
 *
 * Model: `systemd-notify` speaks for us, because Node has no datagram sockets of the unix kind; the unit therefore needs
 * `NotifyAccess=all`. Without NOTIFY_SOCKET nothing is done. Telling is best effort: a mount never fails over it.
 */
import { Effect, Layer, PubSub } from "effect"
import { Events, type OneMountEvent } from "../events/Events.ts"
import { supervise } from "../lifecycle/supervise.ts"
import type { Environment } from "../platform/Paths.ts"
import { run } from "../platform/Processes.ts"

/** How long one notification may take, in milliseconds. */
const limit = 2000

/** Arguments of systemd-notify(1) for an event; undefined for those that change nothing for a service manager. */
export const notificationOf = (mountpoint: string, event: OneMountEvent): ReadonlyArray<string> | undefined => {
  switch (event._tag) {
    case "HealthChanged":
      return [`--status=${mountpoint}: ${event.health}${event.detail === "" ? "" : `, ${event.detail}`}`]
    case "PhaseChanged":
      if (event.phase === "DRAINING") return ["STOPPING=1", `--status=${mountpoint}: sending what is left`]
      if (event.phase === "UNMOUNTING") return [`--status=${mountpoint}: unmounting`]
      return undefined
    default:
      return undefined
  }
}

const tell = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const { code, stderr } = yield* run("systemd-notify", args, { timeout: limit })
  if (code !== 0) yield* Effect.logDebug(`systemd-notify ${args.join(" ")}: ${stderr.trim() || "no answer"}`)
})

/** Reports a mount that can be read (it is built above the proven mount), then what happens to it. */
export const layer = (env: Environment, mountpoint: string): Layer.Layer<never, never, Events> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      if (!env["NOTIFY_SOCKET"]) return
      const subscription = yield* Effect.flatMap(Events, (events) => events.subscribe)
      const follow = Effect.gen(function* () {
        const args = notificationOf(mountpoint, yield* PubSub.take(subscription))
        if (args !== undefined) yield* tell(args)
      })
      yield* tell(["--ready", `--status=${mountpoint}: mounted`])
      yield* supervise({ name: "service manager", owner: "desktop" }, Effect.forever(follow))
    })
  )

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as ServiceManager from "../../src/desktop/ServiceManager.ts"
import { Events } from "../../src/events/Events.ts"

/** A directory whose `systemd-notify` writes down what it is told, first on the PATH while the scope is open. */
const recorder = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = mkdtempSync(join(tmpdir(), "onemount-notify-"))
    const log = join(directory, "log")
    const script = join(directory, "systemd-notify")
    writeFileSync(script, `#!/bin/sh\nprintf '%s\\n' "$*" >> ${log}\n`)
    chmodSync(script, 0o755)
    const path = process.env["PATH"]
    process.env["PATH"] = `${directory}${delimiter}${path}`
    return { directory, log, path }
  }),
  ({ directory, path }) =>
    Effect.sync(() => {
      process.env["PATH"] = path
      rmSync(directory, { recursive: true })
    })
)

const told = (log: string, lines: number) =>
  Effect.gen(function* () {
    while (true) {
      const said = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []
      if (said.length >= lines) return said
      yield* Effect.sleep("5 millis")
    }
  }).pipe(Effect.timeout("5 seconds"))

describe("ServiceManager", () => {
  it.live("says ready when it is built, then how the mount is", () =>
    Effect.gen(function* () {
      const { log } = yield* recorder
      yield* Layer.build(ServiceManager.layer({ NOTIFY_SOCKET: "/run/notify" }, "/mnt/drive"))
      const events = yield* Events
      yield* events.publish({ _tag: "DeltaApplied", items: 3 })
      yield* events.publish({ _tag: "HealthChanged", health: "offline", detail: "no route" })
      yield* events.publish({ _tag: "PhaseChanged", phase: "DRAINING" })
      assert.deepStrictEqual(yield* told(log, 3), [
        "--ready --status=/mnt/drive: mounted",
        "--status=/mnt/drive: offline, no route",
        "STOPPING=1 --status=/mnt/drive: sending what is left"
      ])
    }).pipe(Effect.scoped, Effect.provide(Events.layer))
  )

  it.live("is silent without a service manager", () =>
    Effect.gen(function* () {
      const { log } = yield* recorder
      yield* Layer.build(ServiceManager.layer({}, "/mnt/drive"))
      assert.isFalse(existsSync(log))
    }).pipe(Effect.scoped, Effect.provide(Events.layer))
  )
})

/**
 * The way out when this process cannot even run its own end, because its thread is blocked: a child that waits from
 * the request to stop until the whole budget and some grace are over, then kills us and detaches the mount.
 *
 * Assumption: the child knows that we are alive by the pipe between us, which the kernel closes with our end, however
 * that comes. So it never kills a stranger, and never outlives its purpose.
 */
import { spawn } from "node:child_process"
import { Effect, type Scope } from "effect"
import { Config } from "../config/Config.ts"
import { Lifecycle } from "./Lifecycle.ts"
import { supervise } from "./supervise.ts"

/** Time beyond shutdown.total, in milliseconds: an end that is merely late keeps its order. */
export const grace = 2000

/** Runs in the child, which has no Effect: hence a timer of its own. */
const script = `
const { spawnSync } = require("node:child_process")
const [pid, limit, mountpoint] = process.argv.slice(1)
process.stdin.on("end", () => process.exit(0)).resume()
setTimeout(() => {
  process.kill(Number(pid), "SIGKILL")
  if (spawnSync("umount", ["-l", mountpoint]).status !== 0) spawnSync("fusermount3", ["-u", "-z", mountpoint])
}, Number(limit))`

/** In a session of its own, which signals to our group do not reach; it does not keep us alive. */
const start = (mountpoint: string, limit: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const child = spawn(process.execPath, ["-e", script, "--", String(process.pid), String(limit), mountpoint], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true
    })
    child.once("spawn", () => resume(Effect.void))
    child.once("error", (error) => resume(Effect.logWarning(`the end is not watched: ${error.message}`)))
    child.unref()
  })

/** Watches over the end of the mount at `mountpoint`, from the request to stop on. */
export const watch = (mountpoint: string): Effect.Effect<void, never, Lifecycle | Config | Scope.Scope> =>
  supervise(
    { name: "last resort", owner: "lifecycle" },
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* lifecycle.stopping
      const { shutdown } = yield* Effect.flatMap(Config, (config) => config.current)
      yield* start(mountpoint, shutdown.total + grace)
    })
  )

/** The process's edges, in a process of their own: what a small daemon does when it is signalled or something throws. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const source = join(import.meta.dirname, "../../src")

/** Parked fibers do not keep a process alive, which runMain does; here a timer. Prints `ready`, then how it was asked to stop; `provoke` runs once it is ready. */
const daemon = (provoke: string) => `
  const { Effect, Console } = await import("effect")
  const { daemonLayer } = await import("${source}/cli/daemon.ts")
  const { Lifecycle } = await import("${source}/lifecycle/Lifecycle.ts")
  setInterval(() => undefined, 60_000)
  await Effect.runPromise(Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    yield* Console.log("ready")
    yield* Effect.sync(() => { ${provoke} })
    yield* Console.log(JSON.stringify(yield* lifecycle.stopping))
  }).pipe(Effect.provide(daemonLayer({ file: undefined, env: { XDG_CONFIG_HOME: "/nonexistent" }, flags: [] }))))
  process.exit(0)`

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Sent when the daemon has said `after`, on either stream: two signals at once may be handled in any order. */
interface Sent {
  readonly signal: NodeJS.Signals
  readonly after: string
}

/** Runs the daemon and sends it the signals, each at its time. */
const run = (provoke: string, ...signals: ReadonlyArray<Sent>): Effect.Effect<Ended> =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", daemon(provoke)], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    const output = { stdout: "", stderr: "" }
    const waiting = [...signals]
    const listen = (stream: "stdout" | "stderr") => (chunk: string) => {
      output[stream] += chunk
      const next = waiting[0]
      if (next === undefined || !`${output.stdout}${output.stderr}`.includes(next.after)) return
      waiting.shift()
      child.kill(next.signal)
    }
    child.stdout.setEncoding("utf8").on("data", listen("stdout"))
    child.stderr.setEncoding("utf8").on("data", listen("stderr"))
    child.on("close", (code) => resume(Effect.succeed({ code, ...output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const request = (ended: Ended): unknown => JSON.parse(ended.stdout.split("\n")[1] ?? "null")

describe("signals", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.live(`${signal} asks for the end`, () =>
      Effect.map(run("", { signal, after: "ready" }), (ended) => {
        assert.deepStrictEqual(request(ended), { reason: signal, failed: false }, ended.stderr)
        assert.match(ended.stderr, new RegExp(`INFO +stopping: ${signal}`))
      })
    )
  }

  it.live("SIGHUP does not end the process", () =>
    Effect.map(
      run("", { signal: "SIGHUP", after: "ready" }, { signal: "SIGTERM", after: "configuration read again" }),
      (ended) => {
        assert.deepStrictEqual(request(ended), { reason: "SIGTERM", failed: false })
        assert.match(ended.stderr, /configuration read again: nothing to apply/)
      }
    )
  )
})

describe("what nobody caught", () => {
  it.live("a throw ends the daemon in order, as a failure, with its stack in the log", () =>
    Effect.map(run(`setTimeout(() => { throw new Error("stray") }, 1)`), (ended) => {
      assert.strictEqual(ended.code, 0)
      assert.deepStrictEqual(request(ended), { reason: "uncaught exception: stray", failed: true })
      assert.match(ended.stderr, /ERROR uncaught exception Error: stray\n +at /)
    })
  )

  it.live("so does a rejection", () =>
    Effect.map(run(`void Promise.reject(new Error("lost"))`), (ended) => {
      assert.deepStrictEqual(request(ended), { reason: "unhandled rejection: lost", failed: true })
    })
  )
})

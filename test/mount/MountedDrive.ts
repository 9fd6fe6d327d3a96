/**
 * A mount for the tests of a file: a daemon in a child process, and child processes that use the mount. This process
 * never touches the mountpoint itself.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Context, Effect, Layer, Queue, type Scope } from "effect"
import type { Command, Seed } from "./protocol.ts"

export interface Ran {
  /** Exit status; 128 + signal number when a signal ended it. */
  readonly status: number
  readonly out: string
  readonly err: string
}

export class MountedDrive extends Context.Service<
  MountedDrive,
  {
    readonly mountpoint: string
    /** Runs a script in the root of the mount with `set -e`; fails the test unless it exits with 0. */
    sh(script: string): Effect.Effect<string>
    /** Runs a script and reports how it ended. */
    try(script: string): Effect.Effect<Ran>
    /** Runs Python in the root of the mount; `errno_of(f, *args)` gives the errno name of a failing call. */
    python(script: string): Effect.Effect<string>
    ask<A = unknown>(command: Command): Effect.Effect<A>
    /** Starts a process in the mount that is not waited for. */
    start(script: string): Effect.Effect<ChildProcess, never, Scope.Scope>
  }
>()("onemount/test/mount/MountedDrive") {
  static readonly layer = (seeds: ReadonlyArray<Seed> = []) => Layer.effect(MountedDrive, make(seeds))
}

const daemon = join(import.meta.dirname, "daemon.ts")
/** Milliseconds a script may take. */
const scriptLimit = 40_000

const prelude = `
import errno, os, sys
def errno_of(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
`

const make = Effect.fnUntraced(function* (seeds: ReadonlyArray<Seed>) {
  const work = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-mount-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const mountpoint = join(work, "mnt")
  mkdirSync(mountpoint)
  const answers = yield* Queue.bounded<string>(1000)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const started = spawn(process.execPath, [daemon, mountpoint, work, JSON.stringify(seeds)], {
        stdio: ["pipe", "pipe", "inherit"]
      })
      createInterface({ input: started.stdout }).on("line", (line) => Queue.offerUnsafe(answers, line))
      started.on("exit", (code, signal) => Queue.offerUnsafe(answers, `{"failed":"exited with ${code ?? signal}"}`))
      return started
    }),
    (started) => end(started, mountpoint)
  )
  const answer = Effect.timeout(Queue.take(answers), 30_000).pipe(Effect.orDie)
  const first = yield* answer
  if (first !== '"mounted"') return yield* Effect.die(new Error(`the daemon did not mount: ${first}`))

  const attempt = (file: string, args: ReadonlyArray<string>) =>
    Effect.callback<Ran>((resume) => {
      const options = { cwd: mountpoint, timeout: scriptLimit, killSignal: "SIGKILL", maxBuffer: 64 * 2 ** 20 } as const
      const running = execFile(file, args, options, (error, out, err) => {
        const status = error === null ? 0 : typeof error.code === "number" ? error.code : 255
        resume(
          Effect.succeed({ status, out, err: error?.killed === true ? `${err}\nkilled after ${scriptLimit} ms` : err })
        )
      })
      return Effect.sync(() => running.kill("SIGKILL"))
    })
  return MountedDrive.of({
    mountpoint,
    sh: (script) => Effect.flatMap(attempt("/bin/bash", ["-ec", script]), sound),
    try: (script) => attempt("/bin/bash", ["-c", script]),
    python: (script) => Effect.flatMap(attempt("python3", ["-I", "-c", prelude + script]), sound),
    ask: <A>(command: Command) =>
      Effect.gen(function* () {
        child.stdin.write(`${JSON.stringify(command)}\n`)
        const reply = JSON.parse(yield* answer) as { readonly value?: A; readonly failed?: string }
        if (reply.failed !== undefined) return yield* Effect.die(new Error(`${command.command}: ${reply.failed}`))
        return reply.value as A
      }),
    start: (script) =>
      Effect.acquireRelease(
        Effect.sync(() => spawn("/bin/bash", ["-c", script], { cwd: mountpoint, stdio: "ignore" })),
        (started) => Effect.sync(() => void started.kill("SIGKILL"))
      )
  })
})

const sound = (ran: Ran) =>
  ran.status === 0
    ? Effect.succeed(ran.out)
    : Effect.die(new Error(`exited with ${ran.status}\n${ran.out}\n${ran.err}`))

/** Ends the daemon in order; takes the mount away whatever the daemon did. */
const end = (child: ChildProcess, mountpoint: string) =>
  Effect.gen(function* () {
    child.stdin?.end()
    const exited = Effect.callback<void>((resume) => {
      if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
      child.once("exit", () => resume(Effect.void))
    })
    yield* Effect.timeoutOrElse(exited, {
      duration: 15_000,
      orElse: () =>
        Effect.andThen(
          Effect.sync(() => void child.kill("SIGKILL")),
          exited
        )
    })
    if (isMounted(mountpoint)) {
      yield* Effect.callback<void>((resume) => {
        execFile("umount", ["-l", mountpoint], () => resume(Effect.void))
      })
    }
  })

/** Whether a mount is there, without touching it. */
export const isMounted = (mountpoint: string): boolean =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === mountpoint)

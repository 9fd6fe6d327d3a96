/**
 * Other processes: bounded helper commands, and who a process id belongs to. Helpers are the only way in which the
 * daemon looks at a mount of its own: a system call from the serving process could wait for itself.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { Effect } from "effect"

/** How a helper command ended. */
export interface Finished {
  /** Null: ended by a signal, or not within the limit. */
  readonly code: number | null
  readonly timedOut: boolean
  readonly stdout: string
  readonly stderr: string
}

const outputLimit = 64 * 1024

/** How many files this process may have open (RLIMIT_NOFILE, the soft one; Node raises it to the hard one); can be Infinity. */
export const openFileLimit = (): number => {
  const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? []
  return Number(limit ?? Number.POSITIVE_INFINITY)
}

/**
 * Runs a command to its end or for `timeout` milliseconds. A helper that hangs in the kernel is killed and left
 * behind: waiting for it could take as long as the mount it hangs on. A command that cannot be started has code 127.
 */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly timeout: number }
): Effect.Effect<Finished> =>
  Effect.callback<Finished>((resume) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
    const output = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (chunk: string) => {
        if (output[name].length < outputLimit) output[name] += chunk
      })
    }
    child.on("error", (error) =>
      resume(Effect.succeed({ code: 127, timedOut: false, stdout: "", stderr: error.message }))
    )
    child.on("close", (code) => resume(Effect.succeed({ code, timedOut: false, ...output })))
    return Effect.sync(() => abandon(child))
  }).pipe(
    Effect.timeoutOrElse({
      duration: options.timeout,
      orElse: () => Effect.succeed<Finished>({ code: null, timedOut: true, stdout: "", stderr: "" })
    })
  )

const abandon = (child: ReturnType<typeof spawn>): void => {
  child.kill("SIGKILL")
  child.stdout?.destroy()
  child.stderr?.destroy()
  child.unref()
}

/** Runs JavaScript in a child of this Node; `args` are `process.argv[1]` and on. */
export const runScript = (
  script: string,
  args: ReadonlyArray<string>,
  options: { readonly timeout: number }
): Effect.Effect<Finished> => run(process.execPath, ["-e", script, "--", ...args], options)

/** Names one process for all time on this boot: pids come back, a pid with its start time does not. */
export interface Identity {
  readonly pid: number
  /** Clock ticks since boot (proc_pid_stat(5), field 22). */
  readonly startTime: string
}

/** Undefined: there is no such process. */
export const identity = (pid: number): Identity | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The command's name is in parentheses and may hold anything, parentheses included.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    // A zombie does nothing any more; its parent has only not asked yet.
    return fields[0] === "Z" ? undefined : { pid, startTime: fields[19] ?? "" }
  } catch {
    return undefined
  }
}

/** Whether the process runs that was meant, and not another one with its id. */
export const isAlive = (process: Identity): boolean => identity(process.pid)?.startTime === process.startTime

/** The command line for people; empty when the process is gone or a kernel thread. */
export const commandLine = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean).join(" ")
  } catch {
    return ""
  }
}

/**
 * `--daemon`: the mount runs in a process of its own session, and the command returns when it is proven or has failed.
 * The daemon tells on a pipe (its descriptor number is in ONEMOUNT_READY_FD) what a person would have seen.
 */
import { spawn } from "node:child_process"
import { closeSync, openSync, renameSync, statSync, writeSync } from "node:fs"
import { join } from "node:path"
import { Console, Effect, Option, Schema } from "effect"
import { makePrivateDirectory } from "../platform/Directories.ts"
import { type Exit, exitCodes, type Failure, failure } from "./exit.ts"

const Message = Schema.Union([
  Schema.TaggedStruct("Mounted", { mountpoint: Schema.String }),
  Schema.TaggedStruct("Failed", {
    exit: Schema.Literals(Object.keys(exitCodes) as ReadonlyArray<Exit>),
    message: Schema.String
  })
])
type Message = typeof Message.Type

const decodeMessage = Schema.decodeUnknownOption(Schema.fromJsonString(Message))

/** The first message counts; without a parent that listens nothing happens. */
const tell = (message: Message): Effect.Effect<void> =>
  Effect.sync(() => {
    const descriptor = Number(process.env["ONEMOUNT_READY_FD"])
    delete process.env["ONEMOUNT_READY_FD"]
    if (!Number.isInteger(descriptor) || descriptor < 3) return
    try {
      writeSync(descriptor, `${JSON.stringify(message)}\n`)
      closeSync(descriptor)
    } catch {
      // The parent is gone: nobody waits for the message any more.
    }
  })

/** The mount is proven: the parent may end. */
export const tellMounted = (mountpoint: string): Effect.Effect<void> => tell({ _tag: "Mounted", mountpoint })

/** Around the whole command, so that the parent learns of every failure. */
export const tellFailure = <A, R>(effect: Effect.Effect<A, Failure, R>): Effect.Effect<A, Failure, R> =>
  Effect.tapError(effect, ({ exit, message }) => tell({ _tag: "Failed", exit, message }))

/** Beyond this many bytes the log of earlier daemons is kept as onemount.log.1. */
const rotateAt = 10 * 1024 * 1024

const openLog = (path: string): number => {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > rotateAt) renameSync(path, `${path}.1`)
  return openSync(path, "a", 0o600)
}

/** The same command line, less what made us detach. */
const foregroundArguments = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const operands = argv.indexOf("--")
  return argv.filter((argument, index) => (operands !== -1 && index > operands) || !/^--daemon(=.*)?$/.test(argument))
}

/** `argv` as in `process.argv`. */
export const detachDaemon = Effect.fn("cli.detachDaemon")(function* (cache: string, argv: ReadonlyArray<string>) {
  const log = join(cache, "onemount.log")
  yield* Effect.try({
    try: () => makePrivateDirectory(cache),
    catch: (cause) => failure("inUse", `the cache cannot be made (${String(cause)}): give another --cache-dir`)
  })
  const message = yield* Effect.callback<Option.Option<Message>, Failure>((resume) => {
    const output = openLog(log)
    const child = spawn(process.execPath, [...process.execArgv, ...foregroundArguments(argv.slice(1))], {
      detached: true,
      stdio: ["ignore", output, output, "pipe"],
      env: { ...process.env, ONEMOUNT_READY_FD: "3" }
    })
    closeSync(output)
    // Ctrl-C means "do not mount": the daemon is in another session and would not hear it.
    const cancel = () => child.kill("SIGTERM")
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, cancel)
    let text = ""
    const pipe = child.stdio[3]
    if (pipe !== null && pipe !== undefined && "setEncoding" in pipe) {
      pipe.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
      pipe.on("close", () => resume(Effect.succeed(decodeMessage(text))))
    }
    child.on("error", (error) => resume(failure("failed", `cannot start the daemon: ${error.message}`)))
    child.unref()
  })
  if (Option.isNone(message)) {
    return yield* failure("failed", `the daemon ended before it mounted; see ${log}`)
  }
  if (message.value._tag === "Failed") return yield* failure(message.value.exit, message.value.message)
  yield* Console.log(`mounted ${message.value.mountpoint}`)
})

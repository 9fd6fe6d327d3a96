/**
 * Runs the command line to an exit status: parses, says errors on standard error as one sentence with what to do, and
 * ends the process when its work is done, whatever handles are still open.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect, Exit, Layer, Logger, References, Runtime } from "effect"
import { CliConfig, type CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { onemount } from "./commands.ts"
import { exitCodes, Failure } from "./exit.ts"
import { version } from "./version.ts"

/** Help as it is; a wrong call gets its errors and where help is, not a page of it. */
const presenter = CliOutput.layerPresenter({
  present: Effect.fnUntraced(function* (event) {
    if (event._tag !== "InvalidInvocation") return yield* CliOutput.defaultPresenter.present(event)
    for (const error of event.errors) yield* Console.error(`onemount: ${error.message}`)
    yield* Console.error(`Try \`${event.commandPath.join(" ")} --help\`.`)
  })
})

const isCliError = (error: unknown): error is CliError.CliError =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "ShowHelp"

const statusOf = (exit: Exit.Exit<number, unknown>): Effect.Effect<number> => {
  if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
  if (Cause.hasInterruptsOnly(exit.cause)) return Effect.succeed(130)
  const error = Cause.squash(exit.cause)
  if (isCliError(error)) return Effect.succeed(exitCodes.usage[0])
  if (error instanceof Failure) {
    return Effect.as(Console.error(`onemount: ${error.message}`), exitCodes[error.exit][0])
  }
  return Effect.as(Console.error(`onemount: unexpected failure\n${Cause.pretty(exit.cause)}`), exitCodes.failed[0])
}

/** Until the configuration is known, logs go to standard error from warnings up. */
const environment = Layer.mergeAll(
  NodeServices.layer,
  presenter,
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
  Layer.succeed(Logger.LogToStderr, true),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)

/** Parses and runs; the result is the exit status. */
export const execute = (args: ReadonlyArray<string>): Effect.Effect<number> =>
  Command.runWith(onemount, { version })(args).pipe(
    Effect.as(exitCodes.ok[0]),
    Effect.exit,
    Effect.flatMap(statusOf),
    Effect.provide(environment)
  )

/**
 * Without signal handlers: short commands may just end, and daemons bring their own (lifecycle/signals). The explicit
 * exit is for handles that nobody closed; standard output to a pipe or file is synchronous on Linux, nothing is lost.
 */
const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  fiber.addObserver((exit) => teardown(exit, (code) => process.exit(code)))
})

/** Runs the command line `args` (without program and script) and ends the process with its exit status. */
export const run = (args: ReadonlyArray<string>): void => {
  // Whoever read our pipe may go away (`| head -1`); without a listener that would end us with a stack.
  process.stdout.on("error", () => undefined)
  runMain(execute(args), {
    disableErrorReporting: true,
    teardown: (exit, done) => done(Exit.isSuccess(exit) && typeof exit.value === "number" ? exit.value : 1)
  })
}

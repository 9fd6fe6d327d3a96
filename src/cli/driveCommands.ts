/** `onemount drive ls|put|mv|rm`, as flags and arguments. */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"

const flags = {
  url: Flag.String("url").pipe(
    Flag.withDescription("What `onemount serve` printed after `listening`"),
    Flag.withMetavar("URL")
  ),
  dir: Flag.String("dir").pipe(
    Flag.withDescription("The folder it serves, for the token in it"),
    Flag.withMetavar("DIR")
  ),
  drive: Flag.String("drive").pipe(
    Flag.withDescription("The id of a further drive of it"),
    Flag.withMetavar("ID"),
    Flag.optional
  )
}

const onDrive = (name: string, description: string) => Argument.String(name).pipe(Argument.withDescription(description))

const handlers = Effect.promise(() => import("./drive.ts"))

const list = Command.make(
  "ls",
  { ...flags, path: onDrive("PATH", "A folder of the drive, / is the root") },
  (options) => Effect.flatMap(handlers, ({ listCommand }) => listCommand(options))
).pipe(Command.withDescription("List a folder of the drive."))

const put = Command.make(
  "put",
  {
    ...flags,
    file: Argument.String("FILE").pipe(Argument.withDescription("A file of this machine")),
    path: onDrive("PATH", "Where it goes; with a / at the end, under its own name")
  },
  (options) => Effect.flatMap(handlers, ({ putCommand }) => putCommand(options))
).pipe(Command.withDescription("Put a file on the drive; one that is there is replaced."))

const move = Command.make(
  "mv",
  { ...flags, from: onDrive("FROM", "What to rename or move"), to: onDrive("TO", "Its new path, which is free") },
  (options) => Effect.flatMap(handlers, ({ moveCommand }) => moveCommand(options))
).pipe(Command.withDescription("Rename or move on the drive."))

const remove = Command.make("rm", { ...flags, path: onDrive("PATH", "What to delete, with all in it") }, (options) =>
  Effect.flatMap(handlers, ({ removeCommand }) => removeCommand(options))
).pipe(Command.withDescription("Delete from the drive, into its recycle bin."))

/** The command with its subcommands; their handlers are loaded when one of them runs. */
export const drive = Command.make("drive").pipe(
  Command.withDescription("Change a served embedded drive as another client would, to see a mount follow."),
  Command.withShortDescription("Change a served embedded drive from outside"),
  Command.withSubcommands([list, put, move, remove])
)

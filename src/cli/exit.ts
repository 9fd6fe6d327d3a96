/** What the program ends with: one table for the code, the help text and the documentation. */
import { Schema } from "effect"

/** Exit status and meaning by name. */
export const exitCodes = {
  ok: [0, "done; a mount ended in order"],
  failed: [1, "it could not be done; `sync --wait`: not everything is at the server"],
  usage: [2, "wrong arguments or configuration"],
  forced: [3, "the mount had to be torn down by force"],
  mountpoint: [4, "the mountpoint cannot be used"],
  signIn: [5, "no usable token"],
  noMount: [6, "no such mount, or its daemon does not answer"],
  inUse: [7, "the cache, the drive's folder or the port is in use or not usable"]
} as const satisfies Record<string, readonly [number, string]>

export type Exit = keyof typeof exitCodes

/** All of them, for the help text. */
export const exitHelp = Object.values(exitCodes)
  .map(([code, meaning]) => `${code} ${meaning}`)
  .join("; ")

/** An end that is explained: one sentence with what to do, and the status to end with. */
export class Failure extends Schema.TaggedError<Failure>()("Failure", {
  exit: Schema.Literals(Object.keys(exitCodes) as ReadonlyArray<Exit>),
  message: Schema.String
}) {}

/** Usable as an effect that fails with it. */
export const failure = (exit: Exit, message: string): Failure => new Failure({ exit, message })

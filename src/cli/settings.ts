/** Flags to configuration sources. */
import { resolve } from "node:path"
import { Effect, Option } from "effect"
import type { Sources } from "../config/Config.ts"
import { fromFlags } from "../config/sources.ts"
import { expandHome } from "../platform/Paths.ts"
import type { ConfigOptions } from "./commands.ts"
import { failure } from "./exit.ts"

/** A path as a flag or the configuration has it: `~` is the home, others are seen from the working directory. */
export const absolute = (path: string): string => resolve(expandHome(process.env, path))

/** `named`: configuration keys with flags of their own, and what was given for them. */
export const sourcesOf = (
  { config, set }: ConfigOptions,
  named: ReadonlyArray<{ readonly key: string; readonly flag: string; readonly value: Option.Option<string> }> = []
): Sources => ({
  file: Option.getOrUndefined(config),
  env: process.env,
  flags: [
    ...fromFlags(Option.getOrElse(set, () => ({}))),
    ...named.flatMap(({ key, flag, value }) =>
      Option.isSome(value) ? fromFlags({ [key]: value.value }, { [key]: flag }) : []
    )
  ]
})

/** A bad configuration is a usage error that lists every problem. */
export const orUsage = <A, R>(effect: Effect.Effect<A, { readonly message: string }, R>) =>
  Effect.mapError(effect, (error) => failure("usage", error.message))

/** What is wrong with a value of --port. */
export const portProblem = (port: number): string | undefined =>
  port < 0 || port > 65_535 ? `--port is ${port} and has to be from 0 to 65535` : undefined

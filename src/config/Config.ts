/**
 * The daemon's configuration: a TOML file, the environment and flags in rising precedence, validated as a whole
 * before anything starts. Unknown keys and invalid values are refused with their source and what would be accepted;
 * nothing falls back to a default silently.
 *
 * Model: `current` is what is in force. A reload (SIGHUP) reads all sources again, applies the keys that can change
 * while mounted and names the others; a reload that fails changes nothing.
 */
import { Context, Effect, Layer, Result, SubscriptionRef } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { configDirectory, type Environment, expandHome } from "../platform/Paths.ts"
import { ConfigError } from "./ConfigError.ts"
import { byKey, entries, type Values } from "./options.ts"
import { type Resolved, resolve } from "./resolve.ts"
import { fromEnvironment, fromToml, type Setting } from "./sources.ts"

export { ConfigError } from "./ConfigError.ts"
export type { Values } from "./options.ts"

/** Where a configuration is read from; flags win over variables, variables over the file. */
export interface Sources {
  /** A named file has to exist; without one, $XDG_CONFIG_HOME/onemount/config.toml is read if it is there. */
  readonly file: string | undefined
  readonly env: Environment
  readonly flags: ReadonlyArray<Setting>
}

/** Keys whose values a reload changed. */
export interface Reloaded {
  readonly applied: ReadonlyArray<string>
  /** Changed in the sources, in force only after the next mount. */
  readonly later: ReadonlyArray<string>
}

export class Config extends Context.Service<
  Config,
  {
    /** What is in force, for code that asks when it needs it. */
    readonly current: Effect.Effect<Values>
    /** `current` and what it becomes. */
    readonly values: SubscriptionRef.SubscriptionRef<Values>
    /** `onemount config`: every key with its value and where it came from. */
    readonly origins: ReadonlyMap<string, string>
    readonly reload: Effect.Effect<Reloaded, ConfigError>
    /** The file that a reload reads, whether it is there or not. */
    readonly file: string
  }
>()("onemount/config/Config") {
  static readonly layer = (sources: Sources): Layer.Layer<Config, ConfigError> =>
    Layer.effect(
      Config,
      Effect.gen(function* () {
        const initial = yield* load(sources)
        const values = yield* SubscriptionRef.make(initial.values)
        const reload = Effect.gen(function* () {
          const next = yield* load(sources)
          const before = yield* SubscriptionRef.get(values)
          const { merged, report } = reconcile(before, next.values)
          yield* SubscriptionRef.set(values, merged)
          return report
        })
        const { path: file } = fileOf(sources)
        return Config.of({ current: SubscriptionRef.get(values), values, origins: initial.origins, reload, file })
      })
    )
}

/** Reads and validates all sources. */
export const load = Effect.fn("Config.load")(function* (sources: Sources): Effect.fn.Return<Resolved, ConfigError> {
  const { path, required } = fileOf(sources)
  const text = yield* readConfigFile(path, required)
  const fromFile = typeof text !== "string" ? [] : yield* Effect.fromResult(fromToml(path, text))
  return yield* Effect.fromResult(resolve([...fromFile, ...fromEnvironment(sources.env), ...sources.flags]))
})

const fileOf = ({ file, env }: Sources): { readonly path: string; readonly required: boolean } => {
  const named = file ?? env["ONEMOUNT_CONFIG"]
  return { path: named === undefined ? defaultFile(env) : expandHome(env, named), required: named !== undefined }
}

/** The file that is read when none is named. */
export const defaultFile = (env: Environment): string => join(configDirectory(env), "config.toml")

const readConfigFile = (path: string, required: boolean): Effect.Effect<string | void, ConfigError> =>
  Effect.suspend(() => {
    const read = Result.try({
      try: () => readFileSync(path, "utf8"),
      catch: (cause) => cause as NodeJS.ErrnoException
    })
    if (Result.isSuccess(read)) return Effect.succeed(read.success)
    if (read.failure.code === "ENOENT" && !required) return Effect.void
    const problems = [`cannot read the configuration ${path}: ${read.failure.message}`]
    return Effect.fail(new ConfigError({ reason: "Unreadable", problems }))
  })

const valueOf = (values: Values, key: string): unknown => {
  const [section = "", name = ""] = key.split(".")
  return (values as unknown as Record<string, Record<string, unknown>>)[section]?.[name]
}

/** Takes over what can change while mounted. */
const reconcile = (before: Values, after: Values): { readonly merged: Values; readonly report: Reloaded } => {
  const changed = entries
    .map(([key]) => key)
    .filter((key) => JSON.stringify(valueOf(before, key)) !== JSON.stringify(valueOf(after, key)))
  const applied = changed.filter((key) => byKey.get(key)?.reload === true)
  const merged: Record<string, Record<string, unknown>> = structuredClone(before) as never
  for (const key of applied) {
    const [section = "", name = ""] = key.split(".")
    Object.assign(merged[section] ?? {}, { [name]: valueOf(after, key) })
  }
  return {
    merged: merged as unknown as Values,
    report: { applied, later: changed.filter((key) => !applied.includes(key)) }
  }
}

/** The table for people: every key, its value in force, its source, what is accepted and what it means. */
export const describe = ({ values, origins }: Resolved): string =>
  entries
    .map(([key, option]) =>
      [
        `${key} = ${option.show(valueOf(values, key)) || '""'}   (${origins.get(key) ?? "default"})`,
        `    ${option.doc}`,
        `    Accepts ${option.expected}.${option.reload ? " SIGHUP applies changes." : ""}`
      ].join("\n")
    )
    .join("\n")

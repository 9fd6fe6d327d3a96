/**
 * Where configuration values come from: each source becomes a list of settings that know where they were written, so
 * that an error can point at the line, variable or flag to change.
 */
import { Result } from "effect"
import { Toml } from "effect/encoding"
import { ConfigError } from "./ConfigError.ts"
import { entries, sections, variableOf } from "./options.ts"

/** One value of one source, not validated yet. */
export interface Setting {
  /** `section.name` as far as it is known; a variable's own name when it belongs to no key. */
  readonly key: string
  readonly raw: unknown
  /** For people: `/etc/x.toml:12`, `ONEMOUNT_CACHE_LIMIT`, `--cache-dir`. */
  readonly source: string
}

/** Variables that are not keys. */
const reserved = new Set(["ONEMOUNT_CONFIG", "ONEMOUNT_READY_FD"])

/** Settings of a file, with their lines; `Syntax` when it is not TOML. */
export const fromToml = (path: string, text: string): Result.Result<ReadonlyArray<Setting>, ConfigError> =>
  Result.match(Toml.parse(text), {
    onFailure: (error) =>
      Result.fail(new ConfigError({ reason: "Syntax", problems: [`${path} is not valid TOML: ${error.message}`] })),
    onSuccess: (document) => {
      const lines = lineNumbers(text)
      return Result.succeed(
        flatten(document, "").map(([key, raw]) => {
          const line = lines.get(key)
          return { key, raw, source: line === undefined ? path : `${path}:${line}` }
        })
      )
    }
  })

/** A table of the file, as opposed to a value. */
export const isTable = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

/** Tables nest, everything else is a value; a table with nothing in it stands for itself unless it is a section. */
const flatten = (table: object, prefix: string): ReadonlyArray<readonly [string, unknown]> =>
  Object.entries(table).flatMap(([name, value]: [string, unknown]) => {
    const key = `${prefix}${name}`
    if (!isTable(value)) return [[key, value] as const]
    if (Object.keys(value).length > 0) return flatten(value, `${key}.`)
    return sections.includes(key) ? [] : [[key, value] as const]
  })

/** Line of each plainly written key; quoted and inline ones are reported without a line. */
const lineNumbers = (text: string): ReadonlyMap<string, number> => {
  const lines = new Map<string, number>()
  let section = ""
  for (const [index, line] of text.split("\n").entries()) {
    const header = /^\s*\[([^[\]]+)\]/.exec(line)?.[1]
    if (header !== undefined) {
      section = `${header.trim()}.`
      lines.set(header.trim(), index + 1)
    }
    const key = /^\s*([\w.-]+)\s*=/.exec(line)?.[1]
    if (key !== undefined) lines.set(`${section}${key}`, index + 1)
  }
  return lines
}

/** Settings of the variables that begin with ONEMOUNT_, known or not. */
export const fromEnvironment = (env: Readonly<Record<string, string | undefined>>): ReadonlyArray<Setting> => {
  const keys = new Map(entries.map(([key]) => [variableOf(key), key]))
  return Object.entries(env).flatMap(([name, raw]) =>
    !name.startsWith("ONEMOUNT_") || reserved.has(name) || raw === undefined
      ? []
      : [{ key: keys.get(name) ?? name, raw, source: name }]
  )
}

/** `flags`: key to value as typed; `named`: the flag a person typed for it, `--set` otherwise. */
export const fromFlags = (
  flags: Readonly<Record<string, string>>,
  named: Readonly<Record<string, string>> = {}
): ReadonlyArray<Setting> =>
  Object.entries(flags).map(([key, raw]) => ({ key, raw, source: named[key] ?? `--set ${key}` }))

/**
 * Settings of rising precedence to one complete configuration, or to everything that is wrong with them at once.
 */
import { Option, Result } from "effect"
import { ConfigError } from "./ConfigError.ts"
import { decode } from "./kinds.ts"
import { byKey, entries, sections, type Values, variableOf } from "./options.ts"
import { isTable, type Setting } from "./sources.ts"

/** Where each key's value came from; keys with their default are missing. */
export type Origins = ReadonlyMap<string, string>

/** A complete configuration. */
export interface Resolved {
  readonly values: Values
  readonly origins: Origins
}

/** Later settings win. Fails with everything that is wrong: unknown keys, refused values, contradictions. */
export const resolve = (settings: ReadonlyArray<Setting>): Result.Result<Resolved, ConfigError> => {
  const problems: Array<string> = []
  const chosen = new Map<string, unknown>()
  const origins = new Map<string, string>()
  for (const setting of settings) {
    const option = byKey.get(setting.key)
    if (option === undefined) {
      problems.push(unknownKey(setting))
      continue
    }
    const value = decode(option, setting.raw)
    if (Option.isNone(value)) {
      problems.push(
        `${setting.source}: ${setting.key} is ${JSON.stringify(setting.raw)} and has to be ${option.expected}`
      )
      continue
    }
    chosen.set(setting.key, value.value)
    origins.set(setting.key, setting.source)
  }
  const values = assemble(chosen)
  problems.push(...contradictions(values))
  return problems.length === 0
    ? Result.succeed({ values, origins })
    : Result.fail(new ConfigError({ reason: "Invalid", problems }))
}

/** The one cast: `entries` and `Values` come from the same table, and every value went through its option's schema. */
const assemble = (chosen: ReadonlyMap<string, unknown>): Values => {
  const values: Record<string, Record<string, unknown>> = {}
  for (const [key, option] of entries) {
    const [section = "", name = ""] = key.split(".")
    const members = (values[section] ??= {})
    members[name] = chosen.has(key) ? chosen.get(key) : option.default
  }
  return values as unknown as Values
}

const contradictions = ({ shutdown, upload }: Values): ReadonlyArray<string> => [
  ...(shutdown.drain + shutdown.unmount > shutdown.total
    ? ["shutdown.drain and shutdown.unmount together are longer than shutdown.total: raise it or shorten them"]
    : []),
  ...(upload.wait < upload.window ? ["upload.wait is shorter than upload.window: raise it or shorten the window"] : [])
]

const unknownKey = ({ key, raw, source }: Setting): string => {
  const isVariable = key.startsWith("ONEMOUNT_")
  const names = entries.map(([name]) => (isVariable ? variableOf(name) : name))
  const known = isTable(raw) ? sections : names
  const nearest = nearestOf(key, known)
  const hint = nearest === undefined ? "see `onemount config` for all keys" : `did you mean \`${nearest}\`?`
  return `${source}: unknown ${isVariable ? "variable" : "key"} \`${key}\`, ${hint}`
}

/** The known word with the fewest edits, if a third of the letters at most are wrong. */
export const nearestOf = (word: string, known: ReadonlyArray<string>): string | undefined => {
  const folded = fold(word)
  let best: { readonly name: string; readonly distance: number } | undefined
  for (const name of known) {
    const distance = editDistance(folded, fold(name))
    if (best === undefined || distance < best.distance) best = { name, distance }
  }
  return best !== undefined && best.distance <= Math.max(2, word.length / 3) ? best.name : undefined
}

/** Other spellings of the same word (file_mode, file-mode) are no edits. */
const fold = (word: string): string => word.toLowerCase().replaceAll(/[_-]/g, "")

/** Optimal string alignment: insert, delete, replace and swap of neighbours cost 1. */
export const editDistance = (a: string, b: string): number => {
  let beforeLast: Array<number> = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    ;[beforeLast, last] = [last, row]
  }
  return last[b.length] ?? 0
}

/**
 * Kinds of configuration values: how each is written by people, what is accepted, and how it is shown again.
 */
import { ByteSize, Option as Maybe, Result, Schema } from "effect"

/** One kind with its default, range and meaning. */
export interface Option<A> {
  readonly default: A
  /** Turns what a file, variable or flag says into what `schema` accepts; anything else passes through and is refused there. */
  readonly read: (raw: unknown) => unknown
  readonly schema: Schema.Codec<A, A>
  /** What is accepted, for error messages and help. */
  readonly expected: string
  readonly doc: string
  /** SIGHUP applies a change; others need a new mount. */
  readonly reload: boolean
  readonly show: (value: A) => string
}

interface Common<A> {
  readonly default: A
  readonly doc: string
  readonly reload: boolean
}

interface Ranged extends Common<number> {
  readonly minimum: number
  readonly maximum: number
}

/** The accepted value, or nothing; the caller knows key and source and words the error. */
export const decode = <A>(option: Option<A>, raw: unknown): Maybe.Option<A> =>
  Result.getSuccess(Schema.decodeUnknownResult(option.schema)(option.read(raw)))

const between = (range: Ranged) => Schema.Int.check(Schema.isBetween(range))

/** As it is written, when `schema` accepts it. */
export const text = (
  option: Common<string> & { readonly schema: Schema.Codec<string, string>; readonly expected: string }
): Option<string> => ({ ...option, read: (raw) => raw, show: (value) => value })

/** Absolute, or below the home directory; relative paths would mean something else in every shell. */
export const path = (option: Common<string>): Option<string> =>
  text({
    ...option,
    schema: Schema.String.check(Schema.isPattern(/^(|\/.*|~|~\/.*)$/)),
    expected: "an absolute path or one that starts with ~/"
  })

/** In digits, with a sign or without. */
export const integer = (option: Ranged): Option<number> => ({
  ...option,
  schema: between(option),
  read: fromText((value) => (/^-?\d+$/.test(value) ? Number(value) : value)),
  expected: `a whole number from ${option.minimum} to ${option.maximum}`,
  show: String
})

/** A user or group id; -1, the default, is the one of this process. */
export const owner = (option: Omit<Common<number>, "default">): Option<number> =>
  integer({ ...option, default: -1, minimum: -1, maximum: 4_294_967_294 })

/** In milliseconds. */
export const duration = (option: Ranged): Option<number> => ({
  ...option,
  schema: between(option),
  // A bare number would be read as seconds by some people and as milliseconds by others.
  read: (raw) => (typeof raw === "string" ? durationOf(raw) : String(raw)),
  expected: `a time from ${showDuration(option.minimum)} to ${showDuration(option.maximum)}, such as 30s`,
  show: showDuration
})

/** In bytes. */
export const size = (option: Ranged): Option<number> => ({
  ...option,
  schema: between(option),
  read: fromText((value) =>
    /^\d+$/.test(value)
      ? Number(value)
      : Maybe.getOrElse(Maybe.flatMap(ByteSize.fromString(value), ByteSize.toNumber), () => value)
  ),
  expected: `a size from ${showSize(option.minimum)} to ${showSize(option.maximum)}, such as 10GiB`,
  show: showSize
})

/** Permission bits in octal, as chmod takes them. */
export const mode = (option: Common<number>): Option<number> => ({
  ...option,
  schema: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0o777 })),
  read: (raw) => (typeof raw === "string" && /^0?[0-7]{3}$/.test(raw) ? Number.parseInt(raw, 8) : String(raw)),
  expected: 'octal permissions in quotes, such as "644"',
  show: (value) => value.toString(8).padStart(3, "0")
})

/** `true` or `false`, spelt out. */
export const flag = (option: Common<boolean>): Option<boolean> => ({
  ...option,
  schema: Schema.Boolean,
  read: fromText((value) => (value === "true" ? true : value === "false" ? false : value)),
  expected: "true or false",
  show: String
})

/** One of a few words. */
export const choice = <const A extends string>(
  option: { readonly default: NoInfer<A>; readonly values: ReadonlyArray<A> } & Omit<Common<A>, "default">
): Option<A> => ({
  ...option,
  schema: Schema.Literals(option.values),
  read: (raw) => raw,
  expected: `one of ${option.values.join(", ")}`,
  show: String
})

/** An array in the file, comma separated elsewhere. */
export const patterns = (option: Common<ReadonlyArray<string>>): Option<ReadonlyArray<string>> => ({
  ...option,
  schema: Schema.Array(Schema.String.check(Schema.isPattern(/^[^/]+$/))),
  read: fromText((value) => value.split(",").filter((part) => part !== "")),
  expected: "a list of names without slashes, * and ? allowed",
  show: (value) => value.join(",")
})

const fromText =
  (parse: (value: string) => unknown) =>
  (raw: unknown): unknown =>
    typeof raw === "string" ? parse(raw.trim()) : raw

const units = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const

const durationOf = (value: string): unknown => {
  const [, amount, unit] = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\s*$/.exec(value) ?? []
  if (amount === undefined || unit === undefined) return value
  return Math.round(Number(amount) * units[unit as keyof typeof units])
}

const showDuration = (milliseconds: number): string => {
  const [unit, length] = Object.entries(units).findLast(([, size]) => milliseconds % size === 0) ?? ["ms", 1]
  return milliseconds === 0 ? "0s" : `${milliseconds / length}${unit}`
}

const showSize = (bytes: number): string => {
  let [value, unit] = [bytes, "B"]
  for (const next of ["KiB", "MiB", "GiB", "TiB", "PiB"]) {
    if (value < 1024 || value % 1024 !== 0) break
    value /= 1024
    unit = next
  }
  return `${value}${unit}`
}

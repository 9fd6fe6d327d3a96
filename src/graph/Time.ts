/** RFC 3339 times as Graph writes them: UTC, none to seven fraction digits, now and then without the `Z`. */
import { Option, Schema, SchemaTransformation } from "effect"
import type { Time } from "./DriveItem.ts"

const pattern = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?$/

/** None for what is no time. Digits past the ninth do not occur; a missing zone means UTC. */
export const parseTime = (text: string): Option.Option<Time> => {
  const match = pattern.exec(text)
  if (match === null) return Option.none()
  const millis = Date.parse(`${match[1] ?? ""}${match[3] ?? "Z"}`)
  if (Number.isNaN(millis)) return Option.none()
  return Option.some({ sec: millis / 1000, nsec: Number((match[2] ?? "").padEnd(9, "0")) })
}

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: the years RFC 3339 and Graph's Edm.DateTimeOffset can express. */
const earliest = -62_135_596_800
const latest = 253_402_300_799

/** Truncates to 100 ns, Graph's finest, and clamps to the years 1 to 9999. */
export const formatTime = (time: Time): string => {
  const clamped = Math.min(Math.max(time.sec, earliest), latest)
  const fraction =
    clamped === time.sec
      ? String(Math.floor(time.nsec / 100))
          .padStart(7, "0")
          .replace(/0+$/, "")
      : ""
  const seconds = new Date(clamped * 1000).toISOString().slice(0, 19)
  return fraction === "" ? `${seconds}Z` : `${seconds}.${fraction}Z`
}

const TimeValue = Schema.Struct({ sec: Schema.Int, nsec: Schema.Int })

/** An RFC 3339 time of the wire as `Time`. */
export const Timestamp = Schema.String.check(
  Schema.makeFilter((text) => Option.isSome(parseTime(text)), { expected: "an RFC 3339 time" })
).pipe(
  Schema.decodeTo(
    TimeValue,
    SchemaTransformation.transform({
      decode: (text) => Option.getOrElse(parseTime(text), () => ({ sec: 0, nsec: 0 })),
      encode: formatTime
    })
  )
)

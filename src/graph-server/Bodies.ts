/** JSON bodies that clients send, lenient as the service is: unknown properties are ignored, empty ones count as absent. */
import { Effect, Schema } from "effect"
import { type ApiError, attempt, invalidRequest } from "./ApiError.ts"
import type { Call } from "./Call.ts"
import type { ConflictBehavior, ItemTimes } from "./Change.ts"

const Text = Schema.optionalKey(Schema.NullOr(Schema.String))

const FileSystemInfo = Schema.Struct({
  createdDateTime: Text,
  lastModifiedDateTime: Text,
  lastAccessedDateTime: Text
})

const common = {
  fileSystemInfo: Schema.optionalKey(Schema.NullOr(FileSystemInfo)),
  "@microsoft.graph.conflictBehavior": Text,
  "@name.conflictBehavior": Text
}

/** POST children: a folder, or a shortcut. */
export const CreateBody = Schema.Struct({
  ...common,
  name: Schema.String,
  folder: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))),
  remoteItem: Schema.optionalKey(
    Schema.NullOr(Schema.Struct({ id: Schema.String, parentReference: Schema.Struct({ driveId: Schema.String }) }))
  )
})

/** PATCH of an item, copy and restore. */
export const PatchBody = Schema.Struct({
  ...common,
  name: Text,
  description: Text,
  parentReference: Schema.optionalKey(Schema.NullOr(Schema.Struct({ id: Text, path: Text, driveId: Text })))
})

const SessionItem = Schema.Struct({ ...common, fileSize: Schema.optionalKey(Schema.NullOr(Schema.Natural)) })

/** The item's properties come in an `item` wrapper or without. */
export const SessionBody = Schema.Struct({
  ...SessionItem.fields,
  item: Schema.optionalKey(Schema.NullOr(SessionItem)),
  deferCommit: Schema.optionalKey(Schema.NullOr(Schema.Boolean))
})

/** PUT of an item whose content comes from an upload session. */
export const SourceBody = Schema.Struct({ ...common, name: Text, "@microsoft.graph.sourceUrl": Text })

interface CommonBody {
  readonly fileSystemInfo?: typeof FileSystemInfo.Type | null
  readonly "@microsoft.graph.conflictBehavior"?: string | null
  readonly "@name.conflictBehavior"?: string | null
}

/** Null and empty are how some clients spell absent. */
export const given = (text: string | null | undefined): string | undefined =>
  text === null || text === "" ? undefined : text

/** conflictBehavior from the body, in its old or new spelling, or from the query. */
export const conflictOf = (
  call: Call,
  body: CommonBody,
  fallback: ConflictBehavior
): Effect.Effect<ConflictBehavior, ApiError> =>
  attempt(() => {
    const value =
      given(body["@microsoft.graph.conflictBehavior"]) ??
      given(body["@name.conflictBehavior"]) ??
      given(call.query.get("@microsoft.graph.conflictbehavior")) ??
      given(call.query.get("@name.conflictbehavior")) ??
      fallback
    if (value === "fail" || value === "rename" || value === "replace") return value
    throw invalidRequest("conflictBehavior has to be fail, rename or replace.", "invalidParameterFormat")
  })

const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/
/** What Edm.DateTimeOffset can say: the years 1 to 9999, in UTC. */
const firstTime = Date.parse("0001-01-01T00:00:00Z")
const lastTime = Date.parse("9999-12-31T23:59:59.999Z")

/** Date.parse takes 30 February for 1 March. */
const isCalendarDay = (day: string): boolean => {
  const start = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(start) && new Date(start).toISOString().startsWith(day)
}

/** Milliseconds since the epoch; undefined for what is no date and time of the years 1 to 9999. */
export const parseDateTime = (text: string): number | undefined => {
  const millis = dateTime.test(text) && isCalendarDay(text.slice(0, 10)) ? Date.parse(text) : Number.NaN
  return millis >= firstTime && millis <= lastTime ? millis : undefined
}

/** The same for a property that may be absent; throws 400 for what is no date and time. */
export const timeOf = (field: string, text: string | null | undefined): number | undefined => {
  const value = given(text)
  if (value === undefined) return undefined
  const millis = parseDateTime(value)
  if (millis === undefined) throw invalidRequest(`${field} is not a date and time.`, "invalidParameterFormat")
  return millis
}

/** fileSystemInfo of a body; 400 for what is no date and time of the years 1 to 9999. */
export const timesOf = ({ fileSystemInfo }: CommonBody): Effect.Effect<ItemTimes, ApiError> =>
  attempt(() => ({
    created: timeOf("fileSystemInfo.createdDateTime", fileSystemInfo?.createdDateTime),
    modified: timeOf("fileSystemInfo.lastModifiedDateTime", fileSystemInfo?.lastModifiedDateTime)
  }))

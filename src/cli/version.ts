/** The version of this program, from its package.json. */
import { readFileSync } from "node:fs"
import { Schema } from "effect"

const Package = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

/** Two folders up from `src/cli` and from `dist/cli` alike. */
export const { version } = Schema.decodeSync(Package)(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8")
)

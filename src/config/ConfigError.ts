/** Why the configuration cannot be used. */
import { Schema } from "effect"

/** Everything that is wrong with a configuration, at once. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  /** `Unreadable`: the file is missing or cannot be read. `Syntax`: not TOML. `Invalid`: keys or values are refused. */
  reason: Schema.Literals(["Unreadable", "Syntax", "Invalid"]),
  /** One sentence each: source, key, value, what is accepted. */
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return this.problems.join("\n")
  }
}

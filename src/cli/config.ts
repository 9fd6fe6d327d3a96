/** `onemount config`. */
import { Console, Effect } from "effect"
import { defaultFile, describe, load } from "../config/Config.ts"
import type { ConfigOptions } from "./commands.ts"
import { orUsage, sourcesOf } from "./settings.ts"

export const configCommand = Effect.fn("cli.config")(function* (options: ConfigOptions) {
  const sources = sourcesOf(options)
  const resolved = yield* orUsage(load(sources))
  yield* Console.log(
    `# ${sources.file ?? sources.env["ONEMOUNT_CONFIG"] ?? defaultFile(sources.env)}\n${describe(resolved)}`
  )
})

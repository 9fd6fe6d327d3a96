/**
 * Log lines: `2026-11-20T13:10:38.123Z INFO  message key=value`, to standard error or a file. The level is asked for
 * per line, so that a reload of the configuration changes it at once.
 */
import { Cause, Effect, Layer, Logger, LogLevel, References, SubscriptionRef } from "effect"
import { accessSync, appendFileSync, constants, fstatSync, renameSync, statSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import { Config, ConfigError } from "../config/Config.ts"
import { makePrivateDirectory } from "../platform/Directories.ts"
import { expandHome } from "../platform/Paths.ts"

const levels = { trace: "Trace", debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const

/** A log file that grew beyond this many bytes is kept as `.1` and begun anew. */
const rotateAt = 10 * 1024 * 1024

const text = (part: unknown): string => {
  if (typeof part === "string") return part
  if (Cause.isCause(part)) return Cause.pretty(part)
  if (part instanceof Error) return part.stack ?? part.message
  return JSON.stringify(part)
}

/** The message with its cause, then the annotations of the fiber. */
export const formatLine = Logger.make(({ cause, date, logLevel, message, fiber }): string => {
  const parts = (Array.isArray(message) ? message : [message]).map(text)
  if (cause.reasons.length > 0) parts.push(Cause.pretty(cause))
  const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations))
  const pairs = annotations.map(([key, value]) => `${key}=${text(value)}`)
  return [date.toISOString(), logLevel.toUpperCase().padEnd(5), ...parts, ...pairs].join(" ")
})

const fileSink = (path: string): ((line: string) => void) => {
  makePrivateDirectory(dirname(path))
  // Made with the first line: nothing is to be left of a start that is refused.
  const before = statSync(path, { throwIfNoEntry: false })
  accessSync(before === undefined ? dirname(path) : path, constants.W_OK)
  let size = before?.size ?? 0
  return (line) => {
    if (size > rotateAt) {
      renameSync(path, `${path}.1`)
      size = 0
    }
    appendFileSync(path, `${line}\n`, { mode: 0o600 })
    size += Buffer.byteLength(line) + 1
  }
}

/** Node would close its stream for good after one failed write to a file. */
const standardError = (): ((line: string) => void) => {
  if (fstatSync(2).isFile()) return (line) => void writeSync(2, `${line}\n`)
  // Whoever read our pipe may go away; without a listener that would end the process.
  process.stderr.on("error", () => undefined)
  return (line) => void process.stderr.write(`${line}\n`)
}

/** A full disk or a log that was taken away must not stop what is logged about. */
const tolerant =
  (write: (line: string) => void) =>
  (line: string): void => {
    try {
      write(line)
    } catch {
      // There is nowhere left to tell.
    }
  }

const sinkOf = (path: string): Effect.Effect<(line: string) => void, ConfigError> =>
  Effect.try({
    try: () => tolerant(path === "" ? standardError() : fileSink(path)),
    catch: (cause) => {
      const problem = cause instanceof Error ? cause.message : String(cause)
      return new ConfigError({ reason: "Invalid", problems: [`log.file: ${path} cannot be written: ${problem}`] })
    }
  })

/** Replaces the default logger for everything above. */
export const layer: Layer.Layer<never, ConfigError, Config> = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* Config
    const { log } = yield* config.current
    const write = yield* sinkOf(expandHome(process.env, log.file))
    const logger = Logger.make((options) => {
      const level = levels[SubscriptionRef.getUnsafe(config.values).log.level]
      if (LogLevel.isGreaterThanOrEqualTo(options.logLevel, level)) write(formatLine.log(options))
    })
    return Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Trace"))
  })
)

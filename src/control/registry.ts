/**
 * The registry of running mounts of one user: a private directory with one JSON file and one socket per mount. An
 * entry is as good as its process; entries of processes that are gone are removed by whoever reads them.
 */
import { createHash } from "node:crypto"
import { chmodSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Option, Schema } from "effect"
import { makePrivateDirectory } from "../platform/Directories.ts"
import { type Environment, isWithin, runtimeDirectory } from "../platform/Paths.ts"
import { isAlive } from "../platform/Processes.ts"

/** A running mount; paths are absolute. */
export const Entry = Schema.Struct({
  mountpoint: Schema.String,
  pid: Schema.Int,
  /** With the pid it names the process for all time, see platform/Processes. */
  startTime: Schema.String,
  socket: Schema.String,
  cacheDirectory: Schema.String
})
export type Entry = typeof Entry.Type

/** There is no safe place for the socket. */
export class RegistryError extends Schema.TaggedError<RegistryError>()("RegistryError", {
  /** `Unsafe`: the directory belongs to somebody else. `Unusable`: it cannot be made or written. */
  reason: Schema.Literals(["Unsafe", "Unusable"]),
  message: Schema.String
}) {}

/** sockaddr_un has 108 bytes with the final zero (unix(7)). */
const longestSocketPath = 107

/** Names are hashes because mountpoints are longer than socket addresses may be. */
const nameOf = (mountpoint: string): string => createHash("sha256").update(mountpoint).digest("hex").slice(0, 16)

/** Both sides derive the same directory; a runtime directory too deep for socket addresses is passed over. */
export const directory = (env: Environment): string => {
  const preferred = runtimeDirectory(env)
  const fits = join(preferred, `${nameOf("")}.sock`).length <= longestSocketPath
  return fits ? preferred : runtimeDirectory({})
}

const decodeEntry = Schema.decodeUnknownOption(Schema.fromJsonString(Entry))

/** Makes the directory, and refuses one that somebody else could have prepared (/tmp is everybody's). */
const ensure = (path: string): Effect.Effect<void, RegistryError> =>
  Effect.try({
    try: () => {
      makePrivateDirectory(path)
      return lstatSync(path)
    },
    catch: (cause) => unusable(path, cause)
  }).pipe(
    Effect.flatMap((stat) =>
      stat.isDirectory() && stat.uid === process.getuid?.()
        ? Effect.try({ try: () => chmodSync(path, 0o700), catch: (cause) => unusable(path, cause) })
        : Effect.fail(
            new RegistryError({
              reason: "Unsafe",
              message: `${path} belongs to another user. Set XDG_RUNTIME_DIR to a private directory, or remove it.`
            })
          )
    )
  )

const unusable = (path: string, cause: unknown): RegistryError =>
  new RegistryError({
    reason: "Unusable",
    message:
      `cannot use ${path} for the socket of the mount (${cause instanceof Error ? cause.message : String(cause)}): ` +
      "set XDG_RUNTIME_DIR to a directory of your own"
  })

/** Where the mount's socket is, whether it exists or not. */
export const socketPath = (env: Environment, mountpoint: string): string =>
  join(directory(env), `${nameOf(mountpoint)}.sock`)

/** Prepares the directory for the mount's socket; a dead predecessor's socket is removed. */
export const prepare = Effect.fn("registry.prepare")(function* (env: Environment, mountpoint: string) {
  yield* ensure(directory(env))
  const socket = socketPath(env, mountpoint)
  yield* Effect.sync(() => rmSync(socket, { force: true }))
  return socket
})

/** Publishes the entry for the life of the scope. */
export const register = Effect.fn("registry.register")(function* (env: Environment, entry: Entry) {
  const file = join(directory(env), `${nameOf(entry.mountpoint)}.json`)
  const write = Effect.try({
    try: () => {
      // Readers see all of it or nothing.
      writeFileSync(`${file}.new`, JSON.stringify(entry), { mode: 0o600 })
      renameSync(`${file}.new`, file)
    },
    catch: (cause) => unusable(file, cause)
  })
  yield* Effect.acquireRelease(write, () => Effect.sync(() => rmSync(file, { force: true })))
})

/** Running mounts in order of their mountpoints. */
export const list = (env: Environment): Effect.Effect<ReadonlyArray<Entry>> =>
  Effect.sync(() => {
    const path = directory(env)
    return readNames(path)
      .filter((name) => name.endsWith(".json"))
      .flatMap((name) => {
        const entry = Option.flatMap(readText(join(path, name)), decodeEntry)
        if (Option.isSome(entry) && isAlive(entry.value)) return [entry.value]
        rmSync(join(path, name), { force: true })
        rmSync(join(path, `${name.slice(0, -".json".length)}.sock`), { force: true })
        return []
      })
      .sort((a, b) => (a.mountpoint < b.mountpoint ? -1 : 1))
  })

/** No directory: nothing was ever mounted. */
const readNames = (path: string): ReadonlyArray<string> => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

const readText = (path: string): Option.Option<string> => {
  try {
    return Option.some(readFileSync(path, "utf8"))
  } catch {
    return Option.none()
  }
}

/** The mount at or above `path`; looks at names only and never touches the mount. */
export const containing = (entries: ReadonlyArray<Entry>, path: string): Entry | undefined =>
  entries
    .filter((entry) => isWithin(entry.mountpoint, path))
    .sort((a, b) => b.mountpoint.length - a.mountpoint.length)[0]

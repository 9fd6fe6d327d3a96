/**
 * Where things of ours live on this machine: the XDG Base Directory Specification, with its fallbacks, and a private
 * runtime directory where XDG_RUNTIME_DIR is not set.
 */
import { userInfo } from "node:os"
import { isAbsolute, join } from "node:path"

/** What the answers are derived from; `process.env` in the program, a plain record in tests. */
export interface Environment {
  readonly [name: string]: string | undefined
}

/** The user database's answer; a container may run us as a user that it does not know. */
const homeOfUser = (): string => {
  try {
    return userInfo().homedir
  } catch {
    return ""
  }
}

/** The home directory: HOME, or the user database's where that is empty or relative; without either, the root as in login(1). */
export const home = (env: Environment): string => {
  const fromEnv = env["HOME"]
  return fromEnv !== undefined && isAbsolute(fromEnv) ? fromEnv : homeOfUser() || "/"
}

/** The specification: relative paths in these variables are invalid and to be ignored. */
const base = (env: Environment, variable: string, fallback: string): string => {
  const value = env[variable]
  return value !== undefined && isAbsolute(value) ? value : join(home(env), fallback)
}

/** Configuration files of ours. */
export const configDirectory = (env: Environment): string => join(base(env, "XDG_CONFIG_HOME", ".config"), "onemount")
/** What can be made again from the server, and unsent changes with it. */
export const cacheDirectory = (env: Environment): string => join(base(env, "XDG_CACHE_HOME", ".cache"), "onemount")

/** Sockets and registry files of running mounts; emptied by the system when the user logs out. */
export const runtimeDirectory = (env: Environment): string => {
  const value = env["XDG_RUNTIME_DIR"]
  return value !== undefined && isAbsolute(value) ? join(value, "onemount") : `/tmp/onemount-${process.getuid?.() ?? 0}`
}

/** `~` and `~/x` as a shell reads them; everything else as it is. */
export const expandHome = (env: Environment, path: string): string =>
  path === "~" ? home(env) : path.startsWith("~/") ? join(home(env), path.slice(2)) : path

/** Is `path` the directory `parent` or below it? Both absolute and normalised. */
export const isWithin = (parent: string, path: string): boolean =>
  path === parent || path.startsWith(parent === "/" ? "/" : `${parent}/`)

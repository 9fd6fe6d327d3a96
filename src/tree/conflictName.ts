/** The name under which a local item moves aside when the server needs its name for another one. */
import { hostname } from "node:os"
import { Context } from "effect"

/** Name of this machine in conflict names. */
export const HostName = Context.Reference<string>("onemount/tree/HostName", { defaultValue: () => hostname() })

/**
 * `<stem> (conflict HOST YYYY-MM-DD HHMM)<ext>`, in local time. `now` in milliseconds since the epoch. The extension is
 * what follows the last dot, unless that is the first character of the name. The result has at most 255 characters.
 */
export const conflictName = (name: string, host: string, now: number): string => {
  const dot = name.lastIndexOf(".")
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""]
  const suffix = ` (conflict ${safe(host)} ${stamp(new Date(now))})${extension}`
  return stem.slice(0, Math.max(1, 255 - suffix.length)) + suffix
}

/** The name itself, or with ` 2`, ` 3`, ... before its extension until `taken` says it is free. */
export const freeName = (name: string, taken: (name: string) => boolean): string => {
  const dot = name.lastIndexOf(".")
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""]
  let candidate = name
  for (let copy = 2; taken(candidate); copy++) candidate = `${stem} ${copy}${extension}`
  return candidate
}

const two = (value: number): string => String(value).padStart(2, "0")

const stamp = (time: Date): string => {
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${date} ${two(time.getHours())}${two(time.getMinutes())}`
}

/** Without the characters OneDrive refuses in names (support.microsoft.com, "Restrictions and limitations"). */
const safe = (host: string): string => host.replace(/["*:<>?/\\|]/g, "-").slice(0, 64)

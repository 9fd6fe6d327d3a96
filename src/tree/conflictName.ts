/** The name under which a local item moves aside when the server needs its name for another one. */
import { hostname } from "node:os"
import { Context } from "effect"

/** Name of this machine in conflict names. */
export const HostName = Context.Reference<string>("onemount/tree/HostName", { defaultValue: () => hostname() })

/** Of a name at OneDrive, in UTF-16 units (support.microsoft.com, "Restrictions and limitations"). */
const longestName = 255
/** What follows a dot and is longer is no extension, and may be cut like any other part. */
const longestExtension = 32
const longestHost = 64

/**
 * `<stem> (conflict HOST YYYY-MM-DD HHMM)<ext>`, in local time. `now` in milliseconds since the epoch. The extension is
 * what follows the last dot, unless that is the first character of the name or more than 32 characters come after it.
 * The result has at most 255 characters: the stem is cut, between characters and without leaving blanks at its end.
 */
export const conflictName = (name: string, host: string, now: number): string => {
  const [stem, extension] = split(name)
  return fit(stem, `(conflict ${safe(host)} ${stamp(new Date(now))})${extension}`)
}

/** The name itself, or with ` 2`, ` 3`, ... before its extension until `taken` says it is free; at most 255 characters. */
export const freeName = (name: string, taken: (name: string) => boolean): string => {
  const [stem, extension] = split(name)
  let candidate = name
  for (let copy = 2; taken(candidate); copy++) candidate = fit(stem, `${copy}${extension}`)
  return candidate
}

const split = (name: string): readonly [stem: string, extension: string] => {
  const dot = name.lastIndexOf(".")
  return dot > 0 && name.length - dot - 1 <= longestExtension ? [name.slice(0, dot), name.slice(dot)] : [name, ""]
}

/** The server refuses names that begin with a blank: a stem of blanks is left out. */
const fit = (stem: string, suffix: string): string => {
  const start = cut(stem, longestName - 1 - suffix.length).trimEnd()
  return start === "" ? suffix : `${start} ${suffix}`
}

/** At most `length` UTF-16 units, whole characters only (a lone half would be lost on its way to the server). */
const cut = (text: string, length: number): string => {
  const last = text.charCodeAt(length - 1)
  const isHalf = text.length > length && last >= 0xd800 && last <= 0xdbff
  return text.slice(0, isHalf ? length - 1 : length)
}

const two = (value: number): string => String(value).padStart(2, "0")

const stamp = (time: Date): string => {
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${date} ${two(time.getHours())}${two(time.getMinutes())}`
}

/** Without the characters OneDrive refuses in names (support.microsoft.com, "Restrictions and limitations"). */
const safe = (host: string): string => cut(host.replace(/["*:<>?/\\|]/g, "-"), longestHost)

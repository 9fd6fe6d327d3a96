/**
 * Which names may be created here. OneDrive refuses more names than Linux does; a name it would refuse is refused at
 * once, with a reason a person can act on, instead of becoming a file that can never be uploaded. Names of editors'
 * and desktops' scratch files are exempt: they stay on this machine (`localOnly`).
 *
 * Rules: Microsoft, "Restrictions and limitations in OneDrive and SharePoint" (invalid file names, path length).
 */
import { Schema } from "effect"
import type { FsErrorReason } from "./FsError.ts"

/** A pattern of local-only names: `*` is any run of characters, `?` one character, everything else itself. */
export const LocalPattern = Schema.String.check(
  Schema.makeFilter((pattern) =>
    pattern !== "" && !pattern.includes("/") ? undefined : "a pattern names one path segment: not empty, without '/'"
  )
)

/** Lock, scratch and trash names of desktops and editors that never go to the server. */
export const builtinLocalPatterns: ReadonlyArray<string> = [
  ".~lock.*",
  "~$*",
  ".goutputstream-*",
  ".Trash-*",
  "*.swp",
  ".*.sw?"
]

/** Why a name is refused. */
export interface NameRefusal {
  readonly reason: Extract<FsErrorReason, "NameInvalid" | "NameTooLong" | "PathTooLong">
  readonly detail: string
}

/** Linux's NAME_MAX in bytes and OneDrive's limit in UTF-16 units for one path segment. */
export const maxNameLength = 255
/** OneDrive's limit for the decoded path from the drive's root, in UTF-16 units, without the leading slash. */
export const maxPathLength = 400

const forbiddenCharacters = /["*:<>?/\\|]|\p{Cc}/u
const reservedNames = new Set([".lock", "desktop.ini"])
const reservedDevice = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i

/** What a path segment has to be on Linux and in a Unicode store, whoever keeps it. */
export const refuseSegment = (name: string): NameRefusal | undefined => {
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\u0000")) {
    return { reason: "NameInvalid", detail: `${JSON.stringify(name)} is not a file name` }
  }
  if (name.length > maxNameLength || Buffer.byteLength(name) > maxNameLength) {
    return { reason: "NameTooLong", detail: `a name may have at most ${maxNameLength} bytes` }
  }
  // The replacement character is what names that are not UTF-8 decode to: two such names would become one.
  if (/[\p{Surrogate}\ufffd]/u.test(name)) {
    return { reason: "NameInvalid", detail: "the name is not valid UTF-8" }
  }
  return undefined
}

/** What OneDrive refuses in a name, whatever folder it is in. */
export const refuseRemoteName = (name: string): NameRefusal | undefined => {
  const character = forbiddenCharacters.exec(name)?.[0]
  if (character !== undefined) return because(`OneDrive does not allow ${describe(character)} in names`)
  if (name.startsWith(" ")) return because("OneDrive does not allow names that begin with a space")
  if (name.endsWith(" ")) return because("OneDrive does not allow names that end with a space")
  if (name.endsWith(".")) return because("OneDrive does not allow names that end with a period")
  if (name.startsWith("~$")) return because("OneDrive does not allow names that begin with ~$")
  if (reservedNames.has(name.toLowerCase()) || reservedDevice.test(name)) {
    return because(`OneDrive reserves the name ${name}`)
  }
  if (name.toLowerCase().includes("_vti_")) return because("OneDrive reserves names with _vti_")
  return undefined
}

/** Refuses a path, given with or without its leading slash, that is longer than OneDrive accepts. */
export const refusePath = (path: string): NameRefusal | undefined => {
  const length = path.startsWith("/") ? path.length - 1 : path.length
  return length > maxPathLength
    ? { reason: "PathTooLong", detail: `the path has ${length} characters, OneDrive allows ${maxPathLength}` }
    : undefined
}

/** Compiles local-only patterns, the built-in ones included. Matching ignores case, as the server does. */
export const localNames = (patterns: ReadonlyArray<string>): ((name: string) => boolean) => {
  const sources = [...builtinLocalPatterns, ...patterns].map(
    (pattern) =>
      `(?:${pattern
        .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
        .replaceAll("*", ".*")
        .replaceAll("?", ".")})`
  )
  const expression = new RegExp(`^(?:${sources.join("|")})$`, "is")
  return (name) => expression.test(name)
}

const because = (detail: string): NameRefusal => ({ reason: "NameInvalid", detail })

const describe = (character: string): string => (/\p{Cc}/u.test(character) ? "control characters" : character)

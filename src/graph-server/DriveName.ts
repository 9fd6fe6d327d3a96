/** Names as OneDrive rules them (Microsoft support, "Restrictions and limitations in OneDrive and SharePoint"). */
import { invalidRequest } from "./ApiError.ts"
import type { DriveKind } from "./ItemTags.ts"

/** In UTF-16 code units, as the service counts. */
export const maxNameLength = 255
/** Characters of a path, from the root down, with the slashes between its names (SharePoint limits). */
export const maxPathLength = 400

const forbiddenCharacters = /["*:<>?/\\|]|\p{Cc}/u
const forbiddenNames = /^(\.lock|con|prn|aux|nul|com[0-9]|lpt[0-9]|desktop\.ini)$/i

/** Why a name cannot be given to an item; undefined for a good one. */
export const nameProblem = (name: string): string | undefined => {
  if (name === "" || name === "." || name === "..") return "The provided name cannot be empty or a dot segment."
  if (name.length > maxNameLength) return `The provided name is longer than ${maxNameLength} characters.`
  if (forbiddenCharacters.test(name))
    return 'The provided name cannot contain " * : < > ? / \\ | or control characters.'
  if (/\p{Surrogate}/u.test(name)) return "The provided name is not valid Unicode."
  if (name.startsWith(" ") || /[ .]$/.test(name))
    return "The provided name cannot start with a space or end with a space or dot."
  if (forbiddenNames.test(name) || name.startsWith("~$") || name.toLowerCase().includes("_vti_")) {
    return `The provided name "${name}" is reserved.`
  }
  return undefined
}

/**
 * Throws 400 invalidRequest with the reason, or 400 with inner code pathIsTooLong. The length of the parent's path counts
 * a slash before each name, so it is 0 for the root.
 */
export const checkName = (name: string, parentPathLength: number, kind: DriveKind): void => {
  // Libraries keep their web pages there.
  const isForms = kind === "business" && parentPathLength === 0 && name.toLowerCase() === "forms"
  const problem = isForms ? `The provided name "${name}" is reserved.` : nameProblem(name)
  if (problem !== undefined) throw invalidRequest(problem, "invalidParameterFormat")
  // The slash before the first name does not count.
  if (parentPathLength + name.length > maxPathLength) {
    throw invalidRequest(`The path would be longer than ${maxPathLength} characters.`, "pathIsTooLong")
  }
}

const ascii = /^[\u0020-\u007e]*$/

/** Simple upper-casing, one code point for one: names that fold alike are the same name in a folder. No normalisation. */
export const foldName = (name: string): string => {
  if (ascii.test(name)) return name.toUpperCase()
  let folded = ""
  for (const character of name) {
    const upper = character.toUpperCase()
    folded += upper.length === character.length ? upper : character
  }
  return folded
}

/** "a.txt" -> "a 1.txt", "a 2.txt", ...: the first that `taken` does not know. Folders have no extension. */
export const freeName = (name: string, isFolder: boolean, taken: (name: string) => boolean): string => {
  const dot = isFolder ? -1 : name.lastIndexOf(".")
  const stem = dot > 0 ? name.slice(0, dot) : name
  const extension = dot > 0 ? name.slice(dot) : ""
  for (let n = 1; ; n++) {
    const candidate = `${stem} ${n}${extension}`
    if (!taken(candidate)) return candidate
  }
}

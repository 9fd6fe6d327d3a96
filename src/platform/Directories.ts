/** Making directories of ours. */
import { mkdirSync, statSync } from "node:fs"
import { dirname } from "node:path"

/**
 * Makes `path` and what is missing above it, for the owner only; an existing directory stays as it is. Throws what
 * mkdir(2) and stat(2) report. Used in place of Node's `recursive`, which never returns where a filesystem answers
 * ENOENT to a mkdir in an existing directory, as /proc does.
 */
export const makePrivateDirectory = (path: string): void => {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return
  const parent = dirname(path)
  if (parent !== path) makePrivateDirectory(parent)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (cause) {
    // Made by somebody else meanwhile; a file in its place is an error.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw cause
  }
}

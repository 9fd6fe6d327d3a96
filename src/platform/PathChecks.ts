/** Questions about a path where an error is an answer, too. */
import { accessSync, readlinkSync } from "node:fs"

/** Links that are followed before a path counts as a loop, as path_resolution(7) has it. */
export const longestLinkChain = 40

/** Whether this process may use `path` so; `mode` as in access(2), by the real user's rights. */
export const accessible = (path: string, mode: number): boolean => {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

/** What the symbolic link at `path` says; undefined for anything else, and where nothing can be read. */
export const linkTarget = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

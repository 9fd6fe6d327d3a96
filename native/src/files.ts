import { binding } from "./binding.ts"
import { failure } from "./errors.ts"
import { checkInteger, checkPath } from "./validate.ts"

/** Of the libfuse in use, which is linked into the addon where its archive was found. */
export const libfuseVersion = (): string => binding.libfuseVersion()

export interface QuickXorHash {
  /** 160 bits in base64, 28 characters. */
  readonly hash: string
  /** Bytes hashed: `length`, or less when the file is shorter. */
  readonly length: number
}

/**
 * QuickXorHash of bytes [0, length) of a file, computed off the JavaScript thread; without `length` up to its end.
 * A descriptor is read by position, its file offset stays, and it has to stay open meanwhile. Rejects with FuseError.
 */
export const quickXorHashFile = async (path: string | number, length?: number): Promise<QuickXorHash> => {
  const fd = typeof path === "number" ? checkInteger("quickXorHashFile", "fd", path, 0, 2 ** 31 - 1) : -1
  const name = typeof path === "number" ? "" : checkPath("quickXorHashFile", path)
  const limit = length === undefined ? Number.MAX_SAFE_INTEGER : checkInteger("quickXorHashFile", "length", length)
  const result = await binding.quickXorHashFile(name, fd, limit)
  if (typeof result === "number") throw failure(-result, "quickXorHashFile", String(path))
  return { hash: result[0], length: result[1] }
}

/**
 * Makes sure that nobody else has the file of this name open, by giving the name a copy (on the disk when it resolves)
 * when somebody has. Does nothing when there is no such file, or where leases (fcntl(2), F_SETLEASE) do not tell.
 * Resolves with whether it was copied; rejects with FuseError.
 */
export const ownFile = async (path: string): Promise<boolean> => {
  const result = await binding.ownFile(checkPath("ownFile", path))
  if (result < 0) throw failure(-result, "ownFile", path)
  return result === 1
}

/** fsync(2) of a file or directory, off the JavaScript thread. Rejects with FuseError. */
export const syncFile = async (path: string): Promise<void> => {
  const result = await binding.syncFile(checkPath("syncFile", path))
  if (result < 0) throw failure(-result, "syncFile", path)
}

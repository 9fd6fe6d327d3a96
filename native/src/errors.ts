import { getSystemErrorName } from "node:util"

/** The symbolic name of a positive errno, `UNKNOWN_<n>` when the platform has none. */
export const errnoName = (errno: number): string => {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `UNKNOWN_${errno}`
  }
}

/** What every function of the binding throws or rejects with. */
export class FuseError extends Error {
  override readonly name = "FuseError"
  /** `"ENOENT"`, `"EINVAL"`, ... */
  readonly code: string
  /** Positive, as in errno(3). */
  readonly errno: number
  /** The function of the binding that failed. */
  readonly syscall: string

  constructor(errno: number, syscall: string, detail?: string) {
    const code = errnoName(errno)
    super(detail === undefined || detail === "" ? `${syscall}: ${code}` : `${syscall}: ${code}: ${detail}`)
    this.code = code
    this.errno = errno
    this.syscall = syscall
  }
}

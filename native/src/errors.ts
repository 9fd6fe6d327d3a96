/** What goes wrong, as classes: everything this package throws or rejects with is a FuseError. */
import { getSystemErrorName } from "node:util"
import type { RequestId } from "./types.ts"

/** The symbolic name of a positive errno, `UNKNOWN_<n>` when the platform has none. */
export const errnoName = (errno: number): string => {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `UNKNOWN_${errno}`
  }
}

/** A wrong value in a message. What an object says of itself may throw, so it is only called one. */
export const shown = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value)
  return typeof value === "function" || (typeof value === "object" && value !== null) ? typeof value : String(value)
}

const EEXIST = 17
const EINVAL = 22
const ENODEV = 19
const ENOENT = 2
const EMSGSIZE = 90

/** A call of this package that failed; as such, with the errno of the system call that the kernel or disk refused. */
export class FuseError extends Error {
  override readonly name: string = "FuseError"
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

/** EINVAL: an argument is not what it has to be, or a reply is not of the kind that its request takes. */
export class InvalidArgument extends FuseError {
  override readonly name = "InvalidArgument"

  constructor(syscall: string, detail: string) {
    super(EINVAL, syscall, detail)
  }
}

/** EMSGSIZE: more bytes than were asked for or than one call takes. */
export class TooLarge extends FuseError {
  override readonly name = "TooLarge"

  constructor(syscall: string, detail: string) {
    super(EMSGSIZE, syscall, detail)
  }
}

/** ENOENT: a reply to a request that is unknown or was answered before. It had no effect and was counted. */
export class StrayReply extends FuseError {
  override readonly name = "StrayReply"
  readonly id: RequestId

  constructor(syscall: string, id: RequestId) {
    super(ENOENT, syscall, `request ${shown(id)} is unknown or was answered before`)
    this.id = id
  }
}

/** ENODEV: the session or the content table has ended. */
export class Ended extends FuseError {
  override readonly name = "Ended"

  constructor(syscall: string) {
    super(ENODEV, syscall, "it has ended")
  }
}

/** EEXIST: an operation has a handler already. */
export class HandlerExists extends FuseError {
  override readonly name = "HandlerExists"

  constructor(op: string) {
    super(EEXIST, "handle", `${op} has a handler; remove it first`)
  }
}

/**
 * Runs what puts arguments into numbers. What is not there or no number at all throws InvalidArgument here, what is out of
 * range is refused by the addon.
 */
export const packing = <A>(syscall: string, pack: () => A): A => {
  try {
    return pack()
  } catch (cause) {
    throw cause instanceof FuseError ? cause : new InvalidArgument(syscall, String(cause))
  }
}

/** The error for what the addon returned: a positive errno. */
export const failure = (errno: number, syscall: string, detail?: string): FuseError => {
  if (errno === ENODEV) return new Ended(syscall)
  if (errno === EINVAL) return new InvalidArgument(syscall, detail ?? "an argument is out of range")
  if (errno === EMSGSIZE) return new TooLarge(syscall, detail ?? "too many bytes")
  return new FuseError(errno, syscall, detail)
}

/** The error for what the addon returned for a reply. */
export const replyFailure = (errno: number, syscall: string, id: RequestId): FuseError =>
  errno === ENOENT
    ? new StrayReply(syscall, id)
    : failure(errno, syscall, `request ${shown(id)} takes another kind of reply, or a value is out of range`)

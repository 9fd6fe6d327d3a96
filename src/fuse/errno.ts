/** The one table from what a filesystem call ended with to what the application sees (errno(3)). */
import { constants } from "node:os"
import type { FsErrorReason } from "../filesystem/FsError.ts"

const { errno } = constants

/** Numbers the kernel boundary itself answers with. */
export const EIO = errno.EIO
export const EINTR = errno.EINTR
export const ENOENT = errno.ENOENT
export const EINVAL = errno.EINVAL
export const EPERM = errno.EPERM
export const ERANGE = errno.ERANGE
export const ESTALE = errno.ESTALE
export const ENODEV = errno.ENODEV

const table: Record<FsErrorReason, number> = {
  NotFound: errno.ENOENT,
  Exists: errno.EEXIST,
  NotDirectory: errno.ENOTDIR,
  IsDirectory: errno.EISDIR,
  NotEmpty: errno.ENOTEMPTY,
  Loop: errno.ELOOP,
  CrossDevice: errno.EXDEV,
  NameInvalid: errno.EINVAL,
  NameTooLong: errno.ENAMETOOLONG,
  PathTooLong: errno.ENAMETOOLONG,
  NotPermitted: errno.EPERM,
  AccessDenied: errno.EACCES,
  ReadOnly: errno.EROFS,
  NotSupported: errno.EOPNOTSUPP,
  InvalidArgument: errno.EINVAL,
  NoAttribute: errno.ENODATA,
  NoSpace: errno.ENOSPC,
  FileTooLarge: errno.EFBIG,
  Busy: errno.EBUSY,
  Stale: errno.ESTALE,
  Offline: errno.ENETUNREACH,
  TimedOut: errno.ETIMEDOUT,
  Interrupted: errno.EINTR,
  Io: errno.EIO
}

/** Positive errno of a failed call. */
export const errnoOf = (reason: FsErrorReason): number => table[reason]

/** Checks of what users pass in: each throws an InvalidArgument that names the argument and what it has to be. */
import { InvalidArgument, shown, TooLarge } from "./errors.ts"
import { featureSwitches } from "./features.ts"
import type { ContentOptions, MountOptions, Notification, ShutdownOptions, Time, UnmountOptions } from "./types.ts"

/** Bytes of one store. */
const largestStore = 1 << 20

const refuse = (syscall: string, what: string, value: unknown): never => {
  throw new InvalidArgument(syscall, `${what}, got ${shown(value)}`)
}

export const checkInteger = (
  syscall: string,
  name: string,
  value: unknown,
  least = 0,
  most = Number.MAX_SAFE_INTEGER
): number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most
    ? value
    : refuse(syscall, `${name} has to be an integer from ${least} to ${most}`, value)

const checkString = (syscall: string, name: string, value: unknown): string =>
  typeof value === "string" && value !== "" && !value.includes("\0")
    ? value
    : refuse(syscall, `${name} has to be a string that is not empty and has no NUL`, value)

const checkFlag = (syscall: string, name: string, value: unknown): boolean =>
  value === undefined
    ? false
    : typeof value === "boolean"
      ? value
      : refuse(syscall, `${name} has to be a boolean`, value)

/** Longer than any mount. */
const longestTimeout = 1e9

const checkSeconds = (syscall: string, name: string, value: unknown): number =>
  typeof value === "number" && value >= 0 && value <= longestTimeout
    ? value
    : refuse(syscall, `${name} has to be seconds from 0 to ${longestTimeout}`, value)

export const checkObject = (syscall: string, value: unknown): void => {
  if (typeof value !== "object" || value === null) refuse(syscall, "options have to be an object", value)
}

export const checkErrno = (syscall: string, value: unknown): number => checkInteger(syscall, "errno", value, 1, 4095)

export const checkPath = (syscall: string, value: unknown): string => checkString(syscall, "path", value)

export const checkFunction = (syscall: string, name: string, value: unknown): void => {
  if (typeof value !== "function") refuse(syscall, `${name} has to be a function`, typeof value)
}

/** Most that one call takes, in bytes. */
const largestBytes = 64 << 20

export const checkBytes = (syscall: string, value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) return refuse(syscall, "bytes have to be a Uint8Array", typeof value)
  try {
    // Throws when there is no memory behind the view: detached, or shrunk below its end. Its length would just be 0.
    value.at(0)
  } catch {
    return refuse(syscall, "bytes must not be detached or resized away", "a view of nothing")
  }
  if (value.byteLength > largestBytes)
    throw new TooLarge(syscall, `${value.byteLength} bytes at once, ${largestBytes} are possible`)
  return value
}

export const checkTime = (syscall: string, name: string, value: Time): Time => {
  checkObject(syscall, value)
  checkInteger(syscall, `${name}.sec`, value.sec, Number.MIN_SAFE_INTEGER)
  checkInteger(syscall, `${name}.nsec`, value.nsec, 0, 999_999_999)
  return value
}

/** Longest read of a content at once, in bytes. */
export const checkLength = (syscall: string, value: unknown): number => {
  const length = checkInteger(syscall, "length", value)
  if (length > largestBytes) throw new TooLarge(syscall, `${length} bytes at once, ${largestBytes} are possible`)
  return length
}

/** A store writes what the page cache then holds: its range has to be one. The kernel ignores names it does not know. */
export const checkNotification = (notification: Notification): void => {
  const { kind } = notification
  if (kind === "store") {
    const { length } = checkBytes("notify", notification.bytes)
    checkInteger("notify", "offset", notification.offset)
    if (length > largestStore) refuse("notify", `bytes have to be at most ${largestStore}`, length)
  } else if (kind === "inode") {
    checkInteger("notify", "offset", notification.offset ?? 0)
    checkInteger("notify", "length", notification.length ?? 0)
  } else if (kind !== "entry" && kind !== "expire" && kind !== "delete") {
    refuse("notify", "kind has to be entry, expire, delete, inode or store", kind)
  }
}

export const checkKeys = (syscall: string, value: object, allowed: ReadonlyArray<string>): void => {
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) refuse(syscall, `options are ${allowed.join(", ")}`, key)
  }
}

export const checkMountOptions = (options: MountOptions): Required<MountOptions> => {
  checkObject("mount", options)
  checkKeys("mount", options, [
    "mountpoint",
    "fsName",
    "subtype",
    "allowOther",
    "readOnly",
    "threads",
    "queueLimit",
    "maxTransfer",
    "passthrough",
    "maxBackground",
    "features",
    "recordLimit",
    "kernelTimeouts"
  ])
  const { features = {} } = options
  checkObject("mount", features)
  checkKeys("mount", features, featureSwitches)
  for (const name of featureSwitches) checkFlag("mount", `features.${name}`, features[name])
  return {
    mountpoint: checkString("mount", "mountpoint", options.mountpoint),
    fsName: checkString("mount", "fsName", options.fsName),
    subtype: checkString("mount", "subtype", options.subtype),
    allowOther: checkFlag("mount", "allowOther", options.allowOther),
    readOnly: checkFlag("mount", "readOnly", options.readOnly),
    threads: checkInteger("mount", "threads", options.threads ?? 4, 1, 16),
    queueLimit: checkQueueLimit("mount", options.queueLimit),
    maxTransfer: checkInteger("mount", "maxTransfer", options.maxTransfer ?? 1 << 20, 4096, 1 << 20),
    passthrough: checkFlag("mount", "passthrough", options.passthrough ?? true),
    maxBackground: checkInteger("mount", "maxBackground", options.maxBackground ?? 64, 1, 1000),
    features,
    recordLimit: checkInteger("mount", "recordLimit", options.recordLimit ?? 400_000, 1000, 100_000_000),
    kernelTimeouts: checkSeconds("mount", "kernelTimeouts", options.kernelTimeouts ?? longestTimeout)
  }
}

/** Milliseconds up to an hour, whole ones. */
const checkLimit = (syscall: string, name: string, value: unknown): number =>
  Math.floor(
    typeof value === "number" && value >= 0 && value <= 3_600_000
      ? value
      : refuse(syscall, `${name} has to be milliseconds from 0 to 3600000`, value)
  )

/** The limit of a content table's queue. */
export const checkTableOptions = (options: { readonly queueLimit?: number; readonly writes?: object }): number => {
  checkObject("create", options)
  checkKeys("create", options, ["queueLimit", "writes"])
  return checkQueueLimit("create", options.queueLimit)
}

const checkQueueLimit = (syscall: string, value: unknown): number =>
  checkInteger(syscall, "queueLimit", value ?? 1000, 1, 100_000)

export const checkUnmountOptions = (options: UnmountOptions): Required<UnmountOptions> => {
  checkObject("unmount", options)
  checkKeys("unmount", options, ["deadline", "force"])
  return {
    deadline: checkLimit("unmount", "deadline", options.deadline),
    force: checkFlag("unmount", "force", options.force)
  }
}

export const checkShutdownOptions = (options: ShutdownOptions): Required<ShutdownOptions> => {
  checkObject("shutdown", options)
  checkKeys("shutdown", options, ["reason", "drain", "unmount", "force", "onEvent"])
  const { onEvent = () => undefined } = options
  checkFunction("shutdown", "onEvent", onEvent)
  return {
    reason: checkString("shutdown", "reason", options.reason ?? "shutdown"),
    drain: checkLimit("shutdown", "drain", options.drain ?? 0),
    unmount: checkLimit("shutdown", "unmount", options.unmount ?? 0),
    force: checkFlag("shutdown", "force", options.force),
    onEvent
  }
}

/** Ranges as a packed array: ascending, not empty, not touching, within the size. */
export const checkExtents = (name: string, extents: ReadonlyArray<number>, size: number): Float64Array => {
  if (!Array.isArray(extents) || extents.length % 2 !== 0) {
    return refuse("open", `${name} has to be an array of start, end pairs`, typeof extents)
  }
  let before = -1
  for (const edge of extents) {
    checkInteger("open", name, edge, 0, size)
    if (edge <= before) refuse("open", `${name} has to ascend without touching`, extents.join(","))
    before = edge
  }
  return Float64Array.from(extents)
}

export const checkContentOptions = (options: ContentOptions): void => {
  checkObject("open", options)
  checkKeys("open", options, [
    "path",
    "create",
    "size",
    "mtime",
    "valid",
    "dirty",
    "modified",
    "permitted",
    "generation"
  ])
  checkPath("open", options.path)
  checkFlag("open", "create", options.create)
  checkFlag("open", "modified", options.modified)
  checkFlag("open", "permitted", options.permitted)
  checkInteger("open", "size", options.size)
  checkTime("open", "mtime", options.mtime)
  checkInteger("open", "generation", options.generation)
}

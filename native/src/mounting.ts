/** The call that mounts: options in the order in which cpp/addon/session_functions.cpp reads them. */
import { binding } from "./binding.ts"
import type { MountFailure, NativeSession, NativeTable } from "./binding.ts"
import { failure } from "./errors.ts"
import { maskOf } from "./features.ts"
import type { checkMountOptions } from "./validate.ts"

const isFailure = (result: NativeSession | MountFailure): result is MountFailure => Array.isArray(result)

/** `scratch` is what fixed-size replies are passed through; both sides keep it. */
export const mountNative = (
  checked: ReturnType<typeof checkMountOptions>,
  table: NativeTable,
  scratch: Float64Array,
  onRequests: () => void
): NativeSession => {
  const native = binding.mount(
    checked.mountpoint,
    checked.fsName,
    checked.subtype,
    checked.allowOther,
    checked.readOnly,
    checked.threads,
    checked.queueLimit,
    checked.maxTransfer,
    scratch,
    table,
    onRequests,
    checked.passthrough,
    checked.maxBackground,
    maskOf(checked.features),
    checked.recordLimit,
    checked.kernelTimeouts
  )
  if (isFailure(native)) throw failure(-native[0], "mount", native[1].trim() || checked.mountpoint)
  return native
}

/** The n of a fault: how many seconds, or at which byte. */
import type { Quirks } from "./Exchange.ts"
import type { Fault, FaultAction } from "./Faults.ts"

/** The fault with its Retry-After, delay, lag or lifetime of so many seconds; undefined when it has none. */
export const withSeconds = (fault: Fault, seconds: number): Fault | undefined => {
  const action = lasting(fault.action, seconds)
  return action === undefined ? undefined : { ...fault, action }
}

const lasting = (action: FaultAction, seconds: number): FaultAction | undefined => {
  switch (action._tag) {
    case "Respond":
      if (action.headers?.["retry-after"] === undefined) return undefined
      return { ...action, headers: { ...action.headers, "retry-after": String(seconds) } }
    case "Delay":
      return { ...action, duration: seconds * 1000 }
    case "Quirk":
      return lastingQuirk(action.quirks, seconds * 1000)
    default:
      return undefined
  }
}

const timed = ["lag", "skew", "hashDelay", "subscriptionLifetime"] as const

const lastingQuirk = (quirks: Quirks, millis: number): FaultAction | undefined => {
  const name = timed.find((candidate) => quirks[candidate] !== undefined)
  if (name === undefined) return undefined
  const sign = Math.sign(quirks[name] ?? 1)
  return { _tag: "Quirk", quirks: { ...quirks, [name]: sign * millis } }
}

/** The fault at byte `at` of a body, or of what an upload session gets; undefined when it is at no byte. */
export const withBytes = (fault: Fault, at: number): Fault | undefined => {
  const { action } = fault
  switch (action._tag) {
    case "CutBody":
    case "TruncateBody":
      return { ...fault, action: { ...action, bytes: at } }
    case "CorruptByte":
      return { ...fault, action: { ...action, offset: at } }
    case "Quirk":
      if (action.quirks.endsSession !== true) return undefined
      return { ...fault, method: "PUT", fragment: ({ end }) => end >= at }
    default:
      return undefined
  }
}

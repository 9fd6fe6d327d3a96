/** What the actor writes and the test expects. */
import { pattern } from "../harness.ts"

export const film = pattern(5000)
export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

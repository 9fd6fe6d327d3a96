/**
 * Who works here comes first: sending contents shares the thread with the kernel's requests. While somebody changes
 * things and the thread is busy, contents trickle; a connection that is slow, not a thread that is busy, never slows
 * them down.
 */
import { Clock, Effect } from "effect"
import { makeThreadLoad } from "../platform/ThreadLoad.ts"
import type { Tree } from "../tree/Tree.ts"

/** Somebody works here when the last change is younger, in milliseconds. */
const activity = 200
/** Share of its time from which on the thread is busy. */
const busyShare = 0.6
/** Time between the starts of two contents then, in milliseconds. */
export const trickle = 200
/** Time in which changes are gathered for one look at the journal then, in milliseconds. */
const gathering = 25

export interface Pacing {
  readonly isCrowded: (now: number) => boolean
  /** Whether another content may start, apart from how many are under way. */
  readonly mayUpload: (now: number) => boolean
  /** Waits a little while it is crowded: many changes become one look. */
  readonly gather: Effect.Effect<void>
  /** A content was started. */
  readonly started: (now: number) => void
}

export const makePacing = (tree: Tree["Service"]): Pacing => {
  const load = makeThreadLoad()
  let last = Number.NEGATIVE_INFINITY
  const isCrowded = (now: number): boolean => Math.abs(now - tree.lastLocalChange()) < activity && load() >= busyShare
  return {
    isCrowded,
    mayUpload: (now) => Math.abs(now - last) >= trickle || !isCrowded(now),
    gather: Effect.flatMap(Clock.currentTimeMillis, (now) => (isCrowded(now) ? Effect.sleep(gathering) : Effect.void)),
    started: (now) => {
      last = now
    }
  }
}

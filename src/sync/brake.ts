/**
 * The mass-delete brake: very many pending deletes at once are more often an accident (a script, an unplugged backup
 * target, ransomware) than a wish, so they wait until somebody says yes.
 */
import { Effect } from "effect"
import { Events } from "../events/Events.ts"
import { rootIno } from "../tree/Item.ts"
import type { Intent } from "../tree/Journal.ts"
import { Tree } from "../tree/Tree.ts"
import type { Signal } from "./Signal.ts"

/** Deletes that are always allowed. */
export const alwaysAllowed = 100
/** Share of the drive's items from which on more deletes than that wait. */
export const suspiciousShare = 0.25

/** `items` counts what is still there, so the drive had `items + pending` before. */
export const isMassDelete = (pending: number, items: number): boolean =>
  pending > alwaysAllowed && pending > suspiciousShare * (items + pending)

/** Why a delete is parked; the same for all, so that they are recognised and counted by it, after a restart, too. */
export const massDeleteReason =
  "so many deletions at once wait for confirmation: check what is missing, then `onemount sync --allow-deletes`; " +
  "nothing is deleted at the server before"

export const isMassDeleteReason = (reason: string | null): boolean => reason === massDeleteReason

export const makeBrake = Effect.fnUntraced(function* (progress: Signal) {
  const tree = yield* Tree
  const events = yield* Events
  let allowed = false
  /** People were told, once for each pause. */
  let told = false

  const tell = (pending: number) =>
    events.publish({ _tag: "IntentParked", ino: rootIno, name: `${pending} items`, detail: massDeleteReason })

  return {
    /** Before each look at the journal: a yes is for the deletes that were there when it was given. */
    look: (): void => {
      if (tree.pendingDeletes() === 0) allowed = told = false
    },
    /** Holds back the deletes among the intents when there are too many of them; whether it did. */
    hold: Effect.fnUntraced(function* (intents: ReadonlyArray<Intent>) {
      const pending = tree.pendingDeletes()
      if (allowed || !isMassDelete(pending, tree.counts().items)) return false
      const held = intents.filter(({ kind }) => kind === "delete")
      if (held.length === 0) return true
      for (const { ino, kind } of held) yield* tree.park(ino, kind, massDeleteReason)
      if (!told) yield* tell(pending)
      told = true
      // Whoever waits for these need not wait any longer.
      yield* progress.raise
      return true
    }),
    /** Lets the deletes through that are there now. */
    allow: Effect.gen(function* () {
      allowed = tree.pendingDeletes() > 0
      const parked = tree
        .intentsBelow(rootIno)
        .filter((intent) => intent.parked && isMassDeleteReason(intent.lastError))
      for (const { ino } of parked) yield* Effect.ignore(tree.unpark(ino))
    })
  }
})

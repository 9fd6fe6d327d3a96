/** Waiting until everything below a path is at the server, and telling what is not. */
import { Effect } from "effect"
import type { Ino } from "../tree/Item.ts"
import type { Intent } from "../tree/Journal.ts"
import { Tree } from "../tree/Tree.ts"
import { isMassDeleteReason } from "./brake.ts"
import type { Health } from "./Health.ts"
import type { Poller } from "./Poller.ts"
import type { PushLoop } from "./PushLoop.ts"
import type { Unsynced } from "./Sync.ts"

/** With more than so many intents left, looking at all of them after each one would cost more than sending them. */
const few = 20
/** Time between two looks then, in milliseconds. */
const pause = 250

export const makeFlush = Effect.fnUntraced(function* (health: Health, poller: Poller, push: PushLoop) {
  const tree = yield* Tree

  /** What still has to go: committed changes only, a file that is merely open has nothing to send. */
  const outstanding = Effect.fnUntraced(function* (ino: Ino) {
    return yield* Effect.filter(tree.intentsBelow(ino), (intent) =>
      Effect.map(push.isUncommitted(intent), (open) => !open)
    )
  })

  const explain = Effect.fnUntraced(function* (intent: Intent) {
    const waits = yield* push.waitingFor(intent)
    const cloud = health.state() === "online" ? undefined : health.detail()
    const reason = (intent.parked ? intent.lastError : (cloud ?? waits ?? intent.lastError)) ?? "not finished in time"
    const name = tree.get(intent.ino)?.name ?? `item ${intent.ino}`
    const unsynced: Unsynced = { path: tree.path(intent.ino) ?? name, kind: intent.kind, reason }
    return unsynced
  })

  /** One that still has to go is enough to know. */
  const isSettled = Effect.fnUntraced(function* (intents: ReadonlyArray<Intent>) {
    for (const intent of intents) {
      if (!intent.parked && !(yield* push.isUncommitted(intent))) return false
    }
    return !push.hasStrays()
  })

  const settled = Effect.fnUntraced(function* (ino: Ino) {
    while (true) {
      const progress = push.progress.next
      const intents = tree.intentsBelow(ino)
      if (yield* isSettled(intents)) return
      yield* progress
      if (intents.length > few) yield* Effect.sleep(pause)
    }
  })

  /** Somebody asks: what was refused before may have been cured. Only a mass delete needs its own yes. */
  const retryRefused = Effect.fnUntraced(function* (ino: Ino) {
    const refused = tree.intentsBelow(ino).filter(({ lastError, parked }) => parked && !isMassDeleteReason(lastError))
    for (const intent of refused) yield* tree.unpark(intent.ino)
  })

  return Effect.fnUntraced(function* (ino: Ino, timeout: number): Effect.fn.Return<ReadonlyArray<Unsynced>> {
    const work = Effect.gen(function* () {
      yield* retryRefused(ino)
      yield* tree.expedite(ino)
      yield* push.wake
      // Where the cloud was out of reach, nothing goes before an answer, and the next look may be minutes away.
      yield* poller.nudge
      yield* settled(ino)
      yield* poller.poll
    })
    const ended = yield* Effect.timeoutOption(Effect.result(work), timeout)
    const left = yield* Effect.flatMap(outstanding(ino), (intents) => Effect.forEach(intents, explain))
    if (left.length > 0) return left
    if (ended._tag === "None") return [notPolled(health.detail() || "the newest changes were not seen in time")]
    return ended.value._tag === "Failure" ? [notPolled(health.detail() || ended.value.failure.message)] : []
  })
})

const notPolled = (reason: string): Unsynced => ({ path: "/", kind: "poll", reason })

/** Something happened: wakes everybody who waits at that moment, remembers nothing. */
import { Deferred, Effect } from "effect"

export class Signal {
  #next = Deferred.makeUnsafe<void>()

  /** The wait begins when this effect is taken, not when it runs: check the state after taking it. */
  get next(): Effect.Effect<void> {
    return Deferred.await(this.#next)
  }

  readonly raise: Effect.Effect<void> = Effect.sync(() => {
    const current = this.#next
    this.#next = Deferred.makeUnsafe()
    Deferred.doneUnsafe(current, Effect.void)
  })
}

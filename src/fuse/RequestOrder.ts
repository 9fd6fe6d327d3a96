/**
 * Order of changes: requests that change the same inode start in the order in which they arrived, each after the one
 * before it ended. Requests that end at once never wait; a queue exists only while one of them is suspended.
 *
 * All keys of a request are taken at its arrival, so two requests can never wait for each other.
 */
import type { Ino } from "../tree/Item.ts"

interface Ticket {
  readonly keys: ReadonlyArray<Ino>
  readonly start: (leave: () => void) => void
  waitingFor: number
  left: boolean
}

export class RequestOrder {
  readonly #queues = new Map<Ino, Array<Ticket>>()

  /** Inodes with a request that started or waits. */
  get size(): number {
    return this.#queues.size
  }

  /**
   * Calls `start` when it is this request's turn, now or later. The function it is given, which is also the result,
   * ends the turn or gives up the place in the queue; only its first call counts.
   */
  enter(inos: ReadonlyArray<Ino>, start: (leave: () => void) => void): () => void {
    const ticket: Ticket = { keys: [...new Set(inos)], start, waitingFor: 0, left: false }
    const leave = () => this.#leave(ticket)
    for (const key of ticket.keys) {
      const queue = this.#queues.get(key)
      if (queue === undefined) {
        this.#queues.set(key, [ticket])
      } else {
        queue.push(ticket)
        ticket.waitingFor++
      }
    }
    if (ticket.waitingFor === 0) start(leave)
    return leave
  }

  #leave(ticket: Ticket): void {
    if (ticket.left) return
    ticket.left = true
    const ready: Array<Ticket> = []
    for (const key of ticket.keys) {
      const queue = this.#queues.get(key) ?? []
      const place = queue.indexOf(ticket)
      queue.splice(place, 1)
      const next = queue[0]
      if (next === undefined) this.#queues.delete(key)
      else if (place === 0 && --next.waitingFor === 0) ready.push(next)
    }
    for (const next of ready) next.start(() => this.#leave(next))
  }
}

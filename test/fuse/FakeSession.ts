/** A kernel session that is a list: requests go in, replies come out. */
import type { ContentId, HandleId, NodeId, Notification, Request, RequestId } from "@onemount/fuse-native"
import type { KernelSession } from "../../src/fuse/replies.ts"

export type ReplyName = Exclude<keyof KernelSession, "drain" | "notify" | "bumpEpoch" | "invalidateAttributes">
type Distribute<R> = R extends Request ? Omit<R, "id" | "caller"> : never
/** A request without what the fake adds. */
export type Ask = Distribute<Request>

export interface Answer {
  readonly id: RequestId
  readonly reply: ReplyName
  readonly value: ReadonlyArray<unknown>
}

export const node = (value: number) => value as NodeId
export const content = (value: number) => value as ContentId
export const handle = (value: number) => value as HandleId

const caller = { uid: 0, gid: 0, pid: 1, umask: 0 }

export class FakeSession implements KernelSession {
  readonly answers: Array<Answer> = []
  readonly notifications: Array<Notification> = []
  /** How many entries of a directory page fit. */
  room = Infinity
  /** Replies of this kind throw, as the binding's do for values it refuses. */
  broken: ReplyName | undefined
  #waiting: Array<Request> = []
  #next = 1

  /** Queues a request and returns its id. */
  ask(request: Ask): RequestId {
    const id = this.#next++ as RequestId
    this.#waiting.push({ ...request, id, caller } as Request)
    return id
  }

  /** The answers to a request: one, if all is well. */
  to(id: RequestId): ReadonlyArray<Answer> {
    return this.answers.filter((answer) => answer.id === id)
  }

  drain(answer: (request: Request) => void): void {
    const taken = this.#waiting
    this.#waiting = []
    for (const request of taken) answer(request)
  }

  notify(notifications: ReadonlyArray<Notification>): void {
    this.notifications.push(...notifications)
  }

  /** For each bump of the epoch, how many answers had been given by then. */
  readonly epochs: Array<number> = []

  bumpEpoch(): boolean {
    this.epochs.push(this.answers.length)
    return true
  }

  /** Nodes, and how many answers had been given by then. */
  readonly attributes: Array<readonly [nodes: ReadonlyArray<NodeId>, answers: number]> = []

  invalidateAttributes(nodes: ReadonlyArray<NodeId>): void {
    this.attributes.push([nodes, this.answers.length])
  }

  replyError = this.#answer("replyError")
  replyOk = this.#answer("replyOk")
  replyEntry = this.#answer("replyEntry")
  replyNegative = this.#answer("replyNegative")
  replyAttr = this.#answer("replyAttr")
  replyOpen = this.#answer("replyOpen")
  replyCreate = this.#answer("replyCreate")
  replyBytes = this.#answer("replyBytes")
  replySize = this.#answer("replySize")
  replyStatFs = this.#answer("replyStatFs")

  replyDirectory: KernelSession["replyDirectory"] = (id, entries) => {
    const packed = entries.slice(0, this.room)
    this.answers.push({ id, reply: "replyDirectory", value: [packed] })
    return packed.length
  }

  #answer(reply: ReplyName) {
    return (id: RequestId, ...value: ReadonlyArray<unknown>): void => {
      if (this.broken === reply) throw new Error(`${reply} refused`)
      this.answers.push({ id, reply, value })
    }
  }
}

/** A kernel session that is a list: requests go in, replies come out. */
import type { ContentId, Entry, HandleId, NodeId, Notification, Request, RequestId } from "@onemount/fuse-native"
import type { KernelSession } from "../../src/fuse/replies.ts"
import { FakeKernel } from "./FakeKernel.ts"

export type ReplyName = Extract<keyof KernelSession, `reply${string}`>
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
  /** Counts the entries it was given. */
  readonly kernel = new FakeKernel()
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
  replyEntry: KernelSession["replyEntry"] = this.#counted("replyEntry")
  replyNegative = this.#answer("replyNegative")
  replyAttr = this.#answer("replyAttr")
  replyOpen = this.#answer("replyOpen")
  replyCreate: KernelSession["replyCreate"] = this.#counted("replyCreate")
  replyBytes = this.#answer("replyBytes")
  replySize = this.#answer("replySize")
  replyStatFs = this.#answer("replyStatFs")

  /** Pages are taken to be `plus`. */
  replyDirectory: KernelSession["replyDirectory"] = (id, entries, part) => {
    const packed = entries.slice(0, this.room)
    for (const { entry } of packed) if (entry !== undefined) this.kernel.lookedUp(entry.nodeId)
    this.answers.push({ id, reply: "replyDirectory", value: [packed, part] })
    return packed.length
  }

  lookups(node: NodeId): number {
    return this.kernel.lookups(node)
  }

  retire(node: NodeId): boolean {
    return this.kernel.retire(node)
  }

  /** Nodes whose sharing was ended. */
  readonly withdrawn: Array<NodeId> = []
  /** Handles that the binding opened by itself are left of these. */
  readonly opened = new Set<NodeId>()

  withdraw(node: NodeId): boolean {
    this.withdrawn.push(node)
    return this.opened.has(node)
  }

  #counted(reply: ReplyName) {
    const answer = this.#answer(reply)
    return (id: RequestId, entry: Entry, ...value: ReadonlyArray<unknown>): void => {
      answer(id, entry, ...value)
      this.kernel.lookedUp(entry.nodeId)
    }
  }

  #answer(reply: ReplyName) {
    return (id: RequestId, ...value: ReadonlyArray<unknown>): void => {
      if (this.broken === reply) throw new Error(`${reply} refused`)
      this.answers.push({ id, reply, value })
    }
  }
}

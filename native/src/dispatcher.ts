/**
 * Gives each request to the handler of its operation, and makes sure that each gets an answer.
 *
 * Model: handlers run on the JavaScript thread, in the order in which `Session.drain` hands requests out. A handler
 * answers with the session's `reply...` methods, at once (then the answer leaves within the same drain) or whenever it
 * knows. What nobody handles is ENOSYS, what throws is EIO; the reasons go to `onProblem`.
 */
import { Ended, HandlerExists, InvalidArgument, StrayReply } from "./errors.ts"
import { layouts } from "./layouts.ts"
import type { Session } from "./session.ts"
import type { Op, Request, RequestId } from "./types.ts"

const EIO = 5
const ENOSYS = 38

export type RequestOf<O extends Op> = Extract<Request, { readonly op: O }>
/** Answers now or later; a promise it returns is watched for its rejection. `forget` and the like take no answer. */
export type Handler<O extends Op> = (request: RequestOf<O>) => void | PromiseLike<void>

/** A handler whose operation is known by its place in the table only. */
type AnyHandler = (request: never) => void | PromiseLike<void>

/** What went wrong while a request was handled: nothing of it reaches the kernel but an errno. */
export interface Problem {
  /** `failed`: the handler threw or rejected. `stray`: it answered again, or answered what was never asked. */
  readonly kind: "failed" | "stray"
  readonly op: Op
  /** Undefined for requests that take no answer. */
  readonly id: RequestId | undefined
  readonly cause: unknown
}

export interface DispatcherOptions {
  /** Asked for when it is needed: handlers are registered before there is a mount. */
  readonly session: () => Pick<Session, "drain" | "replyError">
  /** Must not throw. */
  readonly onProblem: (problem: Problem) => void
}

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #handlers = new Map<Op, AnyHandler>()

  constructor(options: DispatcherOptions) {
    this.#options = options
  }

  /**
   * Registers the handler of an operation and returns what removes it again. Throws HandlerExists when there is one
   * already, InvalidArgument for an operation that does not exist.
   */
  handle<O extends Op>(op: O, handler: Handler<O>): () => void {
    if (layouts.find(({ name }) => name === op)?.request === undefined)
      throw new InvalidArgument("handle", `there is no operation ${JSON.stringify(op)}`)
    if (typeof handler !== "function") throw new InvalidArgument("handle", "a handler has to be a function")
    if (this.#handlers.has(op)) throw new HandlerExists(op)
    const registered: AnyHandler = handler
    this.#handlers.set(op, registered)
    return () => {
      if (this.#handlers.get(op) === registered) this.#handlers.delete(op)
    }
  }

  /** Hands out what waits; to be called from the session's `onRequests`, which is called again when more wait. */
  drain(): void {
    this.#options.session().drain(this.#dispatch)
  }

  /**
   * Runs what answers a request outside of its handler, as a handler runs: a failure is EIO and reported, a second
   * answer reported, and an answer that comes after the session's end is dropped.
   */
  attempt(request: Request, answer: () => void): void {
    try {
      answer()
    } catch (cause) {
      this.#failed(request, cause)
    }
  }

  readonly #dispatch = (request: Request): void => {
    const handler = this.#handlers.get(request.op) ?? this.#unhandled
    try {
      const later: unknown = handler(request as never)
      if (isPromiseLike(later)) later.then(undefined, (cause) => this.#failed(request, cause))
    } catch (cause) {
      this.#failed(request, cause)
    }
  }

  readonly #unhandled = (request: Request): void => {
    if ("id" in request) this.#options.session().replyError(request.id, ENOSYS)
  }

  #failed(request: Request, cause: unknown): void {
    // The end of the session has answered everything itself.
    if (cause instanceof Ended) return
    const id = "id" in request ? request.id : undefined
    const stray = cause instanceof StrayReply
    this.#options.onProblem({ kind: stray ? "stray" : "failed", op: request.op, id, cause })
    if (id === undefined || (stray && cause.id === id)) return
    try {
      this.#options.session().replyError(id, EIO)
    } catch (refused) {
      // StrayReply: it had answered before it failed.
      if (refused instanceof StrayReply || refused instanceof Ended) return
      this.#options.onProblem({ kind: "failed", op: request.op, id, cause: refused })
    }
  }
}

/** A handler without an answer may return whatever its last expression does. */
const isPromiseLike = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"

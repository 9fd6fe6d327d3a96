/**
 * Runs kernel requests as fibers and answers each exactly once: the handlers of the binding's dispatcher.
 *
 * Model: requests come in batches on the JavaScript thread. Each starts at once on the caller's stack; most end there
 * (the tree answers synchronously) and are answered without a fiber ever being scheduled. The others stay in a table
 * by request id, belong to the session's scope and can be cancelled. Changes of one inode start in order of arrival.
 *
 * Fibers are uninterruptible but for the waits that declare themselves (filesystem/directories.ts), so a cancelled
 * request either gave up waiting and changed nothing (EINTR), or did what it was asked and says so.
 */
import {
  Dispatcher,
  type HandleId,
  type NodeId,
  type Problem,
  type Request,
  type RequestId
} from "@onemount/fuse-native"
import { Cause, Clock, Effect, Exit, Fiber, type Scope } from "effect"
import type { FsError } from "../filesystem/FsError.ts"
import { EINTR, EIO, ENODEV, errnoOf } from "./errno.ts"
import type { KernelSession } from "./replies.ts"
import { RequestOrder } from "./RequestOrder.ts"
import { answeredOps, changedInos, type Answered } from "./requestClasses.ts"
import * as Requests from "./requests.ts"

/** A request that did not end at once. */
export interface RunningRequest {
  readonly id: RequestId
  readonly op: Request["op"]
  /** Milliseconds since the epoch. */
  readonly since: number
}

interface Running {
  readonly request: Answered
  readonly since: number
  /** Undefined while it waits for its turn. */
  fiber: Fiber.Fiber<Requests.Reply, FsError> | undefined
  leave: (() => void) | undefined
}

export interface Dispatch {
  /** Takes a batch from the session and starts it; the binding calls again while more wait. */
  drain(): void
  running(): ReadonlyArray<RunningRequest>
}

export const make = Effect.fnUntraced(function* (
  layers: Requests.RequestLayers & {
    readonly session: () => KernelSession
    /** The connection ended. */
    readonly onClosed: (reason: string) => void
  }
): Effect.fn.Return<Dispatch, never, Scope.Scope> {
  const { filesystem, nodes, handles, shares, onClosed } = layers
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const { handle } = Requests.make(layers)
  const order = new RequestOrder()
  const running = new Map<RequestId, Running>()

  const report = (problem: string, cause: Cause.Cause<unknown>) => {
    Fiber.runIn(fork(Effect.logError(problem, cause)), scope)
  }

  const onProblem = ({ kind, op, id, cause }: Problem) =>
    report(`${op}: ${kind === "stray" ? "a second reply" : "the reply"} to request ${id} failed`, Cause.die(cause))
  const dispatcher = new Dispatcher({ session: layers.session, onProblem })

  const replyError = (request: Answered, errno: number) =>
    dispatcher.attempt(request, () => layers.session().replyError(request.id, errno))

  /** Total: whatever goes wrong, the kernel gets one answer and the caller no exception. */
  const reply = (request: Answered, exit: Exit.Exit<Requests.Reply, FsError>) => {
    if (Exit.isFailure(exit)) return replyError(request, errnoOfCause(request, exit.cause))
    dispatcher.attempt(request, () => exit.value(layers.session(), request.id))
  }

  const errnoOfCause = (request: Answered, cause: Cause.Cause<FsError>): number => {
    const failed = cause.reasons.find(Cause.isFailReason)
    if (Cause.hasDies(cause)) {
      report(`${describe(request)} failed unexpectedly`, cause)
      return EIO
    }
    return failed === undefined ? EINTR : errnoOf(failed.error.reason)
  }

  const run = (request: Answered, leave: (() => void) | undefined) => {
    const fiber = fork(handle(request), { uninterruptible: true })
    const finish = (exit: Exit.Exit<Requests.Reply, FsError>) => {
      running.delete(request.id)
      reply(request, exit)
      leave?.()
    }
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return finish(exit)
    running.set(request.id, { request, since: clock.currentTimeMillisUnsafe(), fiber, leave })
    fiber.addObserver(finish)
    Fiber.runIn(fiber, scope)
  }

  const start = (request: Answered) => {
    if (scope.state._tag === "Closed") return replyError(request, ENODEV)
    const inos = changedInos(request, nodes)
    if (inos === undefined) return run(request, undefined)
    let started = false
    const leave = order.enter(inos, (leave) => {
      started = true
      run(request, leave)
    })
    if (!started) running.set(request.id, { request, since: clock.currentTimeMillisUnsafe(), fiber: undefined, leave })
  }

  const cancel = (target: RequestId) => {
    const found = running.get(target)
    if (found === undefined) return
    if (found.fiber !== undefined) return found.fiber.interruptUnsafe()
    running.delete(target)
    replyError(found.request, EINTR)
    found.leave?.()
  }

  /** Nobody waits for it. */
  const beside = (what: string, work: Effect.Effect<void>) => {
    const logged = Effect.catchCause(work, (cause) => Effect.logError(`${what} failed`, cause))
    Fiber.runIn(fork(logged, { uninterruptible: true }), scope)
  }

  const release = (id: HandleId) => {
    const handle = handles.close(id)
    if (handle === undefined) return
    const { ino, content, writable } = handle
    beside(`release of inode ${ino}`, filesystem.release(ino, content, writable))
  }

  const forget = (forgotten: ReadonlyArray<NodeId>) => {
    const inos = forgotten.map((node) => nodes.ino(node))
    for (const node of forgotten) nodes.forget(node)
    // Those that are held by another spelling are not forgotten.
    const free = nodes.hasAliases ? inos.filter((ino) => !nodes.nodes(ino).some((node) => nodes.knows(node))) : inos
    beside("forgetting inodes", filesystem.forgotten(free))
  }

  for (const op of answeredOps) dispatcher.handle(op, start)
  dispatcher.handle("forget", ({ nodes: forgotten }) => forget(forgotten))
  dispatcher.handle("release", (request) => release(request.handle))
  dispatcher.handle("drained", ({ node, content }) => shares.drained(node, content))
  dispatcher.handle("cancel", (request) => cancel(request.target))
  dispatcher.handle("closed", (request) => {
    onClosed(request.reason)
  })

  // The kernel does not release handles of a mount that is gone.
  yield* Effect.addFinalizer(() =>
    Effect.forEach(handles.closeAll(), ({ ino, content, writable }) => filesystem.release(ino, content, writable), {
      discard: true
    })
  )

  return {
    drain: () => dispatcher.drain(),
    running: () => Array.from(running.values(), ({ request, since }) => ({ id: request.id, op: request.op, since }))
  }
})

/** For the log: what was asked, without names' contents beyond the name. */
const describe = (request: Answered): string => {
  const where = "parent" in request ? `${request.parent}/${request.name}` : "node" in request ? `${request.node}` : ""
  return `${request.op} ${where} (request ${request.id})`
}

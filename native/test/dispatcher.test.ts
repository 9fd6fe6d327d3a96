import { assert, describe, it } from "vitest"
import {
  Dispatcher,
  Ended,
  FuseError,
  HandlerExists,
  InvalidArgument,
  NodeId,
  RequestId,
  StrayReply
} from "../src/index.ts"
import type { Op, Problem, Request } from "../src/index.ts"

const EIO = 5
const ENOSYS = 38

const caller = { uid: 0, gid: 0, pid: 1, umask: 0 }
const getattr = (id: number): Request => ({
  op: "getattr",
  id: RequestId(id),
  node: NodeId(1),
  caller,
  handle: undefined
})
const forget: Request = { op: "forget", nodes: [] }

/** Answers each of its requests once, as the binding does. */
const session = (...waiting: ReadonlyArray<Request>) => {
  const pending = new Set(waiting.map((request) => ("id" in request ? request.id : undefined)))
  const errors: Array<readonly [number, number]> = []
  return {
    errors,
    ended: false,
    drain: (answer: (request: Request) => void) => waiting.forEach(answer),
    replyOk(id: RequestId) {
      if (this.ended) throw new Ended("replyOk")
      if (!pending.delete(id)) throw new StrayReply("replyOk", id)
    },
    replyError(id: RequestId, errno: number) {
      this.replyOk(id)
      errors.push([id, errno])
    }
  }
}

const dispatcherFor = (target: ReturnType<typeof session>) => {
  const problems: Array<Problem> = []
  const dispatcher = new Dispatcher({ session: () => target, onProblem: (problem) => problems.push(problem) })
  return { dispatcher, problems }
}

describe("Dispatcher", () => {
  it("hands each request to the handler of its operation", () => {
    const kernel = session(getattr(1), forget, getattr(2))
    const { dispatcher, problems } = dispatcherFor(kernel)
    const seen: Array<unknown> = []
    dispatcher.handle("getattr", ({ id }) => {
      seen.push(id)
      kernel.replyOk(id)
    })
    dispatcher.handle("forget", (request) => void seen.push(request.op))
    dispatcher.drain()
    assert.deepStrictEqual(seen, [1, "forget", 2])
    assert.deepStrictEqual([problems, kernel.errors], [[], []])
  })

  it("does not care what a handler returns unless it is a promise", () => {
    const kernel = session(forget)
    const { dispatcher, problems } = dispatcherFor(kernel)
    const seen = new Set<string>()
    // As `(request) => seen.add(request.op)` or `() => deferred.succeed()` do.
    dispatcher.handle("forget", ((request: Request) => seen.add(request.op)) as unknown as () => void)
    dispatcher.drain()
    assert.deepStrictEqual([[...seen], problems], [["forget"], []])
  })

  it("answers ENOSYS for what nobody handles, also after a handler was removed", () => {
    const kernel = session(getattr(1), forget)
    const { dispatcher, problems } = dispatcherFor(kernel)
    const remove = dispatcher.handle("getattr", () => assert.fail("was removed"))
    remove()
    dispatcher.drain()
    assert.deepStrictEqual(kernel.errors, [[1, ENOSYS]])
    assert.deepStrictEqual(problems, [])
    // Only its own registration is removed, and only once.
    dispatcher.handle("getattr", () => undefined)
    remove()
    assert.throws(() => dispatcher.handle("getattr", () => undefined), HandlerExists)
  })

  it("refuses a second handler, unknown operations and what is no function", () => {
    const { dispatcher } = dispatcherFor(session())
    dispatcher.handle("open", () => undefined)
    assert.throws(() => dispatcher.handle("open", () => undefined), HandlerExists, "EEXIST")
    for (const op of ["opendir", "", "dirty", "write"]) {
      assert.throws(() => dispatcher.handle(op as Op, () => undefined), InvalidArgument, "EINVAL")
    }
    assert.throws(() => dispatcher.handle("read", "no" as never), InvalidArgument)
    assert.instanceOf(new HandlerExists("open"), FuseError)
  })

  it("answers EIO for a handler that throws or rejects, and says which, of what request and why", async () => {
    const kernel = session(getattr(1), getattr(2), forget)
    const { dispatcher, problems } = dispatcherFor(kernel)
    const bug = new Error("bug")
    dispatcher.handle("getattr", ({ id }) => {
      if (id === 1) throw bug
      return Promise.reject(bug)
    })
    dispatcher.handle("forget", () => {
      throw bug
    })
    dispatcher.drain()
    await Promise.resolve()
    await Promise.resolve()
    assert.sameDeepMembers(kernel.errors, [
      [1, EIO],
      [2, EIO]
    ])
    assert.sameDeepMembers(problems, [
      { kind: "failed", op: "getattr", id: RequestId(1), cause: bug },
      { kind: "failed", op: "forget", id: undefined, cause: bug },
      { kind: "failed", op: "getattr", id: RequestId(2), cause: bug }
    ])
  })

  it("reports a second answer, in the handler or later, and leaves the first one standing", () => {
    const kernel = session(getattr(1), getattr(2), getattr(3))
    const { dispatcher, problems } = dispatcherFor(kernel)
    dispatcher.handle("getattr", ({ id }) => {
      kernel.replyOk(id)
      if (id === 1) kernel.replyOk(id)
      // Answered, then failed.
      if (id === 2) throw new Error("late")
    })
    dispatcher.drain()
    dispatcher.attempt(getattr(3), () => kernel.replyOk(RequestId(3)))
    assert.deepStrictEqual(
      problems.map(({ kind, op, id }) => `${kind} ${op} ${id}`),
      ["stray getattr 1", "failed getattr 2", "stray getattr 3"]
    )
    assert.deepStrictEqual(kernel.errors, [])
  })

  it("still answers a request whose handler answered another one", () => {
    const kernel = session(getattr(1))
    const { dispatcher, problems } = dispatcherFor(kernel)
    dispatcher.handle("getattr", () => kernel.replyOk(RequestId(77)))
    dispatcher.drain()
    assert.deepStrictEqual(kernel.errors, [[1, EIO]])
    assert.deepStrictEqual(
      problems.map(({ kind, id }) => `${kind} ${id}`),
      ["stray 1"]
    )
  })

  it("drops answers that come after the session's end", () => {
    const kernel = session(getattr(1))
    const { dispatcher, problems } = dispatcherFor(kernel)
    kernel.ended = true
    dispatcher.drain()
    dispatcher.attempt(getattr(1), () => kernel.replyOk(RequestId(1)))
    assert.deepStrictEqual([problems, kernel.errors], [[], []])
  })
})

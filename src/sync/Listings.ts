/** Listings on demand of directories whose children are not known yet; one per directory at a time. */
import { Deferred, Effect, FiberSet, Semaphore, Stream } from "effect"
import { GraphClient } from "../graph/GraphClient.ts"
import { GraphError, TimedOut } from "../graph/GraphError.ts"
import { type Ino, rootIno } from "../tree/Item.ts"
import { Tree } from "../tree/Tree.ts"
import { TreeError } from "../tree/TreeError.ts"

const concurrency = 8

type ListingError = GraphError | TreeError

/** A listing belongs to the scope, not to the one who asked first; it may take `limit` milliseconds. */
export const makeListings = Effect.fnUntraced(function* (limit: number) {
  const graph = yield* GraphClient
  const tree = yield* Tree
  const permits = yield* Semaphore.make(concurrency)
  const fibers = yield* FiberSet.make<void, never>()
  const fork = yield* FiberSet.runtime(fibers)()
  const running = new Map<Ino, Deferred.Deferred<void, ListingError>>()

  /** The first listing may come before the first page of delta has named the root. */
  const learnRoot = Effect.gen(function* () {
    const root = yield* graph.root
    yield* tree.applyItem(root)
    return root.id
  })

  const list = Effect.fnUntraced(function* (directory: Ino): Effect.fn.Return<void, ListingError> {
    const id = tree.get(directory)?.remoteId ?? (directory === rootIno ? yield* learnRoot : null)
    if (id === null) {
      return yield* new TreeError({ reason: "NotFound", detail: `directory ${directory} is not at the server` })
    }
    const children = yield* Stream.runCollect(graph.children(id))
    yield* tree.applyChildren(directory, children)
  })

  const bounded = (directory: Ino): Effect.Effect<void, ListingError> =>
    Semaphore.withPermits(
      permits,
      1
    )(list(directory)).pipe(Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(tooSlow(limit)) }))

  return (directory: Ino): Effect.Effect<void, ListingError> =>
    Effect.suspend(() => {
      if (tree.isComplete(directory)) return Effect.void
      const joined = running.get(directory)
      if (joined !== undefined) return Deferred.await(joined)
      const deferred = Deferred.makeUnsafe<void, ListingError>()
      running.set(directory, deferred)
      fork(
        Effect.onExit(bounded(directory), (exit) => {
          running.delete(directory)
          return Deferred.done(deferred, exit)
        }).pipe(Effect.exit, Effect.asVoid)
      )
      return Deferred.await(deferred)
    })
})

const tooSlow = (limit: number): GraphError =>
  new GraphError({ operation: "children", status: 0, requestId: "", reason: new TimedOut({ limit }) })

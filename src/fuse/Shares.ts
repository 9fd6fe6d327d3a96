/**
 * Files that the binding opens for reading by itself (native/README.md, `OpenReply.shareable`). A close and an open of
 * the same file then never come here.
 *
 * Model: after an open for reading of a file that is wholly here, its body stays open by one reference of ours, the
 * share, and the binding answers further opens with the same body. A share is withdrawn, which means that the next open
 * is asked for again, when the answer could become another one or the body has to go: somebody opens the file to write,
 * changes its size, removes it or renames over it; the server replaced or removed it; the content store needs room. Its
 * reference is released at once, or with the last handle that the binding opened from it (`drained`).
 *
 * Nobody tells when a shared file was used. So no share gets older than two rounds: then the next open is asked for, and
 * the content store learns of the use, to the minute. That is also why there is no other order in which shares go: at
 * the limit no further file is shared until some were withdrawn, so that a walk over many files takes nothing from
 * those that are used again.
 *
 * A node has one content for life, so a share of a node never has to be corrected. An inode that the kernel knows by
 * several nodes is not shared: their page caches are kept true by being asked for.
 */
import type { ContentId, NodeId } from "@onemount/fuse-native"
import { Effect, Fiber, type Scope } from "effect"
import type { Filesystem, Opened } from "../filesystem/Filesystem.ts"
import { supervise } from "../lifecycle/supervise.ts"
import { openFileLimit } from "../platform/Processes.ts"
import type { Ino } from "../tree/Item.ts"
import type { KernelSession } from "./replies.ts"

/** Most shares, each with a descriptor of the body; at most a quarter of what the process may open. */
const mostShares = 4096
/** Milliseconds. */
const roundLength = 30_000
/** Shares that are given back in one go, so that requests are served between. */
const slice = 32

/** One reference to an open body. */
export interface Share {
  readonly node: NodeId
  readonly ino: Ino
  readonly content: ContentId
  readonly round: number
  /** The binding was told. */
  offered: boolean
}

export interface Shares {
  readonly size: number
  /** Takes a reference for sharing what was just opened for reading; undefined where that is not to be had. */
  begin(node: NodeId, opened: Opened): Effect.Effect<Share | undefined>
  /** Whether the reply to the open shall say `shareable`: unless the share was withdrawn since `begin`. */
  offer(share: Share | undefined): boolean
  /** The next open of the inode is asked for. Returns at once; what it kept open is closed beside. */
  withdraw(ino: Ino): void
  /** The last handle that the binding opened from a withdrawn share is gone. */
  drained(node: NodeId, content: ContentId): void
  /** The body that handles of the binding's own read, when the node's share was withdrawn. */
  body(node: NodeId): ContentId | undefined
  /** Withdraws all and returns how many bodies nobody reads any more. */
  readonly recall: Effect.Effect<number>
  /** Withdraws all and shares nothing from now on. Returns at once. */
  stop(): void
}

export const make = Effect.fnUntraced(function* (layers: {
  readonly filesystem: Filesystem["Service"]
  readonly session: () => Pick<KernelSession, "withdraw">
  /** Most shares; default by what the process may open. */
  readonly limit?: number
}): Effect.fn.Return<Shares, never, Scope.Scope> {
  const { filesystem, session, limit = Math.min(mostShares, Math.floor(openFileLimit() / 4)) } = layers
  const scope = yield* Effect.scope
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  /** Oldest first. */
  const shares = new Map<Ino, Share>()
  /** Withdrawn, with handles left. */
  const draining = new Map<NodeId, Array<Share>>()
  let round = 0
  let stopped = false

  const beside = (work: Effect.Effect<unknown>) => {
    Fiber.runIn(fork(work, { uninterruptible: true }), scope)
  }

  const release = ({ ino, content }: Share) =>
    Effect.catchCause(filesystem.release(ino, content, false), (cause) =>
      Effect.logError(`release of the shared inode ${ino} failed`, cause)
    )

  /** Whether its reference is to be released now: it was a share, and nobody reads the body any more. */
  const end = (share: Share): boolean => {
    if (shares.get(share.ino) !== share) return false
    shares.delete(share.ino)
    if (!share.offered || !session().withdraw(share.node)) return true
    draining.set(share.node, [...(draining.get(share.node) ?? []), share])
    return false
  }

  const endAll = Effect.fnUntraced(function* (which: ReadonlyArray<Share>): Effect.fn.Return<number> {
    let released = 0
    for (const [at, share] of which.entries()) {
      if (end(share)) {
        yield* release(share)
        released++
      }
      if (at % slice === slice - 1) yield* Effect.yieldNow
    }
    return released
  }, Effect.uninterruptible)

  const begin = Effect.fnUntraced(function* (node: NodeId, opened: Opened): Effect.fn.Return<Share | undefined> {
    const { ino } = opened.stat.item
    if (stopped || !opened.trusted || shares.size >= limit || shares.has(ino)) return undefined
    // The caller has its file already: where a second reference is not to be had, it is only not shared.
    const second = yield* Effect.catch(filesystem.open(ino, false), () => Effect.undefined)
    if (second === undefined) return undefined
    const share: Share = { node, ino, content: second.content, round, offered: false }
    if (second.content === opened.content && !stopped && !shares.has(ino)) {
      shares.set(ino, share)
      return share
    }
    yield* release(share)
    return undefined
  })

  const offer = (share: Share | undefined): boolean => {
    if (share === undefined || shares.get(share.ino) !== share) return false
    share.offered = true
    return true
  }

  const withdraw = (ino: Ino) => {
    const share = shares.get(ino)
    if (share !== undefined && end(share)) beside(release(share))
  }

  const drained = (node: NodeId, content: ContentId) => {
    const ofNode = draining.get(node) ?? []
    const share = ofNode.find((one) => one.content === content)
    if (share === undefined) return
    const left = ofNode.filter((one) => one !== share)
    if (left.length > 0) draining.set(node, left)
    else draining.delete(node)
    beside(release(share))
  }

  const recall = Effect.suspend(() => endAll([...shares.values()]))

  const nextRound = Effect.suspend(() => {
    const old = [...shares.values()].filter((share) => share.round < round)
    round++
    return endAll(old)
  })
  const rounds = Effect.forever(Effect.andThen(Effect.sleep(roundLength), nextRound))

  // The kernel does not release handles of a mount that is gone, so nothing drains any more.
  yield* Effect.addFinalizer(() => {
    stopped = true
    const left = [...shares.values()].filter(end)
    left.push(...[...draining.values()].flat())
    draining.clear()
    return Effect.forEach(left, release, { discard: true })
  })
  yield* supervise({ name: "shared opens", owner: "FuseSession" }, rounds)

  return {
    get size() {
      return shares.size
    },
    begin,
    offer,
    withdraw,
    drained,
    body: (node) => draining.get(node)?.[0]?.content,
    recall,
    stop: () => {
      stopped = true
      beside(recall)
    }
  }
})

/**
 * Downloads: a pool of workers over the ranges that readers, hydrations and read-ahead want.
 *
 * Model: per body in use there is the set of its jobs in flight; a demand creates jobs for what is neither present nor
 * in flight and joins the others, so nothing is fetched twice. Whoever demands waits for the jobs that overlap its
 * own range only. Jobs belong to the layer's scope: a reader that leaves stops none of them.
 *
 * Policies: at most `workers` jobs run, `perBody` of them for one body; at most `queueLimit` demands are admitted, the
 * rest stays in the content store's own bounded queue. A body whose finished content is wrong twice is left alone for
 * a while, its readers get EIO.
 */
import { Cause, Clock, Deferred, Effect, Exit, FiberSet, Queue, Semaphore } from "effect"
import type { ContentId } from "@onemount/fuse-native"
import { ContentError } from "../content/ContentError.ts"
import { ContentStore, type Fetch } from "../content/ContentStore.ts"
import { Events } from "../events/Events.ts"
import { type ByteRange, GraphClient } from "../graph/GraphClient.ts"
import { supervise } from "../lifecycle/supervise.ts"
import type { ContentKey, Ino } from "../tree/Item.ts"
import { Tree } from "../tree/Tree.ts"
import { makeConnection } from "./Connection.ts"
import { asTransferError, type JobContext, runJob } from "./downloadJob.ts"
import { errnoOf, type TransferError } from "./errno.ts"
import { background, blockedReader, type Body, type Job, JobQueue, type Priority, readAhead } from "./JobQueue.ts"
import { fragmentSize, overlaps, planFetch, split, subtract, wholeLimit } from "./plan.ts"
import { SequentialRuns } from "./SequentialRuns.ts"
import { makeVersions } from "./versions.ts"

export interface DownloadsConfig {
  /** Jobs that run at a time, 1..64. */
  readonly workers: number
  /** Demands admitted at a time. */
  readonly queueLimit: number
  /** Longest time without a byte, in milliseconds. */
  readonly patience: number
}

export interface Downloads {
  readonly hydrate: (ino: Ino) => Effect.Effect<void, TransferError>
  /** A token when the server turned out to be ahead of the tree. */
  readonly stale: Queue.Dequeue<void>
  readonly stats: () => { readonly active: number; readonly queued: number; readonly bytes: number }
}

const perBody = 3
/** How far a hydration runs ahead of what it has, in bytes. */
const hydrationWindow = perBody * fragmentSize
/** Rounds of a hydration that may bring nothing new: wrong content is dropped and fetched once more. */
const standstillLimit = 2
/** How long a body that was wrong twice is left alone, in milliseconds. */
const quarantine = 30_000

const rangeOf = (job: Job): ByteRange => ({ offset: job.offset, length: job.end - job.offset })

const awaitJobs = (jobs: ReadonlyArray<Job>) =>
  Effect.forEach(jobs, (job) => Deferred.await(job.done), { concurrency: "unbounded", discard: true })

export const makeDownloads = Effect.fnUntraced(function* (config: DownloadsConfig) {
  const graph = yield* GraphClient
  const content = yield* ContentStore
  const tree = yield* Tree
  const events = yield* Events
  const connection = yield* makeConnection
  const stale = yield* Queue.sliding<void>(1)
  const context: JobContext = { graph, content, offline: connection.offline, patience: config.patience }
  const admission = yield* Semaphore.make(config.queueLimit)
  const fibers = yield* FiberSet.make<void, never>()
  const fork = yield* FiberSet.runtime(fibers)()

  const bodies = new Map<ContentId, Body>()
  const { isEdited, versionOf, sizeOf } = makeVersions({ graph, content, tree })
  const distrusted = new Map<ContentKey, number>()
  const runs = new SequentialRuns()
  const queue = new JobQueue(perBody)
  const running = new Set<Job>()

  // ── bodies ──

  const hold = Effect.fnUntraced(function* (ino: Ino) {
    const opened = yield* content.open(ino)
    const known = bodies.get(opened.content)
    if (known !== undefined) {
      known.holders++
      yield* content.release(opened.content)
      return known
    }
    const body: Body = { ...opened, jobs: new Set(), running: 0, holders: 1 }
    bodies.set(body.content, body)
    return body
  }, Effect.uninterruptible)

  const letGo = (body: Body): Effect.Effect<void> =>
    Effect.suspend(() => {
      body.holders--
      if (body.holders > 0) return Effect.void
      bodies.delete(body.content)
      return content.release(body.content)
    })

  const withBody = <A, E>(ino: Ino, use: (body: Body) => Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(hold(ino), use, letGo)

  // ── jobs ──

  const addJob = (body: Body, range: ByteRange, whole: boolean, priority: Priority): Job => {
    const { offset, length } = range
    const job: Job = { body, whole, offset, end: offset + length, priority, done: Deferred.makeUnsafe() }
    body.jobs.add(job)
    body.holders++
    queue.add(job)
    return job
  }

  const pump = (): void => {
    while (running.size < config.workers) {
      const job = queue.take()
      if (job === undefined) return
      running.add(job)
      job.body.running++
      fork(Effect.onExit(perform(job), (exit) => finish(job, exit)).pipe(Effect.exit, Effect.asVoid))
    }
  }

  const perform = (job: Job): Effect.Effect<void, TransferError> =>
    Effect.flatMap(versionOf(job.body), (version) => runJob(context, job, version))

  const finish = (job: Job, exit: Exit.Exit<void, TransferError>): Effect.Effect<void> =>
    Effect.gen(function* () {
      running.delete(job)
      job.body.jobs.delete(job)
      job.body.running--
      if (Exit.isSuccess(exit)) {
        yield* completed(job.body, job.whole)
        Deferred.doneUnsafe(job.done, Exit.void)
      } else {
        const error = asTransferError(exit.cause)
        yield* failed(job.body, error, exit.cause)
        Deferred.doneUnsafe(job.done, Exit.fail(error))
      }
      yield* letGo(job.body)
      pump()
    })

  const failed = Effect.fnUntraced(function* (body: Body, error: TransferError, cause: Cause.Cause<TransferError>) {
    if (Cause.hasInterruptsOnly(cause)) return
    if (Cause.hasDies(cause)) yield* Effect.logError(`download of item ${body.ino} failed`, cause)
    if (errnoOf(error) === errnoOf(gone)) Queue.offerUnsafe(stale, undefined)
    if (error._tag !== "GraphError" || !error.transient) yield* announceFailure(body, error)
  })

  const announceFailure = (body: Body, error: TransferError) =>
    events.publish({
      _tag: "TransferFailed",
      ino: body.ino,
      name: tree.get(body.ino)?.name ?? "",
      detail: error.message
    })

  /** The last range of a body was filled: verify what came in pieces, tell people. */
  const completed = Effect.fnUntraced(function* (body: Body, verified: boolean) {
    if (content.missing(body.content, 0) !== undefined || body.jobs.size > 0) return
    const item = tree.get(body.ino)
    if (item === undefined || isEdited(item)) return
    if (!verified) {
      const error = yield* Effect.flip(content.verify(body.content)).pipe(Effect.option)
      if (error._tag === "Some") return yield* mistrust(body, error.value)
    }
    distrusted.delete(body.key)
    yield* events.publish({ _tag: "Downloaded", ino: item.ino, name: item.name, bytes: item.size })
  })

  /** Wrong content: the first time everything is fetched again, the second time people are told. */
  const mistrust = Effect.fnUntraced(function* (body: Body, error: ContentError) {
    if (error.reason !== "Corrupt") return yield* Effect.logWarning(`item ${body.ino} could not be verified`, error)
    if (!distrusted.has(body.key)) {
      distrusted.set(body.key, 0)
      cover(body, { offset: 0, length: tree.get(body.ino)?.size ?? 0 }, background)
      return
    }
    distrusted.set(body.key, (yield* Clock.currentTimeMillis) + quarantine)
    yield* announceFailure(body, error)
  })

  const refuseQuarantined = Effect.fnUntraced(function* (body: Body) {
    const until = distrusted.get(body.key) ?? 0
    if (until === 0) return
    const left = until - (yield* Clock.currentTimeMillis)
    // More than that is left only where the clock was set back.
    if (left > 0 && left <= quarantine) {
      return yield* new ContentError({ reason: "Corrupt", detail: "the server's bytes do not have the server's hash" })
    }
    distrusted.delete(body.key)
  })

  /** Jobs for what `range` misses and nobody fetches yet; returns those in flight that overlap it. */
  const cover = (body: Body, range: ByteRange, priority: Priority, whole = false): ReadonlyArray<Job> => {
    if (range.length > 0 && content.missing(body.content, range.offset) !== undefined) {
      const taken = [...body.jobs].map(rangeOf)
      const size = whole ? wholeLimit : fragmentSize
      for (const gap of gaps(body, range, whole)) {
        for (const free of subtract(gap, taken)) {
          for (const piece of split(free, size)) addJob(body, piece, whole, priority)
        }
      }
    }
    pump()
    return [...body.jobs].filter((job) => overlaps(rangeOf(job), range))
  }

  const gaps = (body: Body, range: ByteRange, whole: boolean): ReadonlyArray<ByteRange> => {
    if (whole) return body.jobs.size > 0 ? [] : [range]
    const found: Array<ByteRange> = []
    const end = range.offset + range.length
    let gap = content.missing(body.content, range.offset)
    while (gap !== undefined && gap.offset < end) {
      const gapEnd = Math.min(end, gap.offset + gap.length)
      found.push({ offset: gap.offset, length: gapEnd - gap.offset })
      gap = gapEnd < end ? content.missing(body.content, gapEnd) : undefined
    }
    return found
  }

  // ── demands ──

  const serve = (fetch: Fetch): Effect.Effect<void> =>
    withBody(
      fetch.ino,
      Effect.fnUntraced(function* (body) {
        if (body.content !== fetch.content) return yield* gone
        yield* refuseQuarantined(body)
        const size = yield* sizeOf(body)
        const sequential = Math.max(fetch.sequential, runs.before(body.key, fetch.offset))
        const range = planFetch({ ...fetch, sequential }, size)
        runs.extend(body.key, range)
        cover(body, range, readAhead, size <= wholeLimit)
        const jobs = [...body.jobs].filter((job) => overlaps(rangeOf(job), fetch))
        for (const job of jobs) queue.raise(job, blockedReader)
        pump()
        if (jobs.length === 0) yield* requirePresent(fetch)
        yield* awaitJobs(jobs)
      })
    ).pipe(
      Effect.catchCause((cause) => {
        const errno = errnoOf(asTransferError(cause))
        return content.fail(fetch.content, fetch.offset, fetch.length, errno)
      })
    )

  /** Behind the end of the version that the bytes would come from there is nothing to wait for. */
  const requirePresent = ({ content: id, ino, length, offset }: Fetch): Effect.Effect<void, ContentError> =>
    Effect.suspend(() => {
      const missing = content.missing(id, offset)
      if (missing === undefined || missing.offset >= offset + length) return Effect.void
      return new ContentError({ reason: "Incomplete", detail: `the server has no byte ${offset} of item ${ino}` })
    })

  const hydrateBody = Effect.fnUntraced(function* (body: Body) {
    let last = -1
    let standstill = 0
    let missing = content.missing(body.content, 0)
    while (missing !== undefined) {
      yield* refuseQuarantined(body)
      standstill = missing.offset > last ? 0 : standstill + 1
      if (standstill > standstillLimit) {
        return yield* new ContentError({
          reason: "Incomplete",
          detail: `byte ${last} of item ${body.ino} does not come`
        })
      }
      last = missing.offset
      const size = yield* sizeOf(body)
      const whole = size <= wholeLimit
      const range = whole ? { offset: 0, length: size } : { offset: missing.offset, length: hydrationWindow }
      yield* awaitJobs(cover(body, range, background, whole))
      missing = content.missing(body.content, 0)
    }
  })

  // ── loop ──

  const serveNext = Effect.gen(function* () {
    const fetch = yield* Queue.take(content.fetches)
    yield* Semaphore.take(admission, 1)
    fork(Effect.ensuring(serve(fetch), Semaphore.release(admission, 1)))
  })
  yield* supervise({ name: "downloads", owner: "Transfers" }, Effect.forever(serveNext))

  const downloads: Downloads = {
    hydrate: (ino) => Semaphore.withPermits(admission, 1)(withBody(ino, hydrateBody)),
    stale,
    stats: () => ({
      active: running.size,
      queued: queue.size,
      bytes: queue.bytes + [...running].reduce((sum, job) => sum + job.end - job.offset, 0)
    })
  }
  return downloads
})

const gone = new ContentError({ reason: "Stale", detail: "the item has another version now" })

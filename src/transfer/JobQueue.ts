/**
 * Download jobs that wait for a worker, most urgent first, first come first served among equals. A job belongs to a
 * body; a body that has its share of workers is passed over, so that one large file does not hold up the others.
 */
import type { Deferred } from "effect"
import type { ContentId } from "@onemount/fuse-native"
import type { ContentKey, Ino } from "../tree/Item.ts"
import type { TransferError } from "./errno.ts"

/** 0: a reader is blocked. 1: read-ahead. 2: whole bodies for uploads, pins and verification. */
export type Priority = 0 | 1 | 2
export const blockedReader: Priority = 0
export const readAhead: Priority = 1
export const background: Priority = 2

export interface Body {
  readonly ino: Ino
  readonly content: ContentId
  readonly key: ContentKey
  /** Waiting and running jobs; their ranges are in flight and not asked for again. */
  readonly jobs: Set<Job>
  running: number
  /** Hydrations and fetches that hold the body open besides its jobs. */
  holders: number
}

export interface Job {
  readonly body: Body
  /** All of the body in one request, verified before it is filled. */
  readonly whole: boolean
  /** First byte not filled yet; moves on while the job runs. */
  offset: number
  readonly end: number
  priority: Priority
  readonly done: Deferred.Deferred<void, TransferError>
}

export class JobQueue {
  readonly #lanes: ReadonlyArray<Set<Job>> = [new Set(), new Set(), new Set()]
  readonly #perBody: number

  /** `perBody`: workers one body may have at a time. */
  constructor(perBody: number) {
    this.#perBody = perBody
  }

  get size(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.size, 0)
  }

  /** Bytes still to be fetched by the jobs that wait. */
  get bytes(): number {
    let sum = 0
    for (const lane of this.#lanes) for (const job of lane) sum += job.end - job.offset
    return sum
  }

  add(job: Job): void {
    this.#lanes[job.priority]?.add(job)
  }

  /** Makes a waiting job more urgent; never less. */
  raise(job: Job, priority: Priority): void {
    if (priority >= job.priority) return
    const waited = this.#lanes[job.priority]?.delete(job) ?? false
    job.priority = priority
    if (waited) this.add(job)
  }

  take(): Job | undefined {
    for (const lane of this.#lanes) {
      for (const job of lane) {
        if (job.body.running >= this.#perBody) continue
        lane.delete(job)
        return job
      }
    }
    return undefined
  }
}

/**
 * What the command line and a running mount say to each other: RPC, one JSON value per line, over the mount's socket.
 */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

const Depth = { now: Schema.Int, max: Schema.Int }

/** What the kernel asked of the mount, since it was mounted. */
export const Requests = Schema.Struct({
  /** Answered, in this process or natively, and those of them that were answered with an errno. */
  completed: Schema.Int,
  errors: Schema.Int,
  /** Handed to JavaScript. */
  dispatched: Schema.Int,
  /** Not answered yet. */
  pending: Schema.Int,
  /** Second replies: a mistake in this program. */
  strays: Schema.Int,
  /** Waiting for JavaScript, now and at most. */
  queue: Schema.Struct({ ...Depth, lanes: Schema.Array(Schema.Struct({ name: Schema.String, ...Depth })) }),
  /** Latency in microseconds; the percentiles are off by at most 6.25 %. */
  operations: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      count: Schema.Int,
      errors: Schema.Int,
      p50: Schema.Finite,
      p99: Schema.Finite,
      max: Schema.Finite
    })
  )
})
export type Requests = typeof Requests.Type

/** Writes of programs to open files, since the mount; not those that the kernel makes itself (passthrough). */
export const Writes = Schema.Struct({
  operations: Schema.Int,
  /** Made, failed with an errno, and interrupted before their turn came. */
  completed: Schema.Int,
  failed: Schema.Int,
  cancelled: Schema.Int,
  /** Written. */
  bytes: Schema.Int,
  /** Those that could not be made at once. */
  deferred: Schema.Int,
  /** Waiting for their turn, in `bytes`. */
  queue: Schema.Struct({ ...Depth, bytes: Schema.Int }),
  /** From request to reply, in microseconds; the percentiles are off by at most 6.25 %. */
  latency: Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite, max: Schema.Finite }),
  /** Open handles that have written. */
  activeHandles: Schema.Int,
  /** Written to open files and not on the disk yet. */
  dirtyBytes: Schema.Int
})
export type Writes = typeof Writes.Type

/** `onemount status --json` prints exactly this; scripts depend on the names. */
export class Status extends Schema.Class<Status>("onemount/control/Status")({
  mountpoint: Schema.String,
  /** What the drive is served from: an address, or the folder of an embedded drive. */
  drive: Schema.String,
  /** Root of the drive's API where this process serves it to others, null otherwise. */
  api: Schema.NullOr(Schema.String),
  pid: Schema.Int,
  version: Schema.String,
  phase: Schema.Literals(["RUNNING", "DRAINING", "UNMOUNTING", "CLOSED"]),
  health: Schema.Literals(["starting", "online", "degraded", "offline", "signed-out"]),
  /** Why, when not online. */
  detail: Schema.String,
  pending: Schema.Struct({
    /** Local changes that are not at the server yet, and those of them that wait for a person. */
    intents: Schema.Int,
    parked: Schema.Int,
    /** Of the parked ones: deletions that `sync --allow-deletes` lets through. */
    paused: Schema.Int,
    /** Active and queued. */
    uploads: Schema.Int,
    downloads: Schema.Int,
    /** Content waiting to be uploaded. */
    bytes: Schema.Int,
    /** Seconds since the oldest change was made, null without any. */
    oldest: Schema.NullOr(Schema.Finite)
  }),
  /** What the parked changes wait for, the most frequent first. */
  parked: Schema.Array(Schema.Struct({ reason: Schema.String, count: Schema.Int })),
  cache: Schema.Struct({ directory: Schema.String, bytes: Schema.Int, limit: Schema.Int, files: Schema.Int }),
  /** What kernel and libfuse offer the mount, what of it is used, and why not where the mount had to find out. */
  features: Schema.Record(
    Schema.String,
    Schema.Struct({ offered: Schema.Boolean, active: Schema.Boolean, reason: Schema.optionalKey(Schema.String) })
  ),
  items: Schema.Int,
  cursor: Schema.Struct({
    /** Seconds since the newest changes of the server were applied, null before the first time. */
    age: Schema.NullOr(Schema.Finite),
    /** The whole drive is known. */
    enumerated: Schema.Boolean
  }),
  requests: Requests,
  writes: Writes,
  /** Seconds since the mount was proven. */
  uptime: Schema.Finite,
  fibers: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      owner: Schema.String,
      state: Schema.Literals(["running", "waiting", "ended"]),
      restarts: Schema.Int,
      lastError: Schema.NullOr(Schema.String)
    })
  )
}) {}

/** Why something below the path is not at the server. */
export const Unsynced = Schema.Struct({ path: Schema.String, kind: Schema.String, reason: Schema.String })
export type Unsynced = typeof Unsynced.Type

/** A request that the daemon refused. */
export class ControlError extends Schema.TaggedError<ControlError>()("ControlError", {
  /** `NotFound`: no such path in the mount. `Failed`: the daemon could not do it, `detail` says why. */
  reason: Schema.Literals(["NotFound", "Failed"]),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

const Health = Schema.Literals(["starting", "online", "degraded", "offline", "signed-out"])
const Transfer = { ino: Schema.Int, name: Schema.String }

/** The events of `src/events`, as they travel. */
export const Event = Schema.Union([
  Schema.TaggedStruct("PhaseChanged", { phase: Schema.Literals(["RUNNING", "DRAINING", "UNMOUNTING", "CLOSED"]) }),
  Schema.TaggedStruct("HealthChanged", { health: Health, detail: Schema.String }),
  Schema.TaggedStruct("DeltaApplied", { items: Schema.Int }),
  Schema.TaggedStruct("Conflict", { path: Schema.String, copy: Schema.NullOr(Schema.String), detail: Schema.String }),
  Schema.TaggedStruct("Uploaded", { ...Transfer, bytes: Schema.Int }),
  Schema.TaggedStruct("Downloaded", { ...Transfer, bytes: Schema.Int }),
  Schema.TaggedStruct("TransferFailed", { ...Transfer, detail: Schema.String }),
  Schema.TaggedStruct("IntentParked", { ...Transfer, detail: Schema.String }),
  Schema.TaggedStruct("CacheRebuilt", { detail: Schema.String })
])
export type Event = typeof Event.Type

/** What a running mount can be asked. */
export class ControlRpcs extends RpcGroup.make(
  Rpc.make("Status", { success: Status }),
  /**
   * Polls for the server's changes. With `wait`, also sends everything at or below `path` (absolute within the mount)
   * within `timeout` milliseconds and answers what is still not there. `allowDeletes` is a person's yes to the deletions
   * of the whole mount that are paused because they are so many.
   */
  Rpc.make("Sync", {
    payload: { path: Schema.String, wait: Schema.Boolean, timeout: Schema.Int, allowDeletes: Schema.Boolean },
    success: Schema.Array(Unsynced),
    error: ControlError
  }),
  /** Accepts the request; the mount is gone when its process is. */
  Rpc.make("Unmount", { payload: { force: Schema.Boolean } }),
  /** From now on; a client that reads too slowly loses the oldest. */
  Rpc.make("Events", { success: Event, stream: true })
) {}

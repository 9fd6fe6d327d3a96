/** The control server over its real socket; what it reports on is a handful of stated answers. */
import { connect as connectSocket } from "node:net"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { SessionStats, WriteStats } from "@onemount/fuse-native"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Deferred, Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { connect } from "../../src/control/client.ts"
import * as Control from "../../src/control/Control.ts"
import * as Registry from "../../src/control/registry.ts"
import { Events } from "../../src/events/Events.ts"
import { FuseSession } from "../../src/fuse/FuseSession.ts"
import { Lifecycle } from "../../src/lifecycle/Lifecycle.ts"
import { massDeleteReason } from "../../src/sync/brake.ts"
import { Sync } from "../../src/sync/Sync.ts"
import { Transfers } from "../../src/transfer/Transfers.ts"
import { type Item, rootIno } from "../../src/tree/Item.ts"
import { Tree } from "../../src/tree/Tree.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-control-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
)

const root: Item = {
  ino: rootIno,
  parent: rootIno,
  name: "",
  kind: "directory",
  size: 0,
  mtime: { sec: 0, nsec: 0 },
  ctime: { sec: 0, nsec: 0 },
  btime: { sec: 0, nsec: 0 },
  mode: 0o755,
  remoteId: null,
  eTag: null,
  cTag: null,
  hash: null,
  content: null,
  generation: 0,
  localOnly: false,
  complete: true
}

const unsynced = [{ path: "/a", kind: "content", reason: "the server is away" }]

const session: SessionStats = {
  uptimeMs: 1000,
  queued: 1,
  queuedMax: 9,
  lanes: { high: { now: 1, max: 7 }, normal: { now: 0, max: 2 }, low: { now: 0, max: 1 } },
  pending: 2,
  dispatched: 10,
  completed: 8,
  errors: 3,
  strayReplies: 0,
  contents: 0,
  handles: 0,
  waiters: 0,
  notifications: 0,
  bytesRead: 0,
  bytesWritten: 0,
  bytesFilled: 0,
  native: {
    lookupHits: 0,
    lookupMisses: 0,
    attributeHits: 0,
    attributeMisses: 0,
    listingHits: 0,
    listingMisses: 0,
    refusedFills: 0,
    evicted: 0,
    records: 0,
    opens: 0,
    shares: 0,
    held: 0
  },
  ops: {
    getattr: { count: 2, errors: 0, p50Us: 10.5, p99Us: 20, maxUs: 30 },
    lookup: { count: 6, errors: 3, p50Us: 1, p99Us: 2, maxUs: 3 }
  },
  capabilities: {}
}

const writeStats: WriteStats = {
  total: {
    operations: 20,
    completed: 15,
    failed: 1,
    cancelled: 2,
    bytes: 4096,
    deferred: 5,
    queued: 2,
    queuedBytes: 512,
    queuedMax: 4,
    p50Us: 8.5,
    p99Us: 90,
    maxUs: 100
  },
  handles: [],
  activeHandles: 3,
  dirtyBytes: 1024
}

/** The members that control asks for; any other one would be a TypeError, which fails the test. */
const partly = <I, S>(service: Context.Service<I, S>, members: Partial<S>): Layer.Layer<I> =>
  Layer.succeed(service, members as S)

const daemon = (flush: Effect.Effect<typeof unsynced>) =>
  Layer.mergeAll(
    partly(Tree, {
      resolve: (path) => (path === "/" ? root : undefined),
      summary: () => ({ intents: 3, parked: 1, bytes: 42, oldest: null }),
      parkedReasons: () => [{ reason: massDeleteReason, count: 1 }],
      counts: () => ({ items: 7, files: 5, directories: 2 }),
      cursor: () => ({ link: null, enumerated: true, appliedAt: null, enumeration: null }),
      expedite: () => Effect.void
    }),
    partly(Sync, {
      poll: Effect.void,
      flush: () => flush,
      status: Effect.succeed({ health: "degraded" as const, detail: "slow", cursorAge: 1500 })
    }),
    partly(Transfers, {
      stats: Effect.succeed({
        uploads: { active: 1, queued: 2, bytes: 0 },
        downloads: { active: 1, queued: 0, bytes: 0 }
      })
    }),
    partly(FuseSession, {
      stats: Effect.succeed({ session, nodes: 1, handles: 0, running: [] }),
      features: () => ({ epoch: { offered: true, active: false } })
    }),
    partly(ContentStore, {
      usage: Effect.succeed({ bytes: 10, limit: 100, files: 2 }),
      writes: Effect.succeed(writeStats)
    })
  )

const running = (env: { readonly XDG_RUNTIME_DIR: string }, flush = Effect.succeed(unsynced)) =>
  Control.layer({
    env,
    mountpoint: "/mnt/test",
    drive: "http://drive",
    version: "1.2.3",
    cacheDirectory: "/cache"
  }).pipe(
    Layer.provideMerge(daemon(flush)),
    Layer.provideMerge(Lifecycle.layer(Effect.succeed(1000))),
    Layer.provideMerge(Events.layer)
  )

const onlyEntry = (env: { readonly XDG_RUNTIME_DIR: string }) =>
  Effect.flatMap(Registry.list(env), ([entry]) => Effect.fromNullishOr(entry))

describe("control", () => {
  it.live("tells the status", () =>
    Effect.gen(function* () {
      const env = { XDG_RUNTIME_DIR: yield* temporary }
      yield* Effect.gen(function* () {
        const entry = yield* onlyEntry(env)
        assert.strictEqual(statSync(entry.socket).mode & 0o777, 0o600)
        const client = yield* connect(entry)
        const { uptime, fibers, requests, writes, ...status } = yield* client.status
        assert.deepEqual(
          { ...status },
          {
            mountpoint: "/mnt/test",
            drive: "http://drive",
            api: null,
            pid: process.pid,
            version: "1.2.3",
            phase: "RUNNING",
            health: "degraded",
            detail: "slow",
            pending: { intents: 3, parked: 1, paused: 1, uploads: 3, downloads: 1, bytes: 42, oldest: null },
            parked: [{ reason: massDeleteReason, count: 1 }],
            cache: { directory: "/cache", bytes: 10, limit: 100, files: 2 },
            features: { epoch: { offered: true, active: false } },
            items: 7,
            cursor: { age: 1.5, enumerated: true }
          }
        )
        assert.isAtLeast(uptime, 0)
        assert.deepEqual(fibers, [])
        assert.deepEqual(requests, {
          completed: 8,
          errors: 3,
          dispatched: 10,
          pending: 2,
          strays: 0,
          queue: {
            now: 1,
            max: 9,
            lanes: [
              { name: "high", now: 1, max: 7 },
              { name: "normal", now: 0, max: 2 },
              { name: "low", now: 0, max: 1 }
            ]
          },
          operations: [
            { name: "lookup", count: 6, errors: 3, p50: 1, p99: 2, max: 3 },
            { name: "getattr", count: 2, errors: 0, p50: 10.5, p99: 20, max: 30 }
          ]
        })
        assert.deepEqual(writes, {
          operations: 20,
          completed: 15,
          failed: 1,
          cancelled: 2,
          bytes: 4096,
          deferred: 5,
          queue: { now: 2, max: 4, bytes: 512 },
          latency: { p50: 8.5, p99: 90, max: 100 },
          activeHandles: 3,
          dirtyBytes: 1024
        })
      }).pipe(Effect.scoped, Effect.provide(running(env)))
      assert.deepStrictEqual(yield* Registry.list(env), [])
    })
  )

  it.live("syncs, gives reasons, and names paths that do not exist", () =>
    Effect.gen(function* () {
      const env = { XDG_RUNTIME_DIR: yield* temporary }
      yield* Effect.gen(function* () {
        const client = yield* Effect.flatMap(onlyEntry(env), connect)
        const request = { path: "/", wait: true, timeout: 1000, allowDeletes: false }
        assert.deepEqual(yield* client.sync(request), unsynced)
        assert.deepEqual(yield* client.sync({ ...request, wait: false }), [])
        const error = yield* Effect.flip(client.sync({ ...request, path: "/nowhere" }))
        assert.strictEqual(error.message, "/nowhere does not exist in the mount")
      }).pipe(Effect.scoped, Effect.provide(running(env)))
    })
  )

  it.live("asks the lifecycle to stop", () =>
    Effect.gen(function* () {
      const env = { XDG_RUNTIME_DIR: yield* temporary }
      yield* Effect.gen(function* () {
        const lifecycle = yield* Lifecycle
        const client = yield* Effect.flatMap(onlyEntry(env), connect)
        yield* client.unmount(false)
        assert.strictEqual((yield* lifecycle.stopping).reason, "onemount unmount")
        assert.isFalse(yield* lifecycle.isForced)
        yield* client.unmount(true)
        assert.isTrue(yield* lifecycle.isForced)
      }).pipe(Effect.scoped, Effect.provide(running(env)))
    })
  )

  it.live("streams events", () =>
    Effect.gen(function* () {
      const env = { XDG_RUNTIME_DIR: yield* temporary }
      yield* Effect.gen(function* () {
        const events = yield* Events
        const client = yield* Effect.flatMap(onlyEntry(env), connect)
        const first = yield* Effect.forkChild(Stream.runCollect(Stream.take(client.events, 1)))
        // Published until somebody has subscribed: the stream starts with what comes after its beginning.
        const publish = Effect.repeat(events.publish({ _tag: "DeltaApplied", items: 4 }), Schedule.spaced(20))
        yield* Effect.forkChild(publish)
        assert.deepEqual(yield* Fiber.join(first), [{ _tag: "DeltaApplied", items: 4 }])
      }).pipe(Effect.scoped, Effect.provide(running(env)))
    })
  )

  it.live("answers others while one client waits and another sends nonsense and hangs", () =>
    Effect.gen(function* () {
      const env = { XDG_RUNTIME_DIR: yield* temporary }
      const started = yield* Deferred.make<void>()
      const flush = Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
      yield* Effect.gen(function* () {
        const entry = yield* onlyEntry(env)
        const hanging = yield* Effect.acquireRelease(
          Effect.sync(() => connectSocket(entry.socket)),
          (socket) => Effect.sync(() => socket.destroy())
        )
        hanging.on("error", () => undefined)
        hanging.write("this is not JSON\n")
        const waiting = yield* connect(entry)
        yield* Effect.forkChild(waiting.sync({ path: "/", wait: true, timeout: 60_000, allowDeletes: false }))
        yield* Deferred.await(started)
        const other = yield* connect(entry)
        assert.strictEqual((yield* other.status).items, 7)
      }).pipe(Effect.scoped, Effect.provide(running(env, flush)))
    })
  )

  it.live("a daemon that is gone is an error, not a wait", () =>
    Effect.gen(function* () {
      const entry = {
        mountpoint: "/mnt/x",
        pid: process.pid,
        startTime: "",
        socket: join(yield* temporary, "none.sock"),
        cacheDirectory: "/c"
      }
      const error = yield* Effect.flip(Effect.flatMap(connect(entry), (client) => client.status))
      assert.strictEqual(error.reason, "Unreachable")
      assert.include(error.message, "/mnt/x")
    })
  )
})

/**
 * The control side of a running mount: its entry in the registry and an RPC server on its unix socket.
 *
 * Assumptions: the socket's directory is the user's own (0700), so whoever connects may control the mount. Every call
 * runs in its own fiber and waits for nothing of its client, so that a client that hangs or goes away costs a
 * descriptor and no more. The layer stands above everything it reports on and is the first to stop.
 */
import { chmodSync } from "node:fs"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Clock, Context, Effect, Layer, Stream } from "effect"
import { RpcSerialization, RpcServer } from "effect/rpc"
import type { SocketServer } from "effect/socket"
import { ContentStore } from "../content/ContentStore.ts"
import { Events } from "../events/Events.ts"
import { FuseSession } from "../fuse/FuseSession.ts"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import type { Environment } from "../platform/Paths.ts"
import { identity } from "../platform/Processes.ts"
import { isMassDeleteReason } from "../sync/brake.ts"
import { Sync } from "../sync/Sync.ts"
import { Transfers } from "../transfer/Transfers.ts"
import { Tree } from "../tree/Tree.ts"
import { ControlError, ControlRpcs, Status } from "./protocol.ts"
import * as Registry from "./registry.ts"
import { requestsOf, writesOf } from "./requestStatus.ts"

/** What a mount tells about itself. */
export interface ControlOptions {
  readonly env: Environment
  /** Absolute and without symbolic links. */
  readonly mountpoint: string
  /** For people: where the drive is. */
  readonly drive: string
  readonly version: string
  readonly cacheDirectory: string
}

/** Root of the drive's API for other programs, where this process serves it: an embedded drive with a port. */
export const ApiAddress = Context.Reference<string | null>("onemount/control/ApiAddress", { defaultValue: () => null })

/** Serves the mount's socket, and lists the mount in the registry while the socket answers. */
export const layer = (options: ControlOptions) =>
  Layer.unwrap(
    Effect.map(Registry.prepare(options.env, options.mountpoint), (socket) => {
      const server = RpcServer.layer(ControlRpcs, { disableFatalDefects: true, disableTracing: true }).pipe(
        Layer.provide(handlers(options)),
        Layer.provide(RpcServer.layerProtocolSocketServer),
        Layer.provide([listening(socket), RpcSerialization.layerNdjson])
      )
      // Registered once the socket answers, withdrawn before it stops to.
      return registration(options, socket).pipe(Layer.provide(server))
    })
  )

const listening = (socket: string): Layer.Layer<SocketServer.SocketServer, Registry.RegistryError> =>
  NodeSocketServer.layer({ path: socket }).pipe(
    Layer.tap(() => Effect.sync(() => chmodSync(socket, 0o600))),
    Layer.catchTag("SocketServerError", (error) =>
      Layer.effectContext(
        Effect.fail(
          new Registry.RegistryError({ reason: "Unusable", message: `cannot listen on ${socket}: ${error.message}` })
        )
      )
    )
  )

const registration = (options: ControlOptions, socket: string) =>
  Layer.effectDiscard(
    Effect.suspend(() =>
      Registry.register(options.env, {
        mountpoint: options.mountpoint,
        pid: process.pid,
        startTime: identity(process.pid)?.startTime ?? "",
        socket,
        cacheDirectory: options.cacheDirectory
      })
    )
  )

const handlers = (options: ControlOptions) =>
  ControlRpcs.toLayer(
    Effect.gen(function* () {
      const [lifecycle, events] = [yield* Lifecycle, yield* Events]
      const [tree, sync] = [yield* Tree, yield* Sync]
      const { status } = yield* makeStatus(options)
      return ControlRpcs.of({
        Status: () => status,
        Sync: Effect.fnUntraced(function* ({ path, wait, timeout, allowDeletes }) {
          const item = tree.resolve(path)
          if (item === undefined) {
            return yield* new ControlError({ reason: "NotFound", detail: `${path} does not exist in the mount` })
          }
          if (allowDeletes) yield* sync.allowDeletes
          if (wait) return yield* sync.flush(item.ino, timeout)
          yield* tree.expedite(item.ino)
          yield* sync.poll
          return []
        }, asControlError),
        Unmount: ({ force }) =>
          Effect.andThen(
            lifecycle.stop({ reason: force ? "onemount unmount --force" : "onemount unmount", failed: false }),
            force ? lifecycle.force : Effect.void
          ),
        Events: () =>
          Stream.unwrap(Effect.map(events.subscribe, (subscription) => Stream.fromSubscription(subscription)))
      })
    })
  )

const asControlError = <A, E extends Error, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (error: E) =>
    error instanceof ControlError ? error : new ControlError({ reason: "Failed", detail: error.message })
  )

const makeStatus = Effect.fnUntraced(function* ({ mountpoint, drive, version, cacheDirectory }: ControlOptions) {
  const lifecycle = yield* Lifecycle
  const [tree, content] = [yield* Tree, yield* ContentStore]
  const [transfers, sync] = [yield* Transfers, yield* Sync]
  const fuse = yield* FuseSession
  const started = yield* Clock.currentTimeMillis
  const api = yield* ApiAddress

  const status = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const { uploads, downloads } = yield* transfers.stats
    const { health, detail, cursorAge } = yield* sync.status
    const { bytes, limit, files } = yield* content.usage
    const summary = tree.summary()
    const parked = summary.parked === 0 ? [] : tree.parkedReasons()
    return new Status({
      mountpoint,
      drive,
      api,
      pid: process.pid,
      version,
      phase: yield* lifecycle.phase,
      health,
      detail,
      pending: {
        intents: summary.intents,
        parked: summary.parked,
        paused: parked.find(({ reason }) => isMassDeleteReason(reason))?.count ?? 0,
        uploads: uploads.active + uploads.queued,
        downloads: downloads.active + downloads.queued,
        bytes: summary.bytes,
        oldest: summary.oldest === null ? null : (now - summary.oldest) / 1000
      },
      parked,
      cache: { directory: cacheDirectory, bytes, limit, files },
      features: { ...fuse.features() },
      items: tree.counts().items,
      cursor: { age: cursorAge === null ? null : cursorAge / 1000, enumerated: tree.cursor().enumerated },
      requests: requestsOf((yield* fuse.stats).session),
      writes: writesOf(yield* content.writes),
      uptime: (now - started) / 1000,
      fibers: (yield* lifecycle.fibers).map(({ name, owner, state, restarts, lastError }) => ({
        name,
        owner,
        state,
        restarts,
        lastError
      }))
    })
  })
  return { status }
})

/**
 * The composition root: names every layer once and runs them as a mount.
 *
 * Model: Config, Events and Lifecycle are the process's; a mount is one layer in one scope of its own, and the order
 * of that layer is the order of its end, read backwards. Before the scope closes, the mount goes through its stages
 * while everything still works (`app/ending.ts`).
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Deferred, Effect, Layer, Option, Redacted, Ref, Schema, Scope } from "effect"
import type { HttpClient } from "effect/http"
import { close, endMount, type HowItEnded, type Mounted } from "./app/ending.ts"
import { Config, type Values } from "./config/Config.ts"
import { ContentStore } from "./content/ContentStore.ts"
import * as Control from "./control/Control.ts"
import * as ServiceManager from "./desktop/ServiceManager.ts"
import { Filesystem } from "./filesystem/Filesystem.ts"
import { FuseSession } from "./fuse/FuseSession.ts"
import * as GraphServer from "./graph-server/GraphServer.ts"
import { Auth } from "./graph/Auth.ts"
import { layerGraphClient } from "./graph/GraphClientHttp.ts"
import { defaultGraphConfig, GraphConfig, userAgent } from "./graph/GraphConfig.ts"
import * as LastResort from "./lifecycle/lastResort.ts"
import { Lifecycle } from "./lifecycle/Lifecycle.ts"
import * as DirectoryLock from "./platform/DirectoryLock.ts"
import * as FirstContact from "./sync/FirstContact.ts"
import { Sync } from "./sync/Sync.ts"
import { Transfers } from "./transfer/Transfers.ts"
import { MountDatabase } from "./tree/MountDatabase.ts"
import { Tree } from "./tree/Tree.ts"

/**
 * Where the drive is: an account at a Graph API, or an embedded drive's folder served by this process, on a loopback
 * `port` (0 takes a free one) to others, too.
 */
export type Drive =
  | { readonly _tag: "Remote"; readonly url: string; readonly tokenFile: string }
  | { readonly _tag: "Embedded"; readonly dir: string; readonly sample: boolean; readonly port: number | undefined }

export interface MountOptions {
  /** As `control/mountpoint.check` returned it. */
  readonly mountpoint: string
  readonly drive: Drive
  readonly cacheDirectory: string
  readonly version: string
  /** Called once the mount is proven by a read through it. */
  readonly onMounted: (mountpoint: string) => Effect.Effect<void>
}

/** How a mount ended. */
export interface Ended extends HowItEnded {
  readonly reason: string
  /** Something broke. */
  readonly failed: boolean
}

/** A mount that was not there in time. */
export class MountFailed extends Schema.TaggedError<MountFailed>()("MountFailed", {
  /** `TimedOut`: not mounted within mount.timeout. */
  reason: Schema.Literals(["TimedOut"]),
  message: Schema.String
}) {}

/** The tree of a mount; its presence says that the drive was known before. */
export const databaseOf = (cacheDirectory: string): string => join(cacheDirectory, "tree.db")

// ── layers ──

const remoteDrive = (tokenFile: string): Layer.Layer<HttpClient.HttpClient | Auth> =>
  Layer.mergeAll(NodeHttpClient.layerUndici, Auth.layerFile(tokenFile).pipe(Layer.provide(NodeServices.layer)))

type EmbeddedDrive = Extract<Drive, { readonly _tag: "Embedded" }>

/** The server in this process: requests without sockets, authorised as its owner. */
const embeddedDrive = (drive: EmbeddedDrive, server: ReturnType<typeof GraphServer.layer>) => {
  const isNew = !existsSync(join(drive.dir, "drive.db"))
  const auth = Layer.unwrap(Effect.map(GraphServer.DriveTokens, ({ token }) => Auth.layerToken(Redacted.make(token))))
  return Layer.mergeAll(GraphServer.inProcess, auth).pipe(
    Layer.tap(() => (drive.sample && isNew ? GraphServer.seedSample : Effect.void)),
    Layer.provide(server)
  )
}

/** Time for others' requests to the embedded drive to end, in milliseconds: less than closing has (`lastMoments`). */
const apiGrace = 500

/** The same server for other programs. */
const embeddedApi = ({ dir, port }: EmbeddedDrive) => {
  if (port === undefined) return Layer.empty
  const listening = Effect.tap(GraphServer.serveHttp({ port, grace: apiGrace }), ({ url }) =>
    Effect.logInfo(`api ${url} (token in ${join(dir, "token")})`)
  )
  return Layer.effect(
    Control.ApiAddress,
    Effect.map(listening, ({ url }) => url)
  )
}

const graphConfig = (baseUrl: string, version: string, { graph }: Values) =>
  Layer.succeed(GraphConfig, {
    ...defaultGraphConfig,
    baseUrl: baseUrl.replace(/\/+$/, ""),
    userAgent: userAgent(version),
    limits: { ...defaultGraphConfig.limits, idleTimeout: graph.timeout }
  })

const graphLayer = (drive: Drive, version: string, values: Values) => {
  if (drive._tag === "Remote") {
    return layerGraphClient.pipe(Layer.provide([remoteDrive(drive.tokenFile), graphConfig(drive.url, version, values)]))
  }
  const server = GraphServer.layer({ dir: drive.dir })
  const client = layerGraphClient.pipe(
    Layer.provide([embeddedDrive(drive, server), graphConfig(GraphServer.baseUrl, version, values)])
  )
  return Layer.merge(client, Layer.provide(embeddedApi(drive), server))
}

const own = (id: number, ours: number | undefined): number => (id === -1 ? (ours ?? 0) : id)

/** One mount, from the wire to the kernel and to who controls it; `mountpoint` is checked. */
export const mountLayer = (mountpoint: string, options: MountOptions, values: Values) => {
  const { cacheDirectory, drive, version } = options
  const { cache, download, mount, names, shutdown, upload } = values
  const fuse = FuseSession.layer({
    mountpoint,
    allowOther: mount.allowOther,
    passthrough: mount.passthrough === "auto",
    unmountDeadline: shutdown.unmount
  })
  const filesystem = Filesystem.layer({
    uid: own(mount.uid, process.getuid?.()),
    gid: own(mount.gid, process.getgid?.()),
    fileMode: mount.fileMode,
    dirMode: mount.directoryMode,
    localPatterns: names.localOnly,
    listTimeout: mount.requestTimeout
  })
  // Asked for again and again, so that a reload counts.
  const pollInterval = Effect.map(Config, (config) => Effect.map(config.current, ({ sync }) => sync.interval))
  const sync = Layer.unwrap(
    Effect.map(pollInterval, (interval) =>
      Sync.layer({ pollInterval: interval, uploads: upload.workers, listingLimit: mount.requestTimeout })
    )
  )
  const where = drive._tag === "Remote" ? drive.url : drive.dir
  const control = Control.layer({ env: process.env, mountpoint, cacheDirectory, version, drive: where })
  return ServiceManager.layer(process.env, mountpoint).pipe(
    Layer.provideMerge(control),
    Layer.provideMerge(fuse),
    Layer.provideMerge(filesystem),
    Layer.provideMerge(FirstContact.layer({ url: where, limit: (mount.timeout * 3) / 4 })),
    Layer.provideMerge(sync),
    Layer.provideMerge(
      Transfers.layer({ uploads: upload.workers, downloads: download.workers, patience: mount.requestTimeout })
    ),
    Layer.provideMerge(
      ContentStore.layer({
        directory: cacheDirectory,
        limit: cache.limit,
        reserve: cache.reserve,
        window: upload.window,
        maxWait: upload.wait
      })
    ),
    Layer.provideMerge(Tree.layer),
    Layer.provideMerge(MountDatabase.layer({ path: databaseOf(cacheDirectory) })),
    Layer.provideMerge(graphLayer(drive, version, values)),
    Layer.provideMerge(NodeServices.layer)
  )
}

// ── the life of a mount ──

/** Mounts, serves until the lifecycle is asked to stop or the mount is taken away, and ends in stages. */
export const runMount = Effect.fn("app.runMount")(function* (options: MountOptions) {
  const lifecycle = yield* Lifecycle
  const values = yield* Effect.flatMap(Config, (config) => config.current)
  const { mountpoint } = options
  yield* DirectoryLock.lock(options.cacheDirectory, `process ${process.pid}, mounted at ${mountpoint}`)

  yield* LastResort.watch(mountpoint)

  const mounted = yield* Ref.make(Option.none<Mounted>())
  const ended = yield* Ref.make<HowItEnded>({ forced: false, unwritten: 0 })
  const serve = (scope: Scope.Scope) =>
    Effect.gen(function* () {
      const context = yield* Layer.buildWithScope(mountLayer(mountpoint, options, values), scope).pipe(
        Effect.timeoutOrElse({ duration: values.mount.timeout, orElse: () => Effect.fail(tooSlow(values)) })
      )
      yield* Ref.set(mounted, Option.some<Mounted>(context))
      yield* options.onMounted(mountpoint)
      const reason = yield* Deferred.await(Context.get(context, FuseSession).closed)
      yield* lifecycle.stop({ reason: `the mount was taken away (${reason})`, failed: false })
    })

  yield* Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Effect.raceFirst(serve(scope), Effect.asVoid(lifecycle.stopping)),
    (scope, exit) =>
      Effect.gen(function* () {
        const context = yield* Ref.get(mounted)
        if (Option.isSome(context)) yield* Ref.set(ended, yield* endMount(context.value, mountpoint))
        yield* close(scope, exit)
      })
  )
  const { failed, reason } = yield* lifecycle.stopping
  return { failed, reason, ...(yield* Ref.get(ended)) } satisfies Ended
}, Effect.scoped)

const tooSlow = ({ mount }: Values): MountFailed =>
  new MountFailed({
    reason: "TimedOut",
    message: `not mounted within ${mount.timeout / 1000} s (mount.timeout); the log says how far it came`
  })

/**
 * A mount in a process of its own, for tests: the embedded drive in process, every layer real, no command line. Reads
 * one command per line (JSON) on standard input and answers each with one line; ends when standard input does.
 */
import { readdirSync, readlinkSync } from "node:fs"
import { createInterface } from "node:readline"
import { join } from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Deferred, Effect, Exit, Layer, Logger, Queue, Redacted, Scope, Stream } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { Events } from "../../src/events/Events.ts"
import { Filesystem } from "../../src/filesystem/Filesystem.ts"
import { defaults } from "../../src/filesystem/FilesystemConfig.ts"
import { FuseSession } from "../../src/fuse/FuseSession.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { Auth } from "../../src/graph/Auth.ts"
import { layerGraphClient } from "../../src/graph/GraphClientHttp.ts"
import { defaultGraphConfig, GraphConfig } from "../../src/graph/GraphConfig.ts"
import { Sync } from "../../src/sync/Sync.ts"
import { Transfers } from "../../src/transfer/Transfers.ts"
import { rootIno } from "../../src/tree/Item.ts"
import { MountDatabase } from "../../src/tree/MountDatabase.ts"
import { Tree } from "../../src/tree/Tree.ts"
import type { Command, Seed } from "./protocol.ts"

const [mountpoint = "", work = "", seeds = "[]"] = process.argv.slice(2)

const contentFolder = join(work, "content")

const drive = GraphServer.layer({ dir: join(work, "drive") })
const auth = Layer.unwrap(Effect.map(GraphServer.DriveTokens, ({ token }) => Auth.layerToken(Redacted.make(token))))
const graph = layerGraphClient.pipe(
  Layer.provide([GraphServer.inProcess, auth]),
  Layer.provide(Layer.succeed(GraphConfig, { ...defaultGraphConfig, baseUrl: GraphServer.baseUrl }))
)

const seed = Layer.effectDiscard(
  Effect.gen(function* () {
    const admin = yield* GraphServer.DriveAdmin
    for (const { path, text, size } of JSON.parse(seeds) as ReadonlyArray<Seed>) {
      if (text === undefined && size === undefined) yield* admin.createFolder(path)
      else yield* admin.putFile(path, text ?? Buffer.alloc(size ?? 0, "0123456789abcdef"))
    }
  })
)

class Ending extends Context.Service<Ending, { readonly end: Effect.Effect<void> }>()("onemount/test/mount/Ending") {}

/** The session has a scope of its own, so that it can end before what is below it. */
const session = Layer.effectContext(
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const context = yield* Layer.buildWithScope(FuseSession.layer({ mountpoint }), scope)
    return Context.add(context, Ending, { end: Scope.close(scope, Exit.void) })
  })
)

const mount = session.pipe(
  Layer.provideMerge(
    Filesystem.layer(defaults({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, umask: 0o022 }))
  ),
  Layer.provideMerge(Sync.layer()),
  Layer.provideMerge(Transfers.layer()),
  Layer.provideMerge(ContentStore.layer({ directory: contentFolder, limit: 10 ** 9, reserve: 0 })),
  Layer.provideMerge(Tree.layer),
  Layer.provideMerge(MountDatabase.layer({ path: join(work, "tree.db") })),
  Layer.provideMerge(graph),
  Layer.provideMerge(seed),
  Layer.provideMerge(drive),
  Layer.provideMerge(Events.layer),
  Layer.provideMerge(NodeServices.layer),
  Layer.provideMerge(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
)

/** Files of the content store that this process has open. */
const openBodies = (): ReadonlyArray<string> =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(`${contentFolder}/`) ? [path.slice(contentFolder.length)] : []
    } catch {
      // The descriptor that the list was read by.
      return []
    }
  })

const run = Effect.fnUntraced(function* (command: Command) {
  const admin = yield* GraphServer.DriveAdmin
  const sync = yield* Sync
  switch (command.command) {
    case "put":
      return yield* admin.putFile(command.path, command.text)
    case "replace":
      return yield* admin.replace(command.path, command.text)
    case "rename":
      return yield* admin.rename(command.path, command.name)
    case "delete":
      return yield* admin.delete(command.path)
    case "poll":
      return yield* sync.poll
    case "sync":
      return yield* sync.flush(rootIno, command.timeout)
    case "read":
      return Buffer.from(yield* admin.read(command.path)).toString()
    case "list":
      return (yield* admin.tree()).map(({ path }) => path)
    case "hang": {
      const faults = yield* GraphServer.Faults
      yield* faults.inject({ method: "GET", matches: /content|download/, times: 1000, action: { _tag: "Hang" } })
      return
    }
    case "corrupt": {
      const faults = yield* GraphServer.Faults
      const action = { _tag: "CorruptByte", offset: 1234 } as const
      yield* faults.inject({ method: "GET", matches: /download/, times: command.times, action })
      return
    }
    case "release":
      return yield* (yield* GraphServer.Faults).clear
    case "evict":
      return yield* (yield* ContentStore).evict(Number.MAX_SAFE_INTEGER)
    case "drain":
      return yield* (yield* FuseSession).drain(60_000)
    case "bodies":
      return openBodies()
    case "end":
      return yield* (yield* Ending).end
    case "closed":
      return yield* Deferred.await((yield* FuseSession).closed)
    case "stats":
      return yield* (yield* FuseSession).stats
    case "features":
      return (yield* FuseSession).features()
  }
})

const lines = Stream.callback<string>((queue) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const input = createInterface({ input: process.stdin })
      input.on("line", (line) => Queue.offerUnsafe(queue, line))
      input.on("close", () => Queue.endUnsafe(queue))
      return input
    }),
    (input) => Effect.sync(() => input.close())
  )
)

const say = (value: unknown) => Effect.sync(() => process.stdout.write(`${JSON.stringify(value ?? null)}\n`))

const main = Effect.gen(function* () {
  yield* say("mounted")
  yield* Stream.runForEach(lines, (line) =>
    run(JSON.parse(line) as Command).pipe(
      Effect.map((value) => ({ value: value ?? null })),
      Effect.catchCause((cause) => Effect.succeed({ failed: String(cause) })),
      Effect.flatMap(say)
    )
  )
})

NodeRuntime.runMain(Effect.provide(main, mount))

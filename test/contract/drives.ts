/** The drives the contract is run against, and what its cases share. */
import { randomUUID } from "node:crypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { layer, vi } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule, Stream } from "effect"
import type { HttpClient } from "effect/http"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { Auth } from "../../src/graph/Auth.ts"
import type { DriveItem, FileSystemInfo } from "../../src/graph/DriveItem.ts"
import { type DeltaPage, GraphClient } from "../../src/graph/GraphClient.ts"
import { layerGraphClient } from "../../src/graph/GraphClientHttp.ts"
import { defaultGraphConfig, defaultLimits, GraphConfig } from "../../src/graph/GraphConfig.ts"
import type { GraphError } from "../../src/graph/GraphError.ts"

/** Small pages, so that a handful of items needs several. */
const pageSize = 3

const auth = Layer.unwrap(Effect.map(GraphServer.DriveTokens, ({ token }) => Auth.layerToken(Redacted.make(token))))

const client = (baseUrl: string, http: Layer.Layer<HttpClient.HttpClient, never, GraphServer.DriveServer>) =>
  layerGraphClient.pipe(
    Layer.provide(Layer.mergeAll(http, auth)),
    Layer.provide(
      Layer.succeed(GraphConfig, { ...defaultGraphConfig, baseUrl, limits: { ...defaultLimits, pageSize } })
    )
  )

// The strictest: our client never sends a token to where none belongs.
const embedded = GraphServer.layerMemory({ settings: { pageSize, refuseAuthorization: true } })

const inProcess = client(GraphServer.baseUrl, GraphServer.inProcess).pipe(Layer.provide(embedded))

const overHttp = Layer.unwrap(
  Effect.map(GraphServer.serveHttp(), ({ url }) => client(`${url}/v1.0`, NodeHttpClient.layerUndici))
).pipe(Layer.provide(embedded))

const business = client(GraphServer.baseUrl, GraphServer.inProcess).pipe(
  Layer.provide(GraphServer.layerMemory({ kind: "business", settings: { pageSize } }))
)

/** An access token for Files.ReadWrite; it works for about an hour, which is more than the suite takes. */
const accountToken = process.env["GRAPH_CONTRACT_TOKEN"]
/** Another Graph than the public one: a national cloud, or a proxy that records. */
const accountUrl = process.env["GRAPH_CONTRACT_URL"] ?? "https://graph.microsoft.com/v1.0"

/** Never in CI: it writes to somebody's drive, below one folder that it removes at the end. */
const account = accountToken === undefined || process.env["CI"] !== undefined ? undefined : accountToken

if (accountToken === undefined) {
  process.stdout.write("  --  contract: no GRAPH_CONTRACT_TOKEN, so no real account was asked\n")
} else if (account === undefined) {
  process.stdout.write("  --  contract: GRAPH_CONTRACT_TOKEN is ignored in CI\n")
}

// Calls that take a second, and changes that show after some.
if (account !== undefined) vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 })

const realAccount = (token: string) =>
  layerGraphClient.pipe(
    Layer.provide(Layer.mergeAll(NodeHttpClient.layerUndici, Auth.layerToken(Redacted.make(token)))),
    Layer.provide(
      Layer.succeed(GraphConfig, { ...defaultGraphConfig, baseUrl: accountUrl, limits: { ...defaultLimits, pageSize } })
    )
  )

const drives: ReadonlyArray<readonly [string, Layer.Layer<GraphClient>]> = [
  ["embedded drive, in process", Layer.orDie(inProcess)],
  ["embedded drive, over HTTP", Layer.orDie(overHttp)],
  ["embedded business drive", Layer.orDie(business)],
  ...(account === undefined ? [] : [["real account", Layer.orDie(realAccount(account))] as const])
]

type Methods = Parameters<Parameters<ReturnType<typeof layer<GraphClient, never>>>[1]>[0]

/** Declares the same cases for every drive. They share it: each works in a folder of its own, see `workspace`. */
export const contract = (cases: (it: Methods) => void): void => {
  for (const [name, drive] of drives) layer(drive, { excludeTestServices: true })(name, cases)
}

/** Names that no earlier run has left on an account. */
const run = randomUUID().slice(0, 8)
let workspaces = 0

/** A new, empty folder below the root. On a real account it is removed when the case is over. */
export const workspace = Effect.gen(function* () {
  const graph = yield* GraphClient
  const root = yield* graph.root
  const name = account === undefined ? `workspace ${++workspaces}` : `onemount contract ${run} ${++workspaces}`
  const made = graph.createFolder(root.id, name, null)
  if (account === undefined) return yield* made
  return yield* Effect.acquireRelease(made, ({ id }) => Effect.ignore(graph.delete(id, null)))
})

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Bytes without a period that a mistaken offset could hide behind. */
export const pattern = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * 7) & 255)

export const put = (parent: DriveItem, name: string, body: Uint8Array) =>
  GraphClient.use((graph) => graph.putContent({ _tag: "New", parent: parent.id, name }, body))

export const read = (item: DriveItem, offset: number, length: number, cTag = item.cTag) =>
  GraphClient.use((graph) => Stream.runCollect(graph.download(item.id, cTag, { offset, length }))).pipe(
    Effect.map((parts) => new Uint8Array(Buffer.concat(parts)))
  )

export const reasonOf = <A, R>(effect: Effect.Effect<A, GraphError, R>): Effect.Effect<string, A, R> =>
  Effect.map(Effect.flip(effect), (error) => error.reason._tag)

/** Pages until caught up, at most 1000. */
export const changesSince = Effect.fnUntraced(function* (link: string | null) {
  const graph = yield* GraphClient
  const items: Array<DriveItem> = []
  let next = link
  for (let n = 0; n < 1000; n++) {
    const page: DeltaPage = yield* graph.delta(next)
    items.push(...page.items)
    if (page.caughtUp) return { items, link: page.link }
    next = page.link
  }
  return yield* Effect.die("delta does not end")
})

/** The newest state of each item in a pass. */
const latestOf = (items: ReadonlyArray<DriveItem>): ReadonlyMap<string, DriveItem> =>
  new Map(items.map((item) => [item.id, item]))

/**
 * The pass from a link on, once it shows what is waited for: the service shows a change some seconds after it was made,
 * and until then its links stand before that change.
 */
export const changesUntil = (link: string | null, shows: (latest: ReadonlyMap<string, DriveItem>) => boolean) =>
  changesSince(link).pipe(
    Effect.map((pass) => ({ ...pass, latest: latestOf(pass.items) })),
    Effect.repeat({ until: ({ latest }) => shows(latest), schedule: Schedule.spaced("1 second") }),
    Effect.timeout("60 seconds")
  )

export const someTime: FileSystemInfo = {
  created: { sec: 1_000_000_000, nsec: 0 },
  modified: { sec: 1_234_567_890, nsec: 0 }
}

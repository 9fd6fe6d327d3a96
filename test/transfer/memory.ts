/**
 * Bodies and items in memory, and transfers between them and an embedded drive: the same promises as the real content
 * store makes (fetches for missing ranges, fills that skip what is there, readers released by range), without disk.
 */
import { ContentId } from "@onemount/fuse-native"
import { Context, Deferred, Effect, Layer, Queue, Redacted } from "effect"
import { ContentError } from "../../src/content/ContentError.ts"
import { ContentStore, type Fetch } from "../../src/content/ContentStore.ts"
import { Events } from "../../src/events/Events.ts"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { Auth } from "../../src/graph/Auth.ts"
import { ItemId } from "../../src/graph/DriveItem.ts"
import type { ByteRange } from "../../src/graph/GraphClient.ts"
import { layerGraphClient } from "../../src/graph/GraphClientHttp.ts"
import { defaultGraphConfig, GraphConfig } from "../../src/graph/GraphConfig.ts"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import { overlaps, subtract } from "../../src/transfer/plan.ts"
import { Transfers } from "../../src/transfer/Transfers.ts"
import { ContentKey, Ino, type Item } from "../../src/tree/Item.ts"
import { Tree } from "../../src/tree/Tree.ts"

interface Reader extends ByteRange {
  readonly done: Deferred.Deferred<Uint8Array, number>
}

interface Body {
  readonly item: Item
  readonly bytes: Uint8Array
  missing: ReadonlyArray<ByteRange>
  readonly readers: Set<Reader>
}

/** The test's hands on the bodies. */
export class Memory extends Context.Service<
  Memory,
  {
    /** A ghost of what the drive has at the path. */
    ghost(path: string): Effect.Effect<Ino>
    /** Waits like a kernel reader; fails with an errno. */
    read(ino: Ino, offset: number, length: number, sequential?: number): Effect.Effect<Uint8Array, number>
    missing(ino: Ino): ReadonlyArray<ByteRange>
    readonly references: () => number
  }
>()("test/Memory") {}

const zero = { sec: 0, nsec: 0 }
const contentOf = (ino: Ino): ContentId => ContentId(ino)
const endOf = ({ offset, length }: ByteRange): number => offset + length

/** A service of which the code under test uses only these members. */
const partially = <Self, Shape extends object>(service: Context.Service<Self, Shape>, members: Partial<Shape>) =>
  Layer.succeed(service, service.of(members as Shape))

export const layerMemory = Layer.effectContext(
  Effect.gen(function* () {
    const admin = yield* GraphServer.DriveAdmin
    const fetches = yield* Queue.bounded<Fetch>(100)
    const table = new Map<number, Body>()
    let references = 0
    let next = 2

    const bodyOf = (id: number): Effect.Effect<Body, ContentError> => {
      const body = table.get(id)
      return body === undefined
        ? Effect.fail(new ContentError({ reason: "Gone", detail: `no body ${id}` }))
        : Effect.succeed(body)
    }

    const releaseReaders = (body: Body): void => {
      for (const reader of body.readers) {
        if (body.missing.some((range) => overlaps(range, reader))) continue
        body.readers.delete(reader)
        Deferred.doneUnsafe(reader.done, Effect.succeed(body.bytes.slice(reader.offset, endOf(reader))))
      }
    }

    const content = partially(ContentStore, {
      fetches,
      open: (ino) =>
        Effect.map(bodyOf(ino), () => (references++, { content: contentOf(ino), key: ContentKey(ino), ino })),
      release: () => Effect.sync(() => void references--),
      live: () => undefined,
      missing: (id, offset) => {
        const ranges = table.get(id)?.missing ?? []
        const range = ranges.find((candidate) => endOf(candidate) > offset)
        const start = Math.max(offset, range?.offset ?? 0)
        return range === undefined ? undefined : { offset: start, length: endOf(range) - start }
      },
      fill: (id, offset, bytes) =>
        Effect.map(bodyOf(id), (body) => {
          const filled = { offset, length: bytes.length }
          body.bytes.set(bytes, offset)
          body.missing = body.missing.flatMap((range) => subtract(range, [filled]))
          releaseReaders(body)
        }),
      fail: (id, offset, length, errno) =>
        Effect.sync(() => {
          const body = table.get(id)
          for (const reader of body?.readers ?? []) {
            if (!overlaps(reader, { offset, length })) continue
            body?.readers.delete(reader)
            Deferred.doneUnsafe(reader.done, Effect.fail(errno))
          }
        }),
      verify: (id) =>
        Effect.flatMap(bodyOf(id), (body) => {
          if (quickXorHash(body.bytes) === body.item.hash) return Effect.void
          body.missing = [{ offset: 0, length: body.item.size }]
          return Effect.fail(new ContentError({ reason: "Corrupt", detail: "wrong hash" }))
        })
    })

    const tree = partially(Tree, { get: (ino) => table.get(ino)?.item, intents: () => [] })

    const memory = Memory.of({
      ghost: Effect.fnUntraced(function* (path) {
        const entry = yield* Effect.orDie(admin.stat(path))
        const ino = Ino(next++)
        const item: Item = {
          ino,
          parent: Ino(1),
          name: path.slice(1),
          kind: "file",
          size: entry.size,
          mtime: zero,
          ctime: zero,
          btime: zero,
          mode: 0o644,
          remoteId: ItemId(entry.id),
          eTag: entry.eTag,
          cTag: entry.cTag,
          hash: entry.hash,
          content: ContentKey(ino),
          generation: 0,
          localOnly: false,
          complete: true
        }
        const missing = entry.size === 0 ? [] : [{ offset: 0, length: entry.size }]
        table.set(ino, { item, bytes: new Uint8Array(entry.size), missing, readers: new Set() })
        return ino
      }),
      read: Effect.fnUntraced(function* (ino, offset, length, sequential = 0) {
        const body = yield* Effect.orDie(bodyOf(ino))
        const range = { offset, length: Math.min(length, body.item.size - offset) }
        const reader: Reader = { ...range, done: Deferred.makeUnsafe() }
        const pending = [...body.readers].some((other) => overlaps(other, range))
        body.readers.add(reader)
        releaseReaders(body)
        if (body.readers.has(reader) && !pending) {
          yield* Queue.offer(fetches, { ino, content: contentOf(ino), key: ContentKey(ino), ...range, sequential })
        }
        return yield* Deferred.await(reader.done)
      }),
      missing: (ino) => table.get(ino)?.missing ?? [],
      references: () => references
    })
    return yield* Layer.build(Layer.mergeAll(content, tree, Layer.succeed(Memory, memory)))
  })
)

const auth = Layer.unwrap(Effect.map(GraphServer.DriveTokens, ({ token }) => Auth.layerToken(Redacted.make(token))))

/** A Graph client for the embedded drive of the context, without sockets. */
export const layerClient = layerGraphClient.pipe(
  Layer.provide(Layer.mergeAll(GraphServer.inProcess, auth)),
  Layer.provide(Layer.succeed(GraphConfig, { ...defaultGraphConfig, baseUrl: GraphServer.baseUrl }))
)

export const layerDownloads = Transfers.layer().pipe(
  Layer.provideMerge(Layer.mergeAll(layerMemory, layerClient, Events.layer)),
  Layer.provideMerge(GraphServer.layerMemory())
)

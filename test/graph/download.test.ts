import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { headProblem } from "../../src/graph/download.ts"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { defaultLimits, type GraphLimits } from "../../src/graph/GraphConfig.ts"
import type { GraphError } from "../../src/graph/GraphError.ts"
import { bodyStream, fileItem, json, refusal, type Reply, ScriptedServer, type Seen } from "./ScriptedServer.ts"
import { settle, unhurried } from "./time.ts"

const id = ItemId("01FILE")
const cTag = '"c:{G},1"'
const size = 1000
const content = Uint8Array.from({ length: size }, (_, index) => (index * 7 + 3) & 255)

/** The range a request asks for, as first byte and the one behind the last. */
const asked = (seen: Seen): readonly [number, number] => {
  const match = /^bytes=(\d+)-(\d+)$/.exec(seen.headers["range"] ?? "")
  return [Number(match?.[1]), Number(match?.[2]) + 1]
}

const partial = (
  first: number,
  end: number,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null = content.slice(first, end),
  total: number = size
) => new Response(body, { status: 206, headers: { "content-range": `bytes ${first}-${end - 1}/${total}` } })

const good = (seen: Seen): Response => partial(...asked(seen))

/** A drive with one file; `transfer` is the download host, called with the number of its request. */
const drive = (
  transfer: (seen: Seen, n: number) => Reply | Effect.Effect<Reply>,
  item: (n: number) => Record<string, unknown> = () => ({})
) => {
  let transfers = 0
  let lookUps = 0
  return new ScriptedServer((seen) => {
    if (seen.url.host === "dl.test") return transfer(seen, transfers++)
    const n = lookUps++
    return json(fileItem({ size, "@microsoft.graph.downloadUrl": `https://dl.test/x?tempauth=${n}`, ...item(n) }))
  })
}

const transfersOf = (server: ScriptedServer) => server.seen.filter((seen) => seen.url.host === "dl.test")
const lookUpsOf = (server: ScriptedServer) => server.seen.filter((seen) => seen.url.host !== "dl.test")

const join = (parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(parts.flatMap((part) => [...part]))

const fetchRange = (offset: number, length: number, tag: string | null = cTag) =>
  GraphClient.use((graph) => Stream.runCollect(graph.download(id, tag, { offset, length }))).pipe(Effect.map(join))

const run = <A>(
  server: ScriptedServer,
  effect: Effect.Effect<A, GraphError, GraphClient>,
  limits: Partial<GraphLimits> = {}
) => Effect.provide(unhurried(effect), server.layer({ limits }))

describe("a range", () => {
  it.effect("arrives exactly, without our token", () => {
    const server = drive(good)
    return Effect.gen(function* () {
      const result = yield* run(server, fetchRange(100, 50))
      assert.deepStrictEqual(Result.getOrNull(result), content.slice(100, 150))
      const [transfer] = transfersOf(server)
      assert.isUndefined(transfer?.headers["authorization"])
      assert.strictEqual(transfer?.headers["range"], "bytes=100-149")
      assert.strictEqual(transfer?.headers["accept-encoding"], "identity")
    })
  })

  it.effect("of the whole content may come as 200", () => {
    const server = drive(() => new Response(content))
    return Effect.gen(function* () {
      const result = yield* run(server, fetchRange(0, size))
      assert.isTrue(result._tag === "Success" && result.success.length === size)
    })
  })

  it.effect("is pulled, not pushed", () => {
    let produced = 0
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          produced++
          controller.enqueue(new Uint8Array(10))
        }
      },
      { highWaterMark: 0 }
    )
    const server = drive((seen) => partial(...asked(seen), endless))
    return Effect.gen(function* () {
      const graph = yield* GraphClient
      const taken = yield* Stream.runCollect(Stream.take(graph.download(id, cTag, { offset: 0, length: size }), 3))
      assert.strictEqual(taken.length, 3)
      assert.isAtMost(produced, 6)
    }).pipe(Effect.provide(server.layer()))
  })

  for (const [offset, length] of [
    [0, 0],
    [-1, 5],
    [0, Number.NaN],
    [Number.MAX_SAFE_INTEGER, 2]
  ] as const) {
    it.effect(`of ${length} bytes at ${offset} is refused here`, () => {
      const server = drive(good)
      return Effect.gen(function* () {
        const result = yield* run(server, fetchRange(offset, length))
        assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "InvalidRequest")
        assert.strictEqual(server.seen.length, 0)
      })
    })
  }
})

describe("wrong answers are Malformed, never bytes", () => {
  const cases: ReadonlyArray<readonly [string, (seen: Seen) => Response]> = [
    ["200 instead of 206", () => new Response(content)],
    ["206 without Content-Range", () => new Response(content.slice(100, 150), { status: 206 })],
    ["another start", () => partial(101, 151)],
    ["another end", () => partial(100, 149)],
    ["a senseless Content-Range", () => new Response("x", { status: 206, headers: { "content-range": "bytes */9" } })],
    ["a short body", () => partial(100, 150, content.slice(100, 149))],
    ["an empty body", () => partial(100, 150, null)],
    ["a long body", () => partial(100, 150, content.slice(100, 151))],
    ["a wrong Content-Length", (seen) => withHeader(good(seen), "content-length", "49")],
    ["compressed content", (seen) => withHeader(good(seen), "content-encoding", "gzip")],
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "https://dl.test/y" } })],
    ["another total, twice", (seen) => partial(...asked(seen), undefined, size + 1)]
  ]
  for (const [name, transfer] of cases) {
    it.effect(name, () => {
      const server = drive(transfer)
      return Effect.gen(function* () {
        const result = yield* run(server, fetchRange(100, 50))
        assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "Malformed")
      })
    })
  }

  it.effect("the start of the whole content is not taken for the range", () => {
    let received = 0
    const server = drive(() => new Response(bodyStream([content.slice(0, 20), content.slice(20)], "close")))
    const count = GraphClient.use((graph) =>
      Stream.runForEach(graph.download(id, cTag, { offset: 100, length: 50 }), (bytes) =>
        Effect.sync(() => void (received += bytes.length))
      )
    )
    return Effect.gen(function* () {
      assert.strictEqual((yield* run(server, count))._tag, "Failure")
      assert.strictEqual(received, 0)
    })
  })

  for (const [name, parts] of [
    ["in the chunk that completes the range", [content.slice(100, 151)]],
    ["in a chunk of their own", [content.slice(100, 150), content.slice(150, 151)]]
  ] as const) {
    it.effect(`surplus bytes do not reach the consumer: ${name}`, () => {
      let received = 0
      const server = drive((seen) => partial(...asked(seen), bodyStream(parts, "close")))
      const count = GraphClient.use((graph) =>
        Stream.runForEach(graph.download(id, cTag, { offset: 100, length: 50 }), (bytes) =>
          Effect.sync(() => void (received += bytes.length))
        )
      )
      return Effect.gen(function* () {
        const result = yield* run(server, count)
        assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "Malformed")
        assert.isAtMost(received, 50)
      })
    })
  }

  it("HTML with 200 has another length", () => {
    const headers = { "content-length": "31" }
    assert.isNotNull(headProblem({ status: 200, headers }, { first: 0, end: size, size }))
  })

  for (const [name, url] of [
    ["plain HTTP behind HTTPS", "http://dl.test/x"],
    ["no URL", "garbage"],
    ["a file", "file:///etc/passwd"]
  ] as const) {
    it.effect(`a download URL that is ${name}`, () => {
      const server = drive(good, () => ({ "@microsoft.graph.downloadUrl": url }))
      return Effect.gen(function* () {
        const result = yield* run(server, fetchRange(0, 10))
        assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "Malformed")
        assert.strictEqual(transfersOf(server).length, 0)
      })
    })
  }
})

const withHeader = (response: Response, name: string, value: string): Response => {
  response.headers.set(name, value)
  return response
}

describe("versions", () => {
  it.effect("another cTag is PreconditionFailed before any byte", () => {
    const server = drive(good, () => ({ cTag: '"c:{G},2"' }))
    return Effect.gen(function* () {
      const result = yield* run(server, fetchRange(0, 10))
      assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "PreconditionFailed")
      assert.strictEqual(transfersOf(server).length, 0)
    })
  })

  for (const [name, transfer] of [
    ["the URL expires", () => refusal(401)],
    ["the total changes", (seen: Seen) => partial(...asked(seen), undefined, size + 1)],
    ["the range is outside", () => refusal(416)]
  ] as const) {
    it.effect(`are compared again when ${name}`, () => {
      const server = drive(transfer, (n) => (n === 0 ? {} : { cTag: '"c:{G},2"' }))
      return Effect.gen(function* () {
        const result = yield* run(server, fetchRange(0, 10))
        assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "PreconditionFailed")
        assert.strictEqual(lookUpsOf(server).length, 2)
      })
    })
  }

  it.effect("without a cTag any content will do", () => {
    const server = drive(good)
    return Effect.gen(function* () {
      const result = yield* run(server, fetchRange(0, 10, null))
      assert.strictEqual(result._tag, "Success")
    })
  })
})

describe("download URLs", () => {
  it.effect("serve many ranges for a few minutes", () => {
    const server = drive(good)
    return Effect.gen(function* () {
      for (let n = 0; n < 5; n++) yield* fetchRange(n * 10, 10)
      assert.strictEqual(lookUpsOf(server).length, 1)
      yield* TestClock.adjust(defaultLimits.downloadUrlLifetime)
      yield* fetchRange(0, 10)
      assert.strictEqual(lookUpsOf(server).length, 2)
      yield* Effect.exit(fetchRange(0, 10, "other version"))
      assert.strictEqual(lookUpsOf(server).length, 3)
    }).pipe(Effect.provide(server.layer()))
  })

  it.effect("are bounded in number", () => {
    const server = new ScriptedServer((seen) =>
      seen.url.host === "dl.test"
        ? good(seen)
        : json(fileItem({ size, cTag: "c", "@microsoft.graph.downloadUrl": "https://dl.test/x" }))
    )
    return Effect.gen(function* () {
      const graph = yield* GraphClient
      const read = (name: string) => Stream.runDrain(graph.download(ItemId(name), "c", { offset: 0, length: 1 }))
      yield* read("a")
      yield* read("b")
      yield* read("c")
      yield* read("c")
      assert.strictEqual(lookUpsOf(server).length, 3)
      yield* read("a")
      assert.strictEqual(lookUpsOf(server).length, 4)
    }).pipe(Effect.provide(server.layer({ limits: { downloadUrlCapacity: 2 } })))
  })

  for (const status of [401, 403, 404, 410]) {
    it.effect(`that expired (${status}) are fetched again, once`, () => {
      const server = drive((seen) => (seen.url.search.endsWith("=0") ? refusal(status) : good(seen)))
      return Effect.gen(function* () {
        const result = yield* run(server, fetchRange(0, 10))
        assert.strictEqual(result._tag, "Success")
        assert.strictEqual(lookUpsOf(server).length, 2)
        assert.strictEqual(transfersOf(server).length, 2)
      })
    })

    it.effect(`that are refused (${status}) even when fresh end the download`, () => {
      const server = drive(() => refusal(status, status === 403 ? "malwareDetected" : ""))
      return Effect.gen(function* () {
        const result = yield* run(server, fetchRange(0, 10))
        const expected = status === 403 ? "Forbidden" : "Malformed"
        assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === expected)
        assert.strictEqual(transfersOf(server).length, 2)
      })
    })
  }

  it.effect("come from the redirect where the item has none", () => {
    const server = new ScriptedServer((seen) => {
      if (seen.url.host === "dl.test") return good(seen)
      return seen.url.pathname.endsWith("/content")
        ? new Response(null, { status: 302, headers: { location: "https://dl.test/r" } })
        : json(fileItem({ size }))
    })
    return Effect.gen(function* () {
      const result = yield* run(server, fetchRange(0, 10))
      assert.strictEqual(result._tag, "Success")
      assert.strictEqual(server.seen[1]?.url.pathname, "/v1.0/me/drive/items/01FILE/content")
    })
  })
})

describe("interruptions", () => {
  it.effect("after the last byte do not matter", () => {
    const server = drive((seen) => {
      const [first, last] = asked(seen)
      return partial(first, last, bodyStream([content.slice(first, last)], "cut"))
    })
    return Effect.gen(function* () {
      const result = yield* run(server, fetchRange(0, 50))
      assert.deepStrictEqual(Result.getOrNull(result), content.slice(0, 50))
      assert.strictEqual(transfersOf(server).length, 1)
    })
  })

  for (const end of ["cut", "stall"] as const) {
    it.effect(`a body that is ${end} goes on at the byte reached`, () => {
      const server = drive((seen) => {
        const [first, last] = asked(seen)
        const upTo = Math.min(last, first + 30)
        return partial(first, last, bodyStream([content.slice(first, upTo)], upTo === last ? "close" : end))
      })
      return Effect.gen(function* () {
        const result = yield* run(server, fetchRange(100, 100))
        assert.deepStrictEqual(Result.getOrNull(result), content.slice(100, 200))
        assert.deepStrictEqual(
          transfersOf(server).map((seen) => seen.headers["range"]),
          ["bytes=100-199", "bytes=130-199", "bytes=160-199", "bytes=190-199"]
        )
      })
    })
  }

  it.effect("a resumed download never joins two versions", () => {
    let received = 0
    const server = drive(
      (seen) => partial(...asked(seen), bodyStream([content.slice(0, 30)], "cut")),
      (n) => (n === 0 ? {} : { cTag: '"c:{G},2"' })
    )
    const count = GraphClient.use((graph) =>
      Stream.runForEach(graph.download(id, cTag, { offset: 0, length: 100 }), (bytes) =>
        Effect.sync(() => void (received += bytes.length))
      )
    )
    return Effect.gen(function* () {
      const result = yield* run(server, count)
      assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "PreconditionFailed")
      assert.strictEqual(received, 30)
      assert.strictEqual(transfersOf(server).length, 1)
    })
  })

  it.effect("a long download outlives many cuts and expired URLs as long as bytes come", () => {
    const server = drive((seen, n) => {
      if (n % 3 === 2) return refusal(401)
      const [first, last] = asked(seen)
      const upTo = Math.min(last, first + 50)
      return partial(first, last, bodyStream([content.slice(first, upTo)], upTo === last ? "close" : "cut"))
    })
    return Effect.gen(function* () {
      const result = yield* run(server, fetchRange(0, size))
      assert.isTrue(result._tag === "Success" && Buffer.compare(result.success, content) === 0)
    })
  })

  for (const [name, transfer] of [
    ["cut", (seen: Seen) => partial(...asked(seen), bodyStream([], "cut"))],
    ["reset", () => ({ code: "ECONNRESET" })],
    ["500", () => refusal(500)],
    ["429", () => refusal(429, "", { "retry-after": "1" })]
  ] as const) {
    it.effect(`without progress end after the attempts: ${name}`, () => {
      const server = drive(transfer)
      return Effect.gen(function* () {
        const result = yield* run(server, fetchRange(0, 10))
        assert.isTrue(result._tag === "Failure" && result.failure.transient)
        assert.strictEqual(transfersOf(server).length, defaultLimits.attempts)
      })
    })
  }

  it.effect("of the metadata call are not multiplied", () => {
    const server = new ScriptedServer(() => ({ code: "ECONNREFUSED" }))
    return Effect.gen(function* () {
      const result = yield* run(server, fetchRange(0, 10))
      assert.isTrue(result._tag === "Failure" && result.failure.offline)
      assert.strictEqual(server.seen.length, defaultLimits.attempts)
    })
  })

  it.effect("by the consumer release the connection", () => {
    let cancelled = false
    const stalled = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) })
    const server = drive((seen) => partial(...asked(seen), stalled))
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(fetchRange(0, 10))
      yield* settle
      yield* Fiber.interrupt(fiber)
      yield* settle
      assert.isTrue(cancelled)
    }).pipe(Effect.provide(server.layer()))
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { fragmentUnit, GraphClient, type UploadSession } from "../../src/graph/GraphClient.ts"
import { base, fileItem, html, json, refusal, type Reply, ScriptedServer } from "./ScriptedServer.ts"
import { unhurried } from "./time.ts"

const parent = ItemId("01ROOT")
const id = ItemId("01FILE")
const info = { size: 2 * fragmentUnit, fileSystemInfo: { modified: { sec: 1767323045, nsec: 0 } } }
const session: UploadSession = { url: "https://up.test/s?tempauth=abc", expires: 5, nextOffset: 0 }
const state = { expirationDateTime: "2026-01-02T03:04:05Z", nextExpectedRanges: ["0-"] }

const use = <A, E>(server: ScriptedServer, f: (graph: GraphClient["Service"]) => Effect.Effect<A, E>) =>
  Effect.provide(unhurried(GraphClient.use(f)), server.layer())

const fragment = (reply: Reply, offset = 0, length = fragmentUnit) => {
  const server = new ScriptedServer(() => reply)
  const bytes = new Uint8Array(length)
  return Effect.map(
    use(server, (graph) => graph.uploadFragment(session, { offset, total: info.size, bytes })),
    (result) => ({ result, server })
  )
}

describe("createUploadSession", () => {
  for (const [name, target, path, behaviour, tag] of [
    ["New", { _tag: "New", parent, name: "a b" }, "items/01ROOT:/a%20b:/createUploadSession", "fail", undefined],
    ["Existing", { _tag: "Existing", id, ifMatch: "e" }, "items/01FILE/createUploadSession", "replace", "e"]
  ] as const) {
    it.effect(`for ${name} targets`, () => {
      const server = new ScriptedServer(() => json({ uploadUrl: session.url, ...state }))
      return Effect.gen(function* () {
        const result = yield* use(server, (graph) => graph.createUploadSession(target, info))
        assert.deepStrictEqual(Result.getOrNull(result), {
          url: session.url,
          expires: Date.UTC(2026, 0, 2, 3, 4, 5),
          nextOffset: 0
        })
        const [seen] = server.seen
        assert.strictEqual(seen?.url.href, `${base}/me/drive/${path}`)
        assert.strictEqual(seen?.headers["if-match"], tag)
        const body: unknown = JSON.parse(new TextDecoder().decode(seen?.body))
        assert.deepStrictEqual(body, {
          item: {
            "@microsoft.graph.conflictBehavior": behaviour,
            ...(name === "New" ? { name: "a b" } : {}),
            fileSystemInfo: { lastModifiedDateTime: "2026-01-02T03:04:05Z" },
            fileSize: info.size
          }
        })
      })
    })
  }

  for (const [name, body] of [
    ["no URL", state],
    ["a URL that is none", { ...state, uploadUrl: "x" }],
    ["no ranges", { uploadUrl: session.url }]
  ] as const) {
    it.effect(`is Malformed with ${name}`, () =>
      Effect.gen(function* () {
        const result = yield* use(new ScriptedServer(() => json(body)), (graph) =>
          graph.createUploadSession({ _tag: "Existing", id, ifMatch: null }, info)
        )
        assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "Malformed")
      })
    )
  }

  it.effect("has no use for empty files", () =>
    Effect.gen(function* () {
      const server = new ScriptedServer(() => html(500))
      const result = yield* use(server, (graph) =>
        graph.createUploadSession({ _tag: "Existing", id, ifMatch: null }, { ...info, size: 0 })
      )
      assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "InvalidRequest")
      assert.strictEqual(server.seen.length, 0)
    })
  )
})

describe("uploadFragment", () => {
  it.effect("sends its range, without our token", () =>
    Effect.gen(function* () {
      const { server } = yield* fragment(json(state, 202), fragmentUnit)
      const [seen] = server.seen
      assert.strictEqual(seen?.headers["content-range"], `bytes ${fragmentUnit}-${info.size - 1}/${info.size}`)
      assert.isUndefined(seen?.headers["authorization"])
      assert.strictEqual(seen?.url.href, session.url)
    })
  )

  for (const [ranges, nextOffset] of [
    [[`${fragmentUnit}-`], fragmentUnit],
    [["1000-"], 1000],
    [[`${fragmentUnit}-${info.size - 1}`], fragmentUnit],
    [["200000-300000", "100000-150000"], 100_000]
  ] as const) {
    it.effect(`202 goes on at ${nextOffset} of ${ranges.join()}`, () =>
      Effect.gen(function* () {
        const { result } = yield* fragment(json({ nextExpectedRanges: ranges }, 202))
        assert.deepStrictEqual(Result.getOrNull(result), { _tag: "Accepted", nextOffset, expires: session.expires })
      })
    )
  }

  for (const status of [200, 201]) {
    it.effect(`${status} brings the item`, () =>
      Effect.gen(function* () {
        const { result } = yield* fragment(json(fileItem(), status), fragmentUnit)
        assert.isTrue(result._tag === "Success" && result.success._tag === "Completed")
      })
    )
  }

  for (const [name, reply, reason, ambiguous] of [
    ["404", refusal(404, "itemNotFound"), "SessionGone", false],
    ["401", html(401), "SessionGone", false],
    ["403", html(403), "SessionGone", false],
    ["403 over quota", refusal(403, "quotaLimitReached"), "QuotaExceeded", false],
    ["409", refusal(409, "nameAlreadyExists"), "NameExists", false],
    ["412", refusal(412, "resourceModified"), "PreconditionFailed", false],
    ["416", refusal(416, "invalidRange"), "RangeInvalid", false],
    ["500", refusal(500), "ServerFailure", true],
    ["a reset", { code: "ECONNRESET" }, "Unreachable", true],
    ["507", refusal(507), "QuotaExceeded", false],
    ["202 without ranges", json({}, 202), "Malformed", true],
    ["202 with no range", json({ nextExpectedRanges: [] }, 202), "Malformed", true],
    ["202 ahead of what was sent", json({ nextExpectedRanges: ["400000-"] }, 202), "Malformed", true],
    ["200 without an item", json({}), "Malformed", true]
  ] as const) {
    it.effect(`${name} is ${reason}, and sent once`, () =>
      Effect.gen(function* () {
        const { result, server } = yield* fragment(reply)
        if (result._tag === "Success") return assert.fail("succeeded")
        assert.strictEqual(result.failure.reason._tag, reason)
        assert.strictEqual(result.failure.ambiguous, ambiguous)
        assert.strictEqual(server.seen.length, 1)
      })
    )
  }

  for (const [name, offset, length] of [
    ["odd in the middle", 0, 1000],
    ["empty", 0, 0],
    ["behind the end", fragmentUnit, fragmentUnit + 1]
  ] as const) {
    it.effect(`that is ${name} is refused here`, () =>
      Effect.gen(function* () {
        const { result, server } = yield* fragment(json(state, 202), offset, length)
        assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "InvalidRequest")
        assert.strictEqual(server.seen.length, 0)
      })
    )
  }
})

describe("sessions", () => {
  it.effect("tell where to go on, after a retry if need be", () => {
    const server = new ScriptedServer(({ n }) =>
      n === 0 ? html(502) : json({ ...state, nextExpectedRanges: ["77-"] })
    )
    return Effect.gen(function* () {
      const result = yield* use(server, (graph) => graph.uploadStatus(session))
      assert.deepStrictEqual(Result.getOrNull(result), {
        url: session.url,
        expires: Date.UTC(2026, 0, 2, 3, 4, 5),
        nextOffset: 77
      })
      assert.isTrue(server.seen.every((seen) => seen.headers["authorization"] === undefined))
    })
  })

  it.effect("that ended are SessionGone", () =>
    Effect.gen(function* () {
      const result = yield* use(new ScriptedServer(() => refusal(404)), (graph) => graph.uploadStatus(session))
      assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "SessionGone")
    })
  )

  for (const status of [204, 404]) {
    it.effect(`are cancelled with ${status}`, () =>
      Effect.gen(function* () {
        const server = new ScriptedServer(() => (status === 204 ? new Response(null, { status }) : refusal(status)))
        const result = yield* use(server, (graph) => graph.cancelUpload(session))
        assert.strictEqual(result._tag, "Success")
        assert.strictEqual(server.seen[0]?.method, "DELETE")
      })
    )
  }
})

/** What each method sends, and which reason each refusal becomes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Option, References, Stream, Tracer } from "effect"
import { readFileSync } from "node:fs"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { GraphClient } from "../../src/graph/GraphClient.ts"
import { defaultGraphConfig } from "../../src/graph/GraphConfig.ts"
import { base, fileItem, html, json, refusal, ScriptedServer, secret } from "./ScriptedServer.ts"
import { unhurried } from "./time.ts"

const id = ItemId("01FILE")
const root = ItemId("01ROOT")
const drive = "/v1.0/me/drive"
const sent = (server: ScriptedServer, n = 0): unknown => JSON.parse(new TextDecoder().decode(server.seen[n]?.body))
const withGraph = <A, E>(
  server: ScriptedServer,
  use: (graph: GraphClient["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, E> => Effect.provide(GraphClient.use(use), server.layer())

describe("refusals", () => {
  const cases: ReadonlyArray<readonly [string, () => Response, string]> = [
    ["400", () => refusal(400, "invalidRequest"), "InvalidRequest"],
    ["400 pathIsTooLong", () => json(deep("invalidRequest", "pathIsTooLong"), 400), "TooLarge"],
    ["400 nameAlreadyExists", () => refusal(400, "nameAlreadyExists"), "NameExists"],
    ["403", () => refusal(403, "accessDenied"), "Forbidden"],
    ["403 over quota", () => refusal(403, "quotaLimitReached"), "QuotaExceeded"],
    ["404", () => refusal(404, "itemNotFound"), "NotFound"],
    ["405", () => html(405), "InvalidRequest"],
    ["409", () => refusal(409, "nameAlreadyExists"), "NameExists"],
    ["409 resourceModified", () => refusal(409, "resourceModified"), "PreconditionFailed"],
    ["409 of another kind", () => refusal(409, "cannotMoveIntoItself"), "InvalidRequest"],
    ["410 outside delta", () => refusal(410, "itemNotFound"), "NotFound"],
    ["412", () => refusal(412, "resourceModified"), "PreconditionFailed"],
    ["412 without a body", () => new Response(null, { status: 412 }), "PreconditionFailed"],
    ["413 as HTML", () => html(413), "TooLarge"],
    ["416", () => refusal(416, "invalidRange"), "RangeInvalid"],
    ["423", () => refusal(423, "resourceLocked"), "Locked"],
    ["429 far off", () => refusal(429, "", { "retry-after": "999" }), "Throttled"],
    ["500", () => refusal(500), "ServerFailure"],
    ["501", () => refusal(501, "notSupported"), "InvalidRequest"],
    ["502 as HTML", () => html(502), "ServerFailure"],
    ["503", () => html(503), "ServerFailure"],
    ["504", () => html(504), "ServerFailure"],
    ["507", () => refusal(507, "quotaLimitReached"), "QuotaExceeded"],
    ["509 far off", () => refusal(509, "", { "retry-after": "999" }), "Throttled"],
    ["302", () => new Response(null, { status: 302 }), "Malformed"]
  ]
  for (const [name, reply, reason] of cases) {
    it.effect(`${name} is ${reason}`, () =>
      withGraph(new ScriptedServer(reply), (graph) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(graph.update(id, { name: "b" }, null))
          assert.strictEqual(error.reason._tag, reason)
        })
      )
    )
  }

  it.effect("never show tokens or pre-authenticated URLs, in errors or logs", () => {
    const logged: Array<string> = []
    const logger = Logger.make(({ cause, message }) => {
      logged.push(JSON.stringify([message, cause]))
    })
    const session = { url: `https://up.test/s?tempauth=${secret}`, expires: 0, nextOffset: 0 }
    const replies = [refusal(500), { code: "ECONNRESET" }, html(200), refusal(400, "invalidRequest")]
    const server = new ScriptedServer(({ n }) => replies[n % replies.length] ?? html(500))
    return withGraph(server, (graph) =>
      Effect.gen(function* () {
        const errors = [
          yield* unhurried(graph.item(id)),
          yield* unhurried(graph.uploadStatus(session)),
          yield* unhurried(graph.uploadFragment(session, { offset: 0, total: 1, bytes: new Uint8Array(1) })),
          yield* unhurried(graph.update(id, { name: "x" }, null))
        ]
        const shown = JSON.stringify([errors, errors.map(String)])
        assert.notInclude(shown, secret)
        assert.notInclude(shown, "up.test")
        assert.isAbove(logged.length, 4)
        assert.notInclude(logged.join(), secret)
        assert.notInclude(logged.join(), "up.test")
      })
    ).pipe(Effect.provide(Logger.layer([logger])), Effect.provideService(References.MinimumLogLevel, "Debug"))
  })
})

describe("spans", () => {
  it.effect("never carry pre-authenticated URLs", () => {
    const attributes: Array<unknown> = []
    const tracer = Tracer.make({
      span(options) {
        const span = new Tracer.NativeSpan(options)
        attributes.push(span.name, span.attributes)
        return span
      }
    })
    const url = `https://up.test/s?tempauth=${secret}`
    const server = new ScriptedServer(() => json({ nextExpectedRanges: ["0-"] }))
    return withGraph(server, (graph) => graph.uploadStatus({ url, expires: 0, nextOffset: 0 })).pipe(
      Effect.withTracer(tracer),
      Effect.andThen(
        Effect.sync(() => {
          assert.include(attributes, "GraphClient.uploadStatus")
          const shown = JSON.stringify(attributes.map((value) => (value instanceof Map ? [...value] : value)))
          assert.notInclude(shown, secret)
          assert.notInclude(shown, "up.test")
        })
      )
    )
  })
})

const deep = (code: string, inner: string) => ({
  error: { code, message: "", innererror: { innerError: { code: inner } } }
})

describe("requests", () => {
  const answers = new ScriptedServer(() => json(fileItem()))
  const last = () => answers.seen.at(-1)

  it.effect("name paths and bodies as Graph wants them", () =>
    withGraph(answers, (graph) =>
      Effect.gen(function* () {
        yield* graph.child(root, "50% #1? é'.txt")
        assert.strictEqual(last()?.url.pathname, `${drive}/items/01ROOT:/50%25%20%231%3F%20%C3%A9%27.txt`)

        yield* graph.createFolder(root, "new", null)
        assert.strictEqual(last()?.url.pathname, `${drive}/items/01ROOT/children`)
        assert.deepStrictEqual(sent(answers, answers.seen.length - 1), {
          name: "new",
          folder: {},
          "@microsoft.graph.conflictBehavior": "fail"
        })

        yield* graph.update(id, { parent: root, fileSystemInfo: { modified: { sec: 0, nsec: 0 } } }, '"e"')
        assert.strictEqual(last()?.method, "PATCH")
        assert.strictEqual(last()?.headers["if-match"], '"e"')
        assert.deepStrictEqual(sent(answers, answers.seen.length - 1), {
          parentReference: { id: "01ROOT" },
          fileSystemInfo: { lastModifiedDateTime: "1970-01-01T00:00:00Z" }
        })

        yield* graph.putContent({ _tag: "New", parent: root, name: "a b" }, new Uint8Array([1, 2]))
        assert.strictEqual(
          last()?.url.href,
          `${base}/me/drive/items/01ROOT:/a%20b:/content?@microsoft.graph.conflictBehavior=fail`
        )
        assert.deepStrictEqual(last()?.body, new Uint8Array([1, 2]))

        yield* graph.putContent({ _tag: "Existing", id, ifMatch: "c1" }, new Uint8Array())
        assert.strictEqual(last()?.url.href, `${base}/me/drive/items/01FILE/content`)
        assert.strictEqual(last()?.headers["if-match"], "c1")
      })
    )
  )

  it.effect("that cannot be addressed are refused here", () => {
    const server = new ScriptedServer(() => json(fileItem()))
    return withGraph(server, (graph) =>
      Effect.gen(function* () {
        for (const name of ["", ".", "..", "a/b"]) {
          assert.isTrue(Option.isNone(yield* graph.child(root, name)))
          const refused = [
            yield* Effect.flip(graph.createFolder(root, name, null)),
            yield* Effect.flip(graph.update(id, { name }, null)),
            yield* Effect.flip(graph.putContent({ _tag: "New", parent: root, name }, new Uint8Array()))
          ]
          for (const error of refused) assert.strictEqual(error.reason._tag, "InvalidRequest")
        }
        const large = yield* Effect.flip(
          graph.putContent({ _tag: "Existing", id, ifMatch: null }, new Uint8Array(4 * 1024 * 1024 + 1))
        )
        assert.strictEqual(large.reason._tag, "TooLarge")
        assert.strictEqual(server.seen.length, 0)
      })
    )
  })

  it.effect("to delete what is gone succeed", () =>
    withGraph(new ScriptedServer(() => refusal(404, "itemNotFound")), (graph) => graph.delete(id, null))
  )

  it.effect("to delete keep their precondition", () => {
    const server = new ScriptedServer(() => refusal(412))
    return withGraph(server, (graph) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(graph.delete(id, '"e"'))
        assert.strictEqual(error.reason._tag, "PreconditionFailed")
        assert.strictEqual(server.seen[0]?.headers["if-match"], '"e"')
      })
    )
  })

  it.effect("for a missing child are none", () =>
    withGraph(new ScriptedServer(() => refusal(404, "itemNotFound")), (graph) =>
      Effect.gen(function* () {
        assert.isTrue(Option.isNone(yield* graph.child(root, "x")))
      })
    )
  )

  it("name the package's version", () => {
    const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    assert.deepInclude(manifest, { version: defaultGraphConfig.userAgent.split("/")[1] })
  })
})

const link = (n: number) => `${base}/me/drive/items/01ROOT/children?$skiptoken=${n}`

describe("pages", () => {
  it.effect("of children follow, empty ones too, lazily", () => {
    const server = new ScriptedServer(({ n }) =>
      json({
        value: n === 1 ? [] : [fileItem({ id: `F${n}` })],
        ...(n < 3 ? { "@odata.nextLink": link(n + 1) } : {})
      })
    )
    return withGraph(server, (graph) =>
      Effect.gen(function* () {
        const first = yield* Stream.runCollect(Stream.take(graph.children(root), 1))
        assert.strictEqual(first.length, 1)
        assert.strictEqual(server.seen.length, 1)
        server.seen.length = 0
        const all = yield* Stream.runCollect(graph.children(root))
        assert.deepStrictEqual(
          all.map((found) => String(found.id)),
          ["F0", "F2", "F3"]
        )
        assert.strictEqual(server.seen[1]?.url.href, link(1))
      })
    )
  })

  for (const [name, reply] of [
    ["nextLink", { value: [], "@odata.nextLink": "https://evil.test/v1.0/x" }],
    ["deltaLink", { value: [], "@odata.deltaLink": "http://graph.test/v1.0/x" }],
    ["relative link", { value: [], "@odata.nextLink": "/v1.0/x" }],
    ["no link at all", { value: [] }]
  ] as const) {
    it.effect(`of delta with a wrong link are Malformed: ${name}`, () => {
      const server = new ScriptedServer(() => json(reply))
      return withGraph(server, (graph) =>
        Effect.gen(function* () {
          const result = yield* unhurried(graph.delta(null))
          assert.isTrue(result._tag === "Failure" && result.failure.reason._tag === "Malformed")
          assert.isTrue(server.seen.every((seen) => seen.url.origin === "https://graph.test"))
        })
      )
    })
  }

  it.effect("of delta say whether they are the last", () => {
    const server = new ScriptedServer(({ n }) =>
      json({ value: [], [n === 0 ? "@odata.nextLink" : "@odata.deltaLink"]: `${base}/me/drive/root/delta?token=${n}` })
    )
    return withGraph(server, (graph) =>
      Effect.gen(function* () {
        const first = yield* graph.delta(null)
        assert.isFalse(first.caughtUp)
        const second = yield* graph.delta(first.link)
        assert.isTrue(second.caughtUp)
        assert.strictEqual(server.seen[1]?.url.href, first.link)
      })
    )
  })

  for (const [code, inner, location, kind, kept] of [
    ["resyncRequired", "resyncApplyDifferences", `${base}/me/drive/root/delta`, "applyDifferences", true],
    ["resyncRequired", "resyncChangesUploadDifferences", "https://evil.test/", "uploadDifferences", false],
    ["resyncUploadDifferences", "", "", "uploadDifferences", false],
    ["", "", "", "applyDifferences", false]
  ] as const) {
    it.effect(`of delta resync on 410: ${code} ${inner}`, () => {
      const headers: Record<string, string> = location === "" ? {} : { location }
      const server = new ScriptedServer(() => json(deep(code, inner), 410, headers))
      return withGraph(server, (graph) =>
        Effect.gen(function* () {
          const { reason } = yield* Effect.flip(graph.delta(null))
          if (reason._tag !== "ResyncRequired") return assert.fail(reason._tag)
          assert.strictEqual(reason.kind, kind)
          assert.strictEqual(reason.location, kept ? location : null)
        })
      )
    })
  }

  it.effect("of delta never take our token to another server's link", () => {
    const server = new ScriptedServer(() => json({ value: [] }))
    return withGraph(server, (graph) =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(graph.delta("https://old.test/v1.0/delta?token=1"))
        assert.strictEqual(reason._tag, "ResyncRequired")
        assert.strictEqual(server.seen.length, 0)
      })
    )
  })
})

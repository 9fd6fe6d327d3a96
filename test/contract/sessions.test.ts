import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { fragmentUnit, GraphClient, type UploadSession, type UploadTarget } from "../../src/graph/GraphClient.ts"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import { bytesOf, contract, pattern, put, read, reasonOf, someTime, workspace } from "./drives.ts"

const content = pattern(2 * fragmentUnit + 1234)
const options = { size: content.length, fileSystemInfo: someTime }

/** Sends the fragment at `offset`: one unit, or what is left. */
const send = (session: UploadSession, offset: number) =>
  GraphClient.use((graph) =>
    graph.uploadFragment(session, {
      offset,
      total: content.length,
      bytes: content.slice(offset, Math.min(offset + fragmentUnit, content.length))
    })
  )

const sendAll = Effect.fnUntraced(function* (target: UploadTarget) {
  const graph = yield* GraphClient
  const session = yield* graph.createUploadSession(target, options)
  let offset = session.nextOffset
  while (true) {
    const result = yield* send(session, offset)
    if (result._tag === "Completed") return { item: result.item, session }
    assert.isAbove(result.nextOffset, offset)
    offset = result.nextOffset
  }
})

contract((it) => {
  it.effect("fragments make a file with its hash and the times it was given", () =>
    Effect.gen(function* () {
      const folder = yield* workspace
      const { item } = yield* sendAll({ _tag: "New", parent: folder.id, name: "big #1.bin" })
      assert.strictEqual(item.name, "big #1.bin")
      assert.strictEqual(item.size, content.length)
      assert.strictEqual(item.hash, quickXorHash(content))
      assert.deepStrictEqual(item.modified, someTime.modified)
      const bytes = yield* read(item, 0, content.length)
      assert.strictEqual(Buffer.compare(bytes, content), 0)
    })
  )

  it.effect("fragments replace content under the same id", () =>
    Effect.gen(function* () {
      const folder = yield* workspace
      const before = yield* put(folder, "a", bytesOf("small"))
      const { item } = yield* sendAll({ _tag: "Existing", id: before.id, ifMatch: before.eTag })
      assert.strictEqual(item.id, before.id)
      assert.strictEqual(item.size, content.length)
    })
  )

  it.effect("a session tells where to go on, and nothing shows before the last fragment", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const session = yield* graph.createUploadSession({ _tag: "New", parent: folder.id, name: "a" }, options)
      assert.strictEqual(session.nextOffset, 0)
      yield* send(session, 0)
      const status = yield* graph.uploadStatus(session)
      assert.strictEqual(status.nextOffset, fragmentUnit)
      assert.isTrue(Option.isNone(yield* graph.child(folder.id, "a")))
      yield* send(status, fragmentUnit)
      const last = yield* send(status, 2 * fragmentUnit)
      assert.strictEqual(last._tag, "Completed")
    })
  )

  it.effect("a fragment at the wrong place is RangeInvalid and does no harm", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const session = yield* graph.createUploadSession({ _tag: "New", parent: folder.id, name: "a" }, options)
      assert.strictEqual(yield* reasonOf(send(session, fragmentUnit)), "RangeInvalid")
      yield* send(session, 0)
      assert.strictEqual(yield* reasonOf(send(session, 0)), "RangeInvalid")
      assert.strictEqual((yield* graph.uploadStatus(session)).nextOffset, fragmentUnit)
    })
  )

  it.effect("finished and cancelled sessions are SessionGone", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      const done = yield* sendAll({ _tag: "New", parent: folder.id, name: "a" })
      assert.strictEqual(yield* reasonOf(graph.uploadStatus(done.session)), "SessionGone")
      const session = yield* graph.createUploadSession({ _tag: "New", parent: folder.id, name: "b" }, options)
      yield* graph.cancelUpload(session)
      assert.strictEqual(yield* reasonOf(send(session, 0)), "SessionGone")
      yield* graph.cancelUpload(session)
    })
  )

  it.effect("a name taken before or meanwhile is NameExists, at the latest with the last fragment", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const folder = yield* workspace
      yield* put(folder, "taken", bytesOf("x"))
      assert.strictEqual(yield* reasonOf(sendAll({ _tag: "New", parent: folder.id, name: "TAKEN" })), "NameExists")
      const session = yield* graph.createUploadSession({ _tag: "New", parent: folder.id, name: "late" }, options)
      yield* send(session, 0)
      yield* send(session, fragmentUnit)
      const winner = yield* put(folder, "late", bytesOf("first"))
      assert.strictEqual(yield* reasonOf(send(session, 2 * fragmentUnit)), "NameExists")
      assert.deepStrictEqual(yield* read(winner, 0, 5), bytesOf("first"))
    })
  )

  it.effect("a session for an older version is PreconditionFailed", () =>
    Effect.gen(function* () {
      const graph = yield* GraphClient
      const old = yield* put(yield* workspace, "a", bytesOf("old"))
      yield* graph.putContent({ _tag: "Existing", id: old.id, ifMatch: null }, bytesOf("new"))
      const target = { _tag: "Existing", id: old.id, ifMatch: old.eTag } as const
      assert.strictEqual(yield* reasonOf(graph.createUploadSession(target, options)), "PreconditionFailed")
    })
  )
})

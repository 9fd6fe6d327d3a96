import { assert, it } from "@effect/vitest"
import type { ContentId } from "@onemount/fuse-native"
import { Effect, Schema } from "effect"
import { ContentStore } from "../../src/content/ContentStore.ts"
import { quickXorHash } from "../../src/platform/QuickXorHash.ts"
import type { Ino } from "../../src/tree/Item.ts"
import { Tree } from "../../src/tree/Tree.ts"
import * as Harness from "./harness.ts"

/**
 * The store against a model: what a file holds, what the server holds, who has it open. Whatever the order of steps,
 * nothing that is open or unsent is evicted, reads see the model's bytes, and counts come back to zero.
 */
interface Model {
  readonly ino: Ino
  local: Buffer
  remote: Buffer
  version: number
  edited: boolean
  readonly open: Array<ContentId>
}

const steps = [
  "open",
  "open",
  "close",
  "close",
  "write",
  "write",
  "truncate",
  "hydrate",
  "upload",
  "evict",
  "evict"
] as const
const step = Schema.Struct({
  file: Schema.Literals([0, 1, 2]),
  kind: Schema.Literals(steps),
  at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3000 }))
})

const play = Effect.fnUntraced(function* (model: Model, { kind, at }: typeof step.Type) {
  const store = yield* ContentStore
  const tree = yield* Tree
  const { ino } = model
  const [content] = model.open
  switch (kind) {
    case "open":
      return model.open.push((yield* store.open(ino)).content)
    case "close":
      return content === undefined ? undefined : yield* store.release(model.open.pop() ?? content)
    case "write": {
      if (content === undefined) return
      const bytes = Harness.pattern(500, at)
      yield* Harness.write(content, at, bytes)
      const next = Buffer.alloc(Math.max(model.local.length, at + bytes.length))
      model.local.copy(next)
      next.set(bytes, at)
      model.local = next
      model.edited = true
      return yield* at % 2 === 0 ? store.commit(content) : Effect.void
    }
    case "truncate": {
      yield* store.truncate(ino, at)
      const next = Buffer.alloc(at)
      model.local.copy(next)
      model.local = next
      model.edited = true
      return
    }
    case "hydrate":
      // The server's bytes fill what was never here; what was cut off locally stays away.
      return yield* Harness.using(ino, (body) => store.fill(body, 0, model.remote))
    case "upload": {
      yield* Harness.using(ino, (body) => store.fill(body, 0, model.remote))
      const { generation, hash, size } = yield* Effect.scoped(store.snapshot(ino))
      assert.deepStrictEqual({ hash, size }, { hash: quickXorHash(model.local), size: model.local.length })
      const item = yield* Harness.itemOf(ino)
      const remote = { ...Harness.remoteFile(item.name, model.local, ++model.version), modified: item.mtime }
      yield* tree.confirm(ino, "content", generation, remote)
      yield* store.uploaded(ino, generation)
      model.remote = Buffer.from(model.local)
      model.edited = false
      return
    }
    case "evict":
      return yield* store.evict(Number.MAX_SAFE_INTEGER)
  }
})

const check = Effect.fnUntraced(function* (model: Model) {
  const store = yield* ContentStore
  const item = yield* Harness.itemOf(model.ino)
  const live = store.live(item)
  if (model.open.length > 0 || model.edited) assert.isNotNull(item.content)
  assert.strictEqual(live !== undefined, model.open.length > 0)
  assert.strictEqual((live ?? item).size, model.local.length)
  const [content] = model.open
  if (content === undefined) return
  const valid = store.table.state(content)?.valid ?? []
  for (let at = 0; at < valid.length; at += 2) {
    const [start = 0, end = 0] = valid.slice(at, at + 2)
    const got = yield* Harness.read(content, start, end - start)
    assert.isTrue(model.local.subarray(start, end).equals(got), `bytes ${start} to ${end}`)
  }
})

const end = Effect.fnUntraced(function* (model: Model) {
  const store = yield* ContentStore
  for (const content of model.open.splice(0)) yield* store.release(content)
  yield* check(model)
  const got = yield* Harness.using(model.ino, (content) =>
    Effect.andThen(store.fill(content, 0, model.remote), Harness.read(content, 0, 10_000))
  )
  assert.isTrue(model.local.equals(got))
})

const playAll = Effect.fnUntraced(function* (sequence: ReadonlyArray<typeof step.Type>) {
  const models = yield* Effect.forEach([0, 1, 2], (file) => {
    const bytes = Buffer.from(Harness.pattern(file * 1000, file))
    return Effect.map(Harness.ghost(`file-${file}`, bytes), ({ ino }): Model => ({
      ino,
      local: bytes,
      remote: bytes,
      version: 1,
      edited: false,
      open: []
    }))
  })
  for (const next of sequence) {
    const model = models[next.file]
    if (model !== undefined) yield* play(model, next)
    yield* Effect.forEach(models, check)
  }
  yield* Effect.forEach(models, end)
})

it.live.prop(
  "open, close, write, truncate, hydrate, upload and evict in any order",
  [Schema.Array(step).check(Schema.isMaxLength(30))],
  ([sequence]) =>
    Effect.flatMap(Harness.temporaryDirectory, (directory) => Harness.run(directory, playAll(sequence))).pipe(
      Effect.scoped
    ),
  { arbitrary: { runs: 60 }, timeout: 60_000 }
)

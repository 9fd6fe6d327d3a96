import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { ItemId } from "../../src/graph/DriveItem.ts"
import { conflictName, freeName } from "../../src/tree/conflictName.ts"
import { parentsFirst } from "../../src/tree/deltaOrder.ts"
import { makeGroupedSync } from "../../src/tree/flushToDisk.ts"
import { fold } from "../../src/tree/fold.ts"
import { Ino, type Item } from "../../src/tree/Item.ts"
import { itemState, type StateFacts } from "../../src/tree/itemState.ts"
import type { Intent } from "../../src/tree/Journal.ts"
import { type Difference, intentKinds, planReplace } from "../../src/tree/journalAlgebra.ts"
import { isOlder } from "../../src/tree/remoteView.ts"
import { at, remote } from "./harness.ts"

const Differences = Schema.Struct({
  kind: Schema.Literals(["file", "directory", "other"]),
  atServer: Schema.Boolean,
  attached: Schema.Boolean,
  localOnly: Schema.Boolean,
  moved: Schema.Boolean,
  edited: Schema.Boolean,
  retimed: Schema.Boolean
})

describe("the journal's algebra", () => {
  it.prop("work exists exactly where tree and server differ", [Differences], ([item]) => {
    const kinds = intentKinds(item)
    const order = ["create", "move", "content", "times", "delete"]
    assert.deepStrictEqual(
      kinds,
      kinds.toSorted((a, b) => order.indexOf(a) - order.indexOf(b))
    )
    assert.strictEqual(new Set(kinds).size, kinds.length)
    if (kinds.includes("delete")) assert.deepStrictEqual(kinds, ["delete"])
    if (kinds.includes("create")) assert.isFalse(item.atServer)
    if (item.kind !== "file") assert.notInclude(kinds, "content")
    const differs = item.attached
      ? !item.localOnly &&
        (item.atServer ? item.moved || item.retimed || (item.kind === "file" && item.edited) : item.kind !== "other")
      : item.atServer
    assert.strictEqual(kinds.length > 0, differs)
  })

  it.prop(
    "a replaced item's identity is kept, deleted or never was",
    [Differences, Differences, Schema.Boolean],
    ([a, b, whole]) => {
      const plan = planReplace({ ...a, whole }, b, false)
      assert.strictEqual(plan === "vanish", !b.atServer)
      if (plan === "takeOver") assert.isTrue(a.kind === b.kind && (!a.atServer || (a.edited && whole)))
      if (b.atServer) assert.strictEqual(planReplace({ ...a, whole }, b, true), "delete")
    }
  )

  it("takes over for what is new and for what was edited completely here", () => {
    const item: Difference = {
      kind: "file",
      atServer: true,
      attached: true,
      localOnly: false,
      moved: false,
      edited: false,
      retimed: false
    }
    assert.strictEqual(planReplace({ ...item, whole: true }, item, false), "delete")
    assert.strictEqual(planReplace({ ...item, edited: true, whole: true }, item, false), "takeOver")
    assert.strictEqual(planReplace({ ...item, edited: true, whole: false }, item, false), "delete")
    assert.strictEqual(planReplace({ ...item, atServer: false, whole: true }, item, false), "takeOver")
  })
})

describe("names", () => {
  it("fold as the server does: by code point, without expansion or normalisation", () => {
    assert.strictEqual(fold("Straße.TXT"), "STRAßE.TXT")
    assert.strictEqual(fold("ǆ"), fold("Ǆ"))
    assert.strictEqual(fold("𐐨"), fold("𐐀"))
    assert.strictEqual(fold("ŉ"), "ŉ")
    assert.notStrictEqual(fold("é"), fold("e\u0301"))
  })

  it.prop("folding is idempotent and ignores simple case", [Schema.String], ([name]) => {
    assert.strictEqual(fold(fold(name)), fold(name))
    assert.strictEqual(fold(name).length, name.length)
  })

  it("move aside under a name that says when and where", () => {
    const time = new Date(2026, 0, 2, 3, 4).getTime()
    assert.strictEqual(conflictName("a.tar.gz", "box", time), "a.tar (conflict box 2026-01-02 0304).gz")
    assert.strictEqual(conflictName(".profile", "a/b:c", time), ".profile (conflict a-b-c 2026-01-02 0304)")
    assert.isAtMost(conflictName(`${"x".repeat(255)}`, "box", time).length, 255)
    assert.strictEqual(
      freeName("a.txt", (name) => name === "a.txt" || name === "a 2.txt"),
      "a 3.txt"
    )
  })
})

describe("names that had to be changed", () => {
  const now = new Date(2026, 0, 2, 3, 4).getTime()
  const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/
  /** Names as long as they may be, of characters with one and with two units, blanks and dots. */
  const Names = Schema.Array(Schema.Literals(["a", " ", ".", "é", "😀", "x".repeat(40), "😀".repeat(30)])).pipe(
    Schema.check(Schema.isMinLength(1), Schema.isMaxLength(20))
  )

  it.prop("stay within the limit, whole, and without a blank before what was added", [Names], ([parts]) => {
    const name = parts.join("").slice(0, 255)
    if (lone.test(name)) return
    const moved = conflictName(name, "box", now)
    const second = freeName(moved, (taken) => taken === moved)
    for (const changed of [moved, second]) {
      assert.isAtMost(changed.length, 255)
      assert.notMatch(changed, lone)
      assert.notMatch(changed, / {2}\(conflict/)
    }
    assert.match(moved, /(^|[^ ] )\(conflict box 2026-01-02 0304\)/)
    assert.notStrictEqual(second, moved)
  })

  it("keep their extension, and cut characters in whole", () => {
    const longest = `${"😀".repeat(125)}.docx`
    assert.match(conflictName(`x${longest}`, "box", now), /^x(😀)+ \(conflict box 2026-01-02 0304\)\.docx$/)
    assert.match(conflictName(longest, "box", now), /^(😀)+ \(conflict box 2026-01-02 0304\)\.docx$/)
    assert.strictEqual(conflictName("a  .txt", "box", now), "a (conflict box 2026-01-02 0304).txt")
    assert.strictEqual(conflictName("  .txt", "box", now), "(conflict box 2026-01-02 0304).txt")
  })
})

const names = (...items: Parameters<typeof parentsFirst>[0]) => parentsFirst(items).map((item) => item.name)
const eTag = (n: number) => `"{D4E5F6A7-0000-4000-8000-000000000001},${n}"`

describe("what the server says", () => {
  it("comes parents first, the last word per item, cycles included", () => {
    const child = remote("c", "child", { parent: "p" })
    assert.deepStrictEqual(names(child, remote("p", "old"), remote("p", "new")), ["new", "child"])
    assert.strictEqual(names(child, remote("p", "p", { parent: "c" })).length, 2)
  })

  it("is older only where the eTag is a counter", () => {
    assert.isTrue(isOlder(eTag(9), eTag(10)))
    assert.isFalse(isOlder(eTag(10), eTag(10)))
    assert.isFalse(isOlder("aMQ", "aMg"))
    assert.isFalse(isOlder(null, eTag(1)))
  })
})

describe("itemState", () => {
  const item: Item = {
    ino: Ino(2),
    parent: Ino(1),
    name: "a",
    kind: "file",
    size: 5,
    mode: 0o644,
    mtime: at(0),
    ctime: at(0),
    btime: at(0),
    remoteId: ItemId("a"),
    eTag: "e",
    cTag: "c",
    hash: null,
    content: null,
    generation: 0,
    localOnly: false,
    complete: false
  }
  const clean: StateFacts = { intents: [], shadowed: false, body: null }
  const body = { complete: false, dirty: false, hydrating: false, failed: false }
  const intent: Intent = {
    ino: Ino(2),
    kind: "content",
    seq: 1,
    generation: 1,
    base: null,
    remoteId: null,
    createdAt: 0,
    notBefore: 0,
    attempts: 0,
    lastError: null,
    parked: false
  }

  it("is decided by the most important fact", () => {
    assert.strictEqual(itemState(item, clean), "GHOST")
    assert.strictEqual(itemState({ ...item, size: 0 }, clean), "HYDRATED")
    assert.strictEqual(itemState({ ...item, kind: "directory" }, clean), "HYDRATED")
    assert.strictEqual(itemState(item, { ...clean, body }), "GHOST")
    assert.strictEqual(itemState(item, { ...clean, body: { ...body, hydrating: true } }), "HYDRATING")
    assert.strictEqual(itemState(item, { ...clean, body: { ...body, complete: true } }), "HYDRATED")
    assert.strictEqual(itemState(item, { ...clean, body: { ...body, dirty: true } }), "DIRTY_LOCAL")
    assert.strictEqual(itemState(item, { ...clean, body: { ...body, failed: true } }), "ERROR")
    assert.strictEqual(itemState(item, { ...clean, intents: [intent] }), "DIRTY_LOCAL")
    assert.strictEqual(itemState(item, { ...clean, intents: [{ ...intent, parked: true }] }), "ERROR")
    assert.strictEqual(itemState(item, { ...clean, intents: [intent], shadowed: true }), "CONFLICT")
    assert.strictEqual(itemState({ ...item, parent: null }, { ...clean, shadowed: true }), "DELETED_LOCAL")
  })
})

describe("grouped sync", () => {
  it.effect("starts one sync for all that called before it, after they called", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let started = 0
      const grouped = yield* makeGroupedSync(
        Effect.andThen(
          Effect.sync(() => void started++),
          Deferred.await(gate)
        )
      )
      const first = yield* Effect.forkChild(grouped, { startImmediately: true })
      const others = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(grouped, { startImmediately: true }))
      assert.strictEqual(started, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach([first, ...others], Fiber.join)
      assert.strictEqual(started, 2)
    })
  )
})

/** The planner: total, never loses bytes that exist on one side only, and ends. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { type Plan, plan, type Side } from "../../src/sync/planner.ts"

/** Few values, so that equal and different versions both come up often. */
const SideSchema = Schema.NullOr(
  Schema.Struct({ content: Schema.Literals(["a", "b", "c"]), place: Schema.Literals(["p", "q", "r"]) })
)

interface World {
  readonly remote: Side
  readonly base: Side
  readonly local: Side
  /** Bytes in conflict copies, which are items of their own. */
  readonly copies: ReadonlyArray<string>
}

/** Equal on both sides, and on record as such. */
const settled = (side: Side, copies: ReadonlyArray<string>): World => ({
  remote: side,
  base: side,
  local: side,
  copies
})

/** What carrying out the plan does, in the simplest terms. */
const carryOut = ({ remote, local, copies }: World, { content, place }: Plan): World => {
  const at = place === "MoveRemote" ? local?.place : place === "MoveLocal" ? remote?.place : (local ?? remote)?.place
  const agreed = (bytes: string | undefined): World =>
    settled(bytes === undefined || at === undefined ? null : { content: bytes, place: at }, copies)
  switch (content) {
    case "None":
      return agreed(remote === null ? undefined : (local ?? remote).content)
    case "Upload":
    case "Recreate":
      return agreed(local?.content)
    case "Adopt":
    case "Restore":
    case "Identical":
      return agreed(remote?.content)
    case "DeleteRemote":
    case "DeleteLocal":
      return settled(null, copies)
    case "KeepBoth":
      return settled(remote, local === null ? copies : [...copies, local.content])
  }
}

const bytesOf = ({ remote, local, copies }: World): ReadonlySet<string> =>
  new Set([remote?.content, local?.content, ...copies].filter((bytes) => bytes !== undefined))

describe("planner", () => {
  it.prop(
    "ends: after carrying it out nothing is left to do",
    [SideSchema, SideSchema, SideSchema],
    ([remote, base, local]) => {
      const after = carryOut({ remote, base, local, copies: [] }, plan(remote, base, local))
      assert.deepStrictEqual(plan(after.remote, after.base, after.local), { content: "None", place: "None" })
    }
  )

  it.prop("keeps all bytes that only one side has", [SideSchema, SideSchema, SideSchema], ([remote, base, local]) => {
    const before: World = { remote, base, local, copies: [] }
    const after = bytesOf(carryOut(before, plan(remote, base, local)))
    for (const bytes of bytesOf(before)) if (bytes !== base?.content) assert.isTrue(after.has(bytes))
  })

  it.prop("identical content is no conflict", [SideSchema, SideSchema, SideSchema], ([remote, base, local]) => {
    const action = plan(remote, base, local).content
    if (remote !== null && remote.content === local?.content) assert.notStrictEqual(action, "KeepBoth")
  })

  it.prop(
    "absence deletes only what did not change on the other side",
    [SideSchema, SideSchema, SideSchema],
    ([remote, base, local]) => {
      const action = plan(remote, base, local).content
      if (action === "DeleteRemote") assert.strictEqual(remote?.content, base?.content)
      if (action === "DeleteLocal") assert.strictEqual(local?.content, base?.content)
    }
  )

  it("an edit beats a delete, on either side", () => {
    const base = { content: "a", place: "p" }
    const edited = { content: "b", place: "p" }
    assert.strictEqual(plan(null, base, edited).content, "Recreate")
    assert.strictEqual(plan(edited, base, null).content, "Restore")
  })

  it("two moves to different places end at the local one, content goes its own way", () => {
    const base = { content: "a", place: "p" }
    assert.deepStrictEqual(plan({ content: "b", place: "q" }, base, { content: "a", place: "r" }), {
      content: "Adopt",
      place: "MoveRemote"
    })
  })
})

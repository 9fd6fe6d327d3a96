import { assert, describe, it } from "@effect/vitest"
import { reasonsOf } from "../../src/cli/sync.ts"

const change = (path: string, kind: string, reason: string) => ({ path, kind, reason })

describe("sync", () => {
  it("names a few changes for each reason and counts the others", () => {
    const deletes = Array.from({ length: 700 }, (_, i) => change(`/tree/${i}`, "delete", "waits for confirmation"))
    const refused = change("/name", "create", "the name is refused")
    assert.deepStrictEqual(reasonsOf([deletes[0]!, refused, ...deletes.slice(1)]), [
      "/tree/0: delete: waits for confirmation",
      "/tree/1: delete: waits for confirmation",
      "/tree/2: delete: waits for confirmation",
      "/tree/3: delete: waits for confirmation",
      "/tree/4: delete: waits for confirmation",
      "and 695 more: delete: waits for confirmation",
      "/name: create: the name is refused"
    ])
    assert.deepStrictEqual(reasonsOf([]), [])
  })
})

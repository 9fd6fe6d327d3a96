import { assert, describe, it } from "@effect/vitest"
import { isMassDelete, isMassDeleteReason, massDeleteReason } from "../../src/sync/brake.ts"

describe("mass-delete brake", () => {
  it("needs more than 100 deletes that are more than a quarter of the drive", () => {
    assert.isFalse(isMassDelete(100, 0))
    assert.isTrue(isMassDelete(101, 0))
    assert.isTrue(isMassDelete(101, 302))
    assert.isFalse(isMassDelete(101, 303))
    assert.isFalse(isMassDelete(10_000, 1_000_000))
  })

  it("recognises its own reason", () => {
    assert.isTrue(isMassDeleteReason(massDeleteReason))
    assert.isFalse(isMassDeleteReason("the drive is full"))
    assert.isFalse(isMassDeleteReason(null))
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makePacing, trickle } from "../../src/sync/pacing.ts"
import { makeFile, now, inTree } from "../tree/harness.ts"

const spin = (ms: number) => {
  const end = process.hrtime.bigint() + BigInt(ms) * 1_000_000n
  while (process.hrtime.bigint() < end);
}

describe("pacing", () => {
  it.effect("contents trickle only while somebody changes things on a busy thread", () =>
    inTree((tree) =>
      Effect.gen(function* () {
        const pacing = makePacing(tree)
        const at = now.sec * 1_000
        spin(100)
        pacing.started(at)
        assert.isTrue(pacing.mayUpload(at), "nobody works here")
        yield* makeFile("a")
        spin(100)
        assert.isFalse(pacing.mayUpload(at + 1))
        assert.isTrue(pacing.mayUpload(at + trickle), "but they do go on")
        assert.isTrue(pacing.mayUpload(tree.lastLocalChange() + 1_000), "work here ended")
      })
    )
  )
})

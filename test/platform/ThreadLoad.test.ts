import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeThreadLoad } from "../../src/platform/ThreadLoad.ts"

const spin = (ms: number) => {
  const end = process.hrtime.bigint() + BigInt(ms) * 1_000_000n
  while (process.hrtime.bigint() < end);
}

describe("ThreadLoad", () => {
  it.live("tells a busy thread from an idle one", () =>
    Effect.gen(function* () {
      const load = makeThreadLoad()
      spin(100)
      yield* Effect.sleep(0)
      assert.isAbove(load(), 0.6)
      yield* Effect.sleep(400)
      assert.isBelow(load(), 0.4)
    })
  )
})

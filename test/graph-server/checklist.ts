/** What the tests of the checklist have in common: each line of it holds for both kinds of drive. */
import { describe, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { drive } from "./api.ts"

export const root = "/me/drive/root"

/** A small tree: /a/name.txt. */
export const planted = Effect.gen(function* () {
  const admin = yield* GraphServer.DriveAdmin
  yield* admin.createFolder("/a")
  return yield* admin.putFile("/a/name.txt", "hello world\n")
})

type Test = <E>(name: string, effect: Effect.Effect<void, E, Layer.Success<ReturnType<typeof drive>>>) => void

/** Defines the same tests for a personal and for a business drive, each on a new one. */
export const onBothKinds = (define: (test: Test, kind: GraphServer.DriveKind) => void): void => {
  for (const kind of ["personal", "business"] as const) {
    describe(`a ${kind} drive`, () =>
      define((name, effect) => it.effect(name, () => Effect.provide(effect, drive({ kind }))), kind))
  }
}

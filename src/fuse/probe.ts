/** Mounts nothing for a moment, to hear from the kernel what it offers. */
import { mkdtempSync, rmdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ContentTable, Session } from "@onemount/fuse-native"
import { Effect, Schedule } from "effect"
import { featuresOf, type MountFeatures, usual } from "./features.ts"
import { FuseError } from "./FuseError.ts"

/** Limit for the kernel's answer, in milliseconds; it gives it within one. */
const limit = 2000

/** What a mount would get. Fails as a mount would. Nobody touches the mountpoint, so no request needs an answer. */
export const probe: Effect.Effect<MountFeatures, FuseError> = Effect.gen(function* () {
  const mountpoint = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-probe-"))),
    (path) => Effect.sync(() => rmdirSync(path))
  )
  const refused = (detail: string, code = "") => new FuseError({ reason: "Refused", mountpoint, code, detail })
  const contents = yield* Effect.acquireRelease(
    Effect.sync(() => ContentTable.create(() => undefined)),
    (table) => Effect.sync(() => table.dispose())
  )
  const session = yield* Effect.acquireRelease(
    Effect.try({
      try: () =>
        Session.mount({ mountpoint, fsName: "onemount", subtype: "probe", features: usual }, contents, () => undefined),
      catch: (cause) => refused(cause instanceof Error ? cause.message : String(cause))
    }),
    (mounted) => Effect.promise(() => mounted.shutdown({ reason: "probed", force: true }))
  )
  const features = yield* Effect.sync(() => featuresOf(session)).pipe(
    Effect.repeat({ until: (found) => found !== undefined, schedule: Schedule.spaced(5) }),
    Effect.timeoutOption(limit)
  )
  if (features._tag === "Some" && features.value !== undefined) return features.value
  return yield* refused(`the kernel did not answer within ${limit} ms`)
}).pipe(Effect.scoped)

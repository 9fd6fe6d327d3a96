import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { FuseStats } from "../../src/fuse/FuseSession.ts"
import { isMounted, MountedDrive } from "./MountedDrive.ts"

/** The processes of the body end before the mount does. */
const mounted = <A, E>(body: Effect.Effect<A, E, MountedDrive | Scope.Scope>) =>
  Effect.provide(Effect.scoped(body), MountedDrive.layer())

describe("a session", () => {
  it.live("refuses to begin changes while it drains, and finishes those that are open", () =>
    mounted(
      Effect.gen(function* () {
        const { python, sh, start, ask } = yield* MountedDrive
        yield* sh("mkdir .Trash-0")
        yield* start("exec 3> open.txt; echo first >&3; touch started; sleep 60")
        yield* sh("for i in $(seq 100); do test -e started && break; sleep 0.05; done; test -e started")
        yield* ask({ command: "drain" })
        const out = yield* python(`
print(errno_of(open, "new", "w"), errno_of(os.mkdir, "d"), errno_of(os.rename, "started", "x"), errno_of(os.unlink, "started"))
print(open("open.txt").read(), sorted(os.listdir(".")))
`)
        assert.strictEqual(out, "EBUSY EBUSY EBUSY EBUSY\nfirst\n ['.Trash-0', 'open.txt', 'started']\n")
      })
    )
  )

  it.live("tells when somebody else unmounted", () =>
    mounted(
      Effect.gen(function* () {
        const { mountpoint, ask } = yield* MountedDrive
        assert.isTrue(isMounted(mountpoint))
        yield* Effect.sync(() => execFileSync("umount", [mountpoint]))
        assert.isString(yield* ask<string>({ command: "closed" }))
        assert.isFalse(isMounted(mountpoint))
      })
    )
  )

  it.live("counts what the kernel holds and has open", () =>
    mounted(
      Effect.gen(function* () {
        const { sh, start, ask } = yield* MountedDrive
        yield* sh("touch a b c; ls -l > /dev/null")
        yield* start("exec 3< a; touch opened; sleep 60")
        yield* sh("for i in $(seq 100); do test -e opened && break; sleep 0.05; done; test -e opened")
        const stats = yield* ask<FuseStats>({ command: "stats" })
        assert.isAtLeast(stats.nodes, 4)
        assert.strictEqual(stats.handles, 1)
        assert.deepStrictEqual(stats.running, [])
        assert.isAbove(stats.session.dispatched, 0)
        assert.strictEqual(stats.session.strayReplies, 0)
      })
    )
  )
})

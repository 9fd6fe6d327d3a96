import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Schedule, type Scope } from "effect"
import type { FuseStats } from "../../src/fuse/FuseSession.ts"
import { isMounted, MountedDrive } from "./MountedDrive.ts"

const large = "0123456789abcdef".repeat(40_000)
let made = 0

const stats = Effect.flatMap(MountedDrive, ({ ask }) => ask<FuseStats>({ command: "stats" }))

/** Waits for what happens beside a request. */
const eventually = <A>(look: Effect.Effect<A, never, MountedDrive>, holds: (value: A) => boolean) =>
  look.pipe(Effect.repeat({ until: holds, schedule: Schedule.spaced(20) }), Effect.timeout(10_000), Effect.orDie)

/** A new file of the server, opened until its download is on record: from now on it is shared. */
const fresh = Effect.fnUntraced(function* (text: string) {
  const { ask } = yield* MountedDrive
  const name = `file-${++made}.txt`
  yield* ask({ command: "put", path: `/${name}`, text })
  yield* ask({ command: "poll" })
  yield* share(name)
  return name
})

/** Opens so far: all, and those that JavaScript answered. */
const opens = Effect.map(stats, ({ session }) => {
  const all = session.ops["open"]?.count ?? 0
  return { all, asked: all - session.native.opens }
})

/** Opens the file until that is answered natively. */
const share = Effect.fnUntraced(function* (name: string) {
  const { sh } = yield* MountedDrive
  const askedFor = Effect.gen(function* () {
    const before = yield* opens
    yield* sh(`cat ${name} > /dev/null`)
    return (yield* opens).asked - before.asked
  })
  yield* eventually(askedFor, (asked) => asked === 0)
})

const bodies = Effect.flatMap(MountedDrive, ({ ask }) => ask<ReadonlyArray<string>>({ command: "bodies" }))

layer(MountedDrive.layer(), { excludeTestServices: true, timeout: 60_000 })("a file that is here", (it) => {
  it.effect("is opened again without JavaScript, small or large", () =>
    Effect.gen(function* () {
      const { sh } = yield* MountedDrive
      for (const text of ["small", large]) {
        const name = yield* fresh(text)
        const before = yield* opens
        assert.strictEqual(yield* sh(`for i in $(seq 50); do cat ${name}; done | md5sum`), yield* repeated(text))
        const after = yield* opens
        assert.isAtLeast(after.all - before.all, 50)
        assert.strictEqual(after.asked, before.asked)
      }
    })
  )

  it.effect("has the server's new version at the next open, and its old one for who has it open", () =>
    Effect.gen(function* () {
      const { sh, ask, start } = yield* MountedDrive
      const name = yield* fresh("first")
      const before = yield* opens
      yield* start(`exec 3< ${name}; touch opened; until test -e go; do sleep 0.02; done; stat -L -c %s /dev/fd/3 > size
cat <&3 > old.tmp; mv old.tmp old`)
      yield* sh("for i in $(seq 400); do test -e opened && break; sleep 0.02; done; test -e opened")
      assert.strictEqual((yield* opens).asked, before.asked, "it was opened natively")
      yield* ask({ command: "replace", path: `/${name}`, text: "the second" })
      yield* ask({ command: "poll" })
      assert.strictEqual(yield* sh(`cat ${name}; cat ${name}; cat ${name}`), "the second".repeat(3))
      yield* sh("touch go; for i in $(seq 400); do test -e old && break; sleep 0.02; done")
      assert.strictEqual(yield* sh("cat old size"), "first5\n")
      yield* ask({ command: "delete", path: `/${name}` })
      yield* ask({ command: "poll" })
      yield* sh(`test ! -e ${name}`)
    })
  )

  it.effect("goes when its room is needed, and not while somebody reads it", () =>
    Effect.gen(function* () {
      const { sh, ask, start } = yield* MountedDrive
      const name = yield* fresh(large)
      assert.isAbove((yield* bodies).length, 0)
      assert.isAtLeast(yield* ask<number>({ command: "evict" }), large.length)
      assert.strictEqual(yield* state(name), "GHOST")
      yield* share(name)
      yield* start(`exec 3< ${name}; touch reading; until test -e done; do sleep 0.02; done`)
      yield* sh("for i in $(seq 400); do test -e reading && break; sleep 0.02; done; test -e reading")
      yield* ask({ command: "evict" })
      assert.strictEqual(yield* state(name), "HYDRATED")
      yield* sh("touch done")
      yield* eventually(
        Effect.andThen(
          Effect.flatMap(MountedDrive, () => ask({ command: "evict" })),
          state(name)
        ),
        (now) => now === "GHOST"
      )
    })
  )

  it.effect("is asked for again when it is written, cut, removed or replaced", () =>
    Effect.gen(function* () {
      const { sh } = yield* MountedDrive
      const name = yield* fresh("text")
      assert.strictEqual(yield* sh(`echo more >> ${name}; cat ${name}`), "textmore\n")
      assert.strictEqual(yield* sh(`cat ${name}; truncate -s 2 ${name}; cat ${name}; cat ${name}`), "textmore\ntete")
      const before = yield* opens
      assert.strictEqual(
        yield* sh(`exec 3>> ${name}; cat ${name}; printf xt >&3; cat ${name}; cat ${name}`),
        "tetexttext"
      )
      assert.strictEqual((yield* opens).asked, before.asked + 4, "nothing is shared beside a writer")
      yield* share(name)
      const [removed, replaced] = [yield* fresh("a"), yield* fresh("b")]
      const both = (yield* bodies).length
      yield* sh(`rm ${removed}; echo new > other; mv other ${replaced}; cat ${replaced}`)
      assert.strictEqual(yield* sh(`cat ${replaced}`), "new\n")
      yield* eventually(bodies, (now) => now.length <= both - 1)
      assert.strictEqual(yield* sh(`exec 3< ${name}; cat ${name}; rm ${name}; cat <&3`), "texttext")
    })
  )
})

const repeated = Effect.fnUntraced(function* (text: string) {
  const { sh } = yield* MountedDrive
  return yield* sh(
    `for i in $(seq 50); do printf '${text.slice(0, 16)}%.0s' $(seq ${Math.ceil(text.length / 16)}); done | md5sum`
  )
})

const state = Effect.fnUntraced(function* (name: string) {
  const { python } = yield* MountedDrive
  return (yield* python(`print(os.getxattr("${name}", "user.onemount.state").decode())`)).trim()
})

/** The processes of the body end before the mount does. */
const mounted = <A, E>(body: Effect.Effect<A, E, MountedDrive | Scope.Scope>) =>
  Effect.provide(Effect.scoped(body), MountedDrive.layer())

describe("the end of a mount", () => {
  for (const how of ["drain", "end"] as const) {
    it.live(`leaves no shared body open (${how})`, () =>
      mounted(
        Effect.gen(function* () {
          const { sh, ask, mountpoint } = yield* MountedDrive
          for (const text of ["a", "b", large]) yield* fresh(text)
          assert.isAbove((yield* bodies).length, 0)
          assert.isAbove((yield* stats).session.native.shares, 0)
          yield* ask({ command: how })
          yield* eventually(bodies, (left) => left.length === 0)
          assert.strictEqual(isMounted(mountpoint), how === "drain")
          if (how === "drain") assert.strictEqual(yield* sh("cat file-*.txt | wc -c"), `${large.length + 2}\n`)
        })
      )
    )
  }
})

import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { MountedDrive } from "./MountedDrive.ts"

const seeds = [
  { path: "/shown.txt", text: "first version" },
  { path: "/held.txt", text: "held version" },
  { path: "/moved.txt", text: "moved" },
  { path: "/removed.txt", text: "removed" },
  { path: "/big.bin", size: 8_000_000 }
]

layer(MountedDrive.layer(seeds), { excludeTestServices: true, timeout: 60_000 })("changes by a second client", (it) => {
  it.effect("are seen in names, attributes and content, although the kernel caches for a day", () =>
    Effect.gen(function* () {
      const { sh, ask } = yield* MountedDrive
      assert.strictEqual(yield* sh("cat shown.txt moved.txt removed.txt; ls; test ! -e added.txt"), seenBefore)
      yield* ask({ command: "put", path: "/added.txt", text: "added" })
      yield* ask({ command: "replace", path: "/shown.txt", text: "the second version" })
      yield* ask({ command: "rename", path: "/moved.txt", name: "elsewhere.txt" })
      yield* ask({ command: "delete", path: "/removed.txt" })
      yield* ask({ command: "poll" })
      assert.strictEqual(yield* sh("cat shown.txt added.txt; stat -c %s shown.txt; ls; cat elsewhere.txt"), seenAfter)
      assert.strictEqual(yield* sh("test ! -e moved.txt; test ! -e removed.txt; test -e ADDED.TXT; echo ok"), "ok\n")
    })
  )

  it.effect("leave open handles the version they opened, and give new ones the new", () =>
    Effect.gen(function* () {
      const { python, ask, start, sh } = yield* MountedDrive
      // Once more what it was, when this test is tried again.
      yield* ask({ command: "replace", path: "/held.txt", text: "held version" })
      yield* ask({ command: "poll" })
      assert.strictEqual(yield* sh("cat held.txt"), "held version")
      yield* sh("rm -rf control; mkdir control")
      const held = "exec 3< held.txt; touch control/held"
      yield* start(`${held}; until test -e control/go; do sleep 0.05; done; cat <&3 > control/old`)
      yield* sh("until test -e control/held; do sleep 0.05; done")
      yield* ask({ command: "replace", path: "/held.txt", text: "replaced" })
      yield* ask({ command: "poll" })
      const fresh = yield* python(`print(open("held.txt").read(), os.stat("held.txt").st_size)`)
      assert.strictEqual(fresh, "replaced 8\n")
      yield* sh("touch control/go; for i in $(seq 100); do test -s control/old && break; sleep 0.05; done")
      assert.strictEqual(yield* sh("cat control/old; cat held.txt"), "held versionreplaced")
    })
  )

  it.effect("may never come: a reader that waits for bytes can be killed", () =>
    Effect.gen(function* () {
      const { sh, ask } = yield* MountedDrive
      yield* ask({ command: "hang" })
      const out = yield* sh(`
cat big.bin > /dev/null & reader=$!
sleep 0.5
kill -9 $reader
start=$(date +%s%N)
wait $reader || echo "status $?"
echo "$(( ($(date +%s%N) - start) / 1000000000 )) s"
ls > /dev/null
`)
      yield* ask({ command: "release" })
      assert.strictEqual(out, "status 137\n0 s\n")
      assert.strictEqual(yield* sh("wc -c < big.bin"), "8000000\n")
    })
  )
})

const seenBefore = "first versionmovedremovedbig.bin\nheld.txt\nmoved.txt\nremoved.txt\nshown.txt\n"
const seenAfter = "the second versionadded18\nadded.txt\nbig.bin\nelsewhere.txt\nheld.txt\nshown.txt\nmoved"

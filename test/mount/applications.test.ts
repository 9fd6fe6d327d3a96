import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { MountedDrive } from "./MountedDrive.ts"

/**
 * `git gc` deletes its loose objects and their folders. Where they had been sent already, that would be a mass delete on a
 * drive with nothing else on it (docs/SEMANTICS.md, D11).
 */
const photos = [
  { path: "/photos" },
  ...Array.from({ length: 600 }, (_, i) => ({ path: `/photos/${i}.jpg`, text: "x" }))
]

layer(MountedDrive.layer(photos), { excludeTestServices: true, timeout: 60_000 })("applications", (it) => {
  it.effect("git commits and finds its repository sound", () =>
    Effect.gen(function* () {
      const { sh } = yield* MountedDrive
      const out = yield* sh(`
export HOME=/nonexistent GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
git init -q repo && cd repo
for i in $(seq 50); do mkdir -p d$((i % 5)); seq $i 200 > d$((i % 5))/f$i; done
git add . && git commit -qm one
seq 1000 > d1/f1 && git commit -qam two && git gc -q
git fsck --strict && git status --porcelain && git log --oneline | wc -l
`)
      assert.strictEqual(out.trim().split("\n").at(-1), "2")
    })
  )

  it.effect("SQLite keeps its transactions", () =>
    Effect.gen(function* () {
      const { python } = yield* MountedDrive
      const out = yield* python(`
import sqlite3
db = sqlite3.connect("data.db")
db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)")
for batch in range(20):
    with db: db.executemany("INSERT INTO t (v) VALUES (?)", [(str(i) * 10,) for i in range(50)])
try:
    with db:
        db.execute("DELETE FROM t"); raise KeyError
except KeyError: pass
db.close()
db = sqlite3.connect("data.db")
print(db.execute("SELECT count(*) FROM t").fetchone()[0], db.execute("PRAGMA integrity_check").fetchone()[0])
`)
      assert.strictEqual(out.trim(), "1000 ok")
    })
  )

  it.effect("editors save by temporary file, backup and rename", () =>
    Effect.gen(function* () {
      const { sh, ask } = yield* MountedDrive
      yield* sh("echo one > notes.txt")
      assert.deepStrictEqual(yield* ask({ command: "sync", timeout: 30_000 }), [])
      yield* sh(
        "touch .notes.txt.swp; mv notes.txt notes.txt~; echo two > notes.txt; sync notes.txt; rm notes.txt~ .notes.txt.swp"
      )
      yield* sh("echo three > .goutputstream-XY12 && mv .goutputstream-XY12 notes.txt; cat notes.txt")
      assert.deepStrictEqual(yield* ask({ command: "sync", timeout: 30_000 }), [])
      assert.strictEqual(yield* ask<string>({ command: "read", path: "/notes.txt" }), "three\n")
      const there = yield* ask<ReadonlyArray<string>>({ command: "list" })
      assert.deepStrictEqual(
        there.filter((path) => path.includes("notes") || path.includes("goutput")),
        ["/notes.txt"]
      )
    })
  )

  it.effect("archives come back the same", () =>
    Effect.gen(function* () {
      const { sh } = yield* MountedDrive
      assert.strictEqual(
        yield* sh(`
mkdir -p tree/a/b; for i in $(seq 100); do head -c $((i * 300)) /dev/urandom > tree/a/b/$i; done
tar cf archive.tar tree; mkdir out; tar xf archive.tar -C out; diff -r tree out/tree; cp -r tree copy; diff -r tree copy; rm -r out copy tree
ls`),
        "archive.tar\ndata.db\nnotes.txt\nphotos\nrepo\n"
      )
    })
  )
})

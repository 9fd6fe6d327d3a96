import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Sqlite from "../../src/platform/Sqlite.ts"

const applicationId = 0x7e57
const migrations = [
  `CREATE TABLE pets (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, age REAL, photo BLOB) STRICT;
   CREATE TABLE total (n INTEGER NOT NULL) STRICT; INSERT INTO total VALUES (0);
   CREATE TRIGGER pets_added AFTER INSERT ON pets BEGIN UPDATE total SET n = n + 1; END;`
]
/** Longer than any test: batches end when the test says so. */
const never = 1_000_000
const options = (path: string) => ({ path, migrations, applicationId, group: never })

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-group-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const rows = (db: Sqlite.Database) => [
  ...db.prepare("SELECT * FROM pets ORDER BY id").all(),
  ...db.prepare("SELECT * FROM total").all(),
  ...db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'pets'").all()
]
const names = (db: Sqlite.Database) =>
  Array.from(db.prepare<{ name: string }>("SELECT name FROM pets ORDER BY id").all(), ({ name }) => name)
const copies = (path: string) => ["", "-wal", "-redo"].map((suffix) => path + suffix)

/** What a process that is killed now leaves behind, at another path. */
const crash = (path: string, left: string) => {
  for (const [index, from] of copies(path).entries()) {
    const to = copies(left)[index] ?? ""
    rmSync(to, { force: true })
    if (existsSync(from)) copyFileSync(from, to)
  }
  rmSync(`${left}-shm`, { force: true })
}

const opened = <A>(path: string, use: (db: Sqlite.Database) => A) =>
  Effect.scoped(Effect.flatMap(Sqlite.open(options(path)), (db) => db.try(() => use(db))))

const insert = (db: Sqlite.Database, name: string, age: number | null = null, photo: Uint8Array | null = null) =>
  db.prepare("INSERT INTO pets (name, age, photo) VALUES (?, ?, ?)").run(name, age, photo)

/** A change of the table; some fail, some are taken back, one is too large for the log. */
const step = Schema.Struct({
  op: Schema.Literals(["insert", "insert", "remove", "undo", "undoInner", "large", "commit"]),
  name: Schema.String.check(Schema.isMaxLength(3))
})

const failing = (f: () => unknown) => {
  try {
    f()
  } catch {
    // A name that is taken, or the step's own change of mind.
  }
}

const changeMind = () => {
  throw new Error("changed my mind")
}

const play = (db: Sqlite.Database, { op, name }: typeof step.Type): Effect.Effect<void, Sqlite.SqliteError> =>
  op === "commit" ? db.commit : db.try(() => change(db, op, name))

const change = (db: Sqlite.Database, op: (typeof step.Type)["op"], name: string) => {
  const photo = (size: number) => new Uint8Array(size).fill(name.length + 1)
  switch (op) {
    case "insert":
      return failing(() => insert(db, name, name.length / 3, photo(name.length)))
    case "remove":
      return void db.prepare("DELETE FROM pets WHERE name LIKE ? || '%'").run(name)
    case "undo":
      return failing(() =>
        db.transaction(() => {
          insert(db, name)
          changeMind()
        })
      )
    case "undoInner":
      return failing(() =>
        db.transaction(() => {
          insert(db, `${name} outer`)
          failing(() =>
            db.transaction(() => {
              db.prepare("UPDATE pets SET age = 99").run()
              changeMind()
            })
          )
          db.prepare("UPDATE pets SET age = coalesce(age, 0) + 1 WHERE name = ?").run(`${name} outer`)
        })
      )
    case "large":
      return failing(() => insert(db, name, null, photo(600_000)))
    case "commit":
      return
  }
}

describe("grouped commits", () => {
  it.live.prop(
    "a killed process has lost nothing, wherever its batch was",
    [Schema.Array(step).check(Schema.isMaxLength(20))],
    ([steps]) =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const [path, left] = [join(folder, "a.db"), join(folder, "b.db")]
        const before = yield* Effect.scoped(
          Effect.gen(function* () {
            const db = yield* Sqlite.open(options(path))
            for (const one of steps) yield* play(db, one)
            crash(path, left)
            return rows(db)
          })
        )
        assert.isFalse(existsSync(`${path}-redo`))
        assert.deepStrictEqual(yield* opened(path, rows), before)
        assert.deepStrictEqual(yield* opened(left, rows), before)
        // Once brought in, they are not brought in again.
        assert.deepStrictEqual(yield* opened(left, rows), before)
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 30 }, timeout: 60_000 }
  )

  it.live("of a damaged log counts what comes before the damage", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [path, left] = [join(folder, "a.db"), join(folder, "b.db")]
      yield* opened(path, (db) => {
        for (let i = 0; i < 8; i++) insert(db, `pet ${i}`)
        crash(path, left)
      })
      const log = readFileSync(`${left}-redo`)
      const end = log.findLastIndex((byte) => byte !== 0) + 1
      const files = copies(left).map((file) => [file, readFileSync(file)] as const)
      const after = (damage: () => void) => {
        for (const [file, bytes] of files) writeFileSync(file, bytes)
        rmSync(`${left}-shm`, { force: true })
        damage()
        return opened(left, names)
      }
      const all = Array.from({ length: 8 }, (_, i) => `pet ${i}`)
      assert.deepStrictEqual(yield* after(() => undefined), all)
      for (const at of [0, 5, 12, 20, end >> 2, end >> 1, end - 1]) {
        const cut = yield* after(() => truncateSync(`${left}-redo`, at))
        const flipped = yield* after(() => {
          const bytes = Buffer.from(log)
          bytes.writeUInt8(bytes.readUInt8(at) ^ 0x55, at)
          writeFileSync(`${left}-redo`, bytes)
        })
        for (const found of [cut, flipped]) assert.deepStrictEqual(found, all.slice(0, found.length))
        assert.isBelow(flipped.length, all.length)
      }
      // Of another database, or of one that lost what came before with the power.
      const other = join(folder, "c.db")
      yield* opened(other, (db) => {
        insert(db, "stranger")
        crash(other, join(folder, "d.db"))
      })
      assert.deepStrictEqual(yield* after(() => copyFileSync(join(folder, "d.db-redo"), `${left}-redo`)), [])
    })
  )

  it.live("what the power took is not half of it: a log that does not follow on the database is left out", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [path, early, late] = [join(folder, "a.db"), join(folder, "b.db"), join(folder, "c.db")]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const db = yield* Sqlite.open(options(path))
          insert(db, "one")
          yield* db.commit
          crash(path, early)
          insert(db, "two")
          yield* db.commit
          insert(db, "three")
          crash(path, late)
        })
      )
      copyFileSync(`${late}-redo`, `${early}-redo`)
      assert.deepStrictEqual(yield* opened(early, names), ["one"])
      assert.deepStrictEqual(yield* opened(late, names), ["one", "two", "three"])
    })
  )

  it.live("a full disk takes back the change that met it and none before it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = join(folder, "a.db")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const db = yield* Sqlite.open(options(path))
          let taken = 0
          db.onRollback(() => taken++)
          insert(db, "first")
          const pages = db.prepare<{ page_count: number }>("PRAGMA page_count").get()?.page_count ?? 0
          db.prepare(`PRAGMA max_page_count = ${pages + 2}`).get()
          const error = yield* Effect.flip(db.try(() => insert(db, "large", null, new Uint8Array(100_000))))
          assert.strictEqual(error.reason, "Full")
          assert.isAbove(taken, 0)
          assert.strictEqual(db.prepare<{ n: number }>("SELECT n FROM total").get()?.n, 1)
          db.prepare(`PRAGMA max_page_count = ${pages + 1000}`).get()
          insert(db, "second")
        })
      )
      assert.strictEqual(yield* opened(path, (db) => db.prepare<{ n: number }>("SELECT n FROM total").get()?.n), 2)
    })
  )

  it.live("others see a batch after the interval, and only the owner may read the log", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = join(folder, "a.db")
      const db = yield* Sqlite.open({ ...options(path), group: 5 })
      const other = yield* Sqlite.open({ path, migrations, applicationId, readOnly: true })
      const seen = other.prepare<{ n: number }>("SELECT n FROM total")
      insert(db, "Ada")
      assert.strictEqual(seen.get()?.n, 0)
      assert.strictEqual(statSync(`${path}-redo`).mode & 0o777, 0o600)
      while (seen.get()?.n !== 1) yield* Effect.sleep(5)
    }).pipe(Effect.timeout("10 seconds"))
  )

  it.effect("one that fails by a mistake of ours is tried again", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "a.db")
      const db = yield* Sqlite.open({ ...options(path), group: 5 })
      const other = yield* Sqlite.open({ path, migrations, applicationId })
      db.exec("CREATE TRIGGER refuse BEFORE UPDATE ON redo BEGIN SELECT RAISE(ABORT, 'refused'); END")
      let taken = 0
      db.onRollback(() => {
        if (taken++ > 0) return
        other.exec("DROP TRIGGER refuse")
        throw new TypeError("no such thing")
      })
      insert(db, "Ada")
      yield* TestClock.adjust("5 millis")
      assert.strictEqual(taken, 1)
      assert.deepStrictEqual(names(other), [])
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(names(other), ["Ada"])
      insert(db, "Grace")
      yield* TestClock.adjust("5 millis")
      assert.deepStrictEqual(names(other), ["Ada", "Grace"])
    })
  )
})

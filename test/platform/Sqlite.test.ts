import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as Sqlite from "../../src/platform/Sqlite.ts"

const applicationId = 0x7e57
const migrations = ["CREATE TABLE pets (name TEXT PRIMARY KEY, age INTEGER NOT NULL) STRICT"]
const memory = Sqlite.open({ path: ":memory:", migrations, applicationId })

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-sqlite-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)
const temporaryPath = Effect.map(temporaryFolder, (folder) => join(folder, "test.db"))

describe("Sqlite", () => {
  it.live("keeps what was committed across openings, and migrates step by step", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      yield* Effect.scoped(
        Effect.gen(function* () {
          const db = yield* Sqlite.open({ path, migrations, applicationId })
          yield* db.try(() => db.prepare("INSERT INTO pets VALUES (?, ?)").run("Ada", 3))
          yield* db.checkpoint("truncate")
        })
      )
      const more = [...migrations, (db: Sqlite.Database) => db.exec("ALTER TABLE pets ADD COLUMN kind TEXT")]
      const db = yield* Sqlite.open({ path, migrations: more, applicationId, check: true })
      const row = yield* db.try(() => db.prepare("SELECT * FROM pets").get())
      assert.deepStrictEqual({ ...row }, { name: "Ada", age: 3, kind: null })
      assert.strictEqual(db.prepare<{ user_version: number }>("PRAGMA user_version").get()?.user_version, 2)
      assert.strictEqual(db.prepare<{ journal_mode: string }>("PRAGMA journal_mode").get()?.journal_mode, "wal")
    })
  )

  it.live("refuses files that are not its own and leaves them as they are", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const refusal = (prepare: () => void) =>
        Effect.gen(function* () {
          yield* Effect.sync(prepare)
          const before = readFileSync(path)
          const error = yield* Effect.scoped(Sqlite.open({ path, migrations, applicationId, check: true })).pipe(
            Effect.flip
          )
          assert.deepStrictEqual(readFileSync(path), before)
          assert.include(error.message, path)
          return error
        })
      const create = (sql: string) => () => {
        rmSync(path, { force: true })
        const raw = new DatabaseSync(path)
        raw.exec(sql)
        raw.close()
      }

      const text = yield* refusal(() => writeFileSync(path, "Dear diary, this is not a database at all."))
      assert.strictEqual(text.reason, "NotADatabase")
      const foreign = yield* refusal(create("PRAGMA application_id = 9; CREATE TABLE a (b)"))
      assert.deepInclude({ ...foreign }, { reason: "Foreign", found: 9, known: applicationId })
      const anonymous = yield* refusal(create("CREATE TABLE a (b)"))
      assert.strictEqual(anonymous.reason, "Foreign")
      const newer = yield* refusal(create(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = 7`))
      assert.deepInclude({ ...newer }, { reason: "Newer", found: 7, known: 1 })
      const damaged = yield* refusal(() => {
        create(
          `PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1; CREATE TABLE a (b);
           WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) INSERT INTO a SELECT x FROM n`
        )()
        const bytes = readFileSync(path)
        writeFileSync(path, bytes.fill(0x5a, 4096 * 2, 4096 * 4))
      })
      assert.strictEqual(damaged.reason, "Corrupt")
    })
  )

  it.effect("rolls back what threw, and only the inner part of a nested transaction", () =>
    Effect.gen(function* () {
      const db = yield* memory
      const insert = db.prepare("INSERT INTO pets VALUES (?, ?)")
      const names = db.prepare<{ name: string }>("SELECT name FROM pets ORDER BY name")
      const exit = yield* Effect.exit(
        db.try(() =>
          db.transaction(() => {
            insert.run("lost", 1)
            insert.run("lost", 1)
          })
        )
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(names.all(), [])
      db.transaction(() => {
        insert.run("kept", 1)
        assert.throws(() =>
          db.transaction(() => {
            insert.run("inner", 1)
            throw new Error("no")
          })
        )
        insert.run("also kept", 1)
      })
      assert.deepStrictEqual(
        [...names.iterate()].map((row) => row.name),
        ["also kept", "kept"]
      )
    })
  )

  it.effect("classifies SQLite's faults and leaves the rest as defects", () =>
    Effect.gen(function* () {
      const db = yield* memory
      const insert = db.prepare("INSERT INTO pets VALUES (?, ?)")
      assert.deepStrictEqual(yield* db.try(() => insert.run("Bob", 4)), { changes: 1, lastInsertRowid: 1 })
      const again = yield* Effect.flip(db.try(() => insert.run("Bob", 4)))
      assert.strictEqual(again.reason, "Constraint")
      const wrong = yield* Effect.flip(db.try(() => db.prepare("SELECT nonsense")))
      assert.strictEqual(wrong.reason, "Failed")
      db.exec("PRAGMA max_page_count = 3")
      const full = yield* Effect.flip(db.try(() => insert.run("x".repeat(100_000), 1)))
      assert.strictEqual(full.reason, "Full")
      const defect = yield* Effect.exit(db.try((): void => void JSON.parse("{")))
      assert.isTrue(Exit.hasDies(defect))
    })
  )

  it.live("reports a locked database, a missing folder and a read-only connection", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const missing = yield* Effect.flip(
        Effect.scoped(Sqlite.open({ path: join(path, "no", "such"), migrations, applicationId }))
      )
      assert.strictEqual(missing.reason, "Failed")
      const first = yield* Sqlite.open({ path, migrations, applicationId })
      const second = yield* Sqlite.open({ path, migrations, applicationId, busyTimeout: 1 })
      const reader = yield* Sqlite.open({ path, migrations, applicationId, readOnly: true })
      first.exec("BEGIN IMMEDIATE")
      const busy = yield* Effect.flip(second.try(() => second.transaction(() => second.exec("DELETE FROM pets"))))
      assert.strictEqual(busy.reason, "Busy")
      first.exec("ROLLBACK")
      assert.isUndefined(reader.prepare("SELECT 1 FROM pets").get())
      const refused = yield* Effect.flip(reader.try(() => reader.exec("DELETE FROM pets")))
      assert.strictEqual(refused.reason, "Failed")
    })
  )
})

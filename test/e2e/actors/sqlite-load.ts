/** 10,000 transactions on a database file, in 100 batches on fresh connections, journals of both kinds; checks the result. */
import { DatabaseSync } from "node:sqlite"

const [path, count = "10000"] = process.argv.slice(2) as [string, string?]
const total = Number(count)
const batches = 100

const setup = new DatabaseSync(path)
setup.exec("CREATE TABLE entry (id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, text TEXT NOT NULL)")
setup.close()

for (let batch = 0; batch < batches; batch++) {
  const db = new DatabaseSync(path)
  // The last batches use a rollback journal, which creates, syncs and deletes a file for each transaction.
  const rollback = batch >= batches - 2
  db.exec(`PRAGMA journal_mode = ${rollback ? "DELETE" : "WAL"}; PRAGMA synchronous = ${rollback ? "FULL" : "NORMAL"}`)
  const insert = db.prepare("INSERT INTO entry (batch, text) VALUES (?, ?)")
  for (let i = 0; i < total / batches; i++) {
    db.exec("BEGIN IMMEDIATE")
    insert.run(batch, `entry ${i} of batch ${batch} `.repeat(4))
    db.exec("COMMIT")
  }
  db.close()
}

const db = new DatabaseSync(path)
const check = db.prepare("PRAGMA integrity_check").get() as { integrity_check: string }
const rows = db.prepare("SELECT count(*) AS rows FROM entry").get() as { rows: number }
db.close()
if (check.integrity_check !== "ok") throw new Error(check.integrity_check)
if (rows.rows !== total) throw new Error(`${rows.rows} rows of ${total}`)

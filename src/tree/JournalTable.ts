/** Prepared statements over intents, bases and shadows: synchronous, no rules, no transactions of their own. */
import type { DriveItem, ItemId } from "../graph/DriveItem.ts"
import type { Database } from "../platform/Sqlite.ts"
import { fold } from "./fold.ts"
import { Ino } from "./Item.ts"
import type { Intent, IntentKind, JournalSummary, Lane, ParkedReason } from "./Journal.ts"
import type { ItemTable, Row } from "./ItemTable.ts"
import type { Base } from "./journalAlgebra.ts"
import { Recent } from "./Recent.ts"
import { makeUploadTable, type UploadTable } from "./UploadTable.ts"

/** In the order of work of one item; the index is what the table stores. */
const kinds: ReadonlyArray<IntentKind> = ["create", "move", "content", "times", "delete"]
const kindCode = (kind: IntentKind): number => kinds.indexOf(kind)
const lanes: ReadonlyArray<Lane> = ["changes", "uploads"]

interface IntentColumns {
  readonly ino: number
  readonly kind: number
  readonly seq: number
  readonly generation: number
  readonly created_at: number
  readonly not_before: number
  readonly attempts: number
  readonly last_error: string | null
  readonly parked: number
}

const toIntent = (row: IntentColumns, base: Base | undefined, item: Row | undefined): Intent => {
  const kind = kinds[row.kind] ?? "times"
  return {
    ino: Ino(row.ino),
    kind,
    seq: row.seq,
    generation: row.generation,
    base: base === undefined ? null : { parent: base.parent, name: base.name, eTag: item?.eTag ?? null },
    remoteId: kind === "delete" ? (item?.remoteId ?? null) : null,
    createdAt: row.created_at,
    notBefore: row.not_before,
    attempts: row.attempts,
    lastError: row.last_error,
    parked: row.parked === 1
  }
}

/** Reasons told at a time: names are in many of them. */
const shownReasons = 20

export interface NewIntent {
  readonly ino: Ino
  readonly kind: IntentKind
  readonly generation: number
  readonly bytes: number
  readonly createdAt: number
  readonly notBefore: number
}

export interface JournalTable extends UploadTable {
  intents(ino: Ino): ReadonlyArray<Intent>
  has(ino: Ino): boolean
  /** In order of seq. */
  all(): ReadonlyArray<Intent>
  /** As they became due, then in order of seq: not parked, and what they need at the server (their folder) is there. */
  ready(lane: Lane, now: number, limit: number, busy: ReadonlySet<Ino>): ReadonlyArray<Intent>
  nextDue(): number | null
  summary(): JournalSummary
  parkedReasons(): ReadonlyArray<ParkedReason>
  pendingDeletes(): number
  counts(): { readonly items: number; readonly files: number; readonly directories: number }
  add(intent: NewIntent): void
  /** A newer change of the same kind: last in line again, tried anew. */
  renew(intent: Omit<NewIntent, "createdAt">): void
  drop(ino: Ino, kind: IntentKind): void
  dueAt(ino: Ino, kind: IntentKind, notBefore: number): void
  allDueAt(now: number): void
  failed(ino: Ino, kind: IntentKind, notBefore: number, error: string, parked: boolean): boolean
  unpark(ino: Ino): void

  base(ino: Ino): Base | undefined
  setBase(ino: Ino, base: Base): void
  dropBase(ino: Ino): void
  /** Changed items whose place at the server is (parent, folded name). */
  basedAt(parent: ItemId, name: string): ReadonlyArray<Ino>
  basedIn(parent: ItemId): ReadonlyArray<Ino>
  /** An item is to be moved whose place at the server is in the folder, or below changed folders of it. */
  isLeft(folder: ItemId): boolean
  shadow(ino: Ino): DriveItem | undefined
  setShadow(ino: Ino, item: DriveItem): void
  dropShadow(ino: Ino): void
}

export const makeJournalTable = (db: Database, items: ItemTable): JournalTable => {
  const bases = baseStatements(db)
  return { ...intentStatements(db, items, bases.base), ...bases, ...makeUploadTable(db) }
}

const intentStatements = (db: Database, items: ItemTable, base: JournalTable["base"]) => {
  const recent = new Recent<Ino, ReadonlyArray<IntentColumns>>(db)
  const select = (rest: string) =>
    db.prepare<IntentColumns>(`SELECT ino, kind, seq, generation, created_at, not_before, attempts, last_error, parked
      FROM intents ${rest}`)
  const ofItem = select("WHERE ino = ? ORDER BY kind")
  const all = select("ORDER BY seq")
  const read = (ino: Ino) => ofItem.all(ino)
  const intent = (row: IntentColumns) => toIntent(row, base(Ino(row.ino)), items.get(Ino(row.ino)))
  const intents = (ino: Ino) => recent.get(ino, read).map(intent)
  // Reads the index alone: those that are busy cost next to nothing.
  const ready = db.prepare<{ readonly ino: number; readonly kind: number }>(
    `SELECT ino, kind FROM intents WHERE lane = ? AND parked = 0 AND waits = 0 AND not_before <= ?
      ORDER BY not_before, seq`
  )
  const nextDue = db.prepare<{ readonly at: number | null }>(
    "SELECT min(not_before) AS at FROM intents WHERE lane = ? AND parked = 0 AND waits = 0"
  )
  const totals = db.prepare<
    Record<"files" | "directories" | "others" | "intents" | "parked" | "bytes" | "deletes", number>
  >("SELECT files, directories, others, intents, parked, bytes, deletes FROM totals WHERE id = 1")
  const oldest = db.prepare<{ readonly at: number | null }>("SELECT min(created_at) AS at FROM intents")
  const parkedReasons = db.prepare<{ readonly reason: string; readonly count: number }>(
    `SELECT last_error AS reason, count(*) AS count FROM intents WHERE parked = 1
      GROUP BY last_error ORDER BY 2 DESC LIMIT ${shownReasons}`
  )
  const nextSeq = "(SELECT coalesce(max(seq), 0) + 1 FROM intents)"
  const add = db.prepare(`INSERT INTO intents (ino, kind, seq, generation, bytes, created_at, not_before, lane, waits)
    SELECT ?1, ?2, ${nextSeq}, ?3, ?4, ?5, ?6,
      ?2 = 2 OR (?2 = 0 AND items.kind = 0), ?2 IN (0, 1) AND parents.remote_id IS NULL
    FROM items LEFT JOIN items AS parents ON parents.ino = items.parent WHERE items.ino = ?1`)
  const renew =
    db.prepare(`UPDATE intents SET seq = ${nextSeq}, generation = ?, bytes = ?, not_before = ?, attempts = 0,
    last_error = NULL, parked = 0 WHERE ino = ? AND kind = ?`)
  const drop = db.prepare("DELETE FROM intents WHERE ino = ? AND kind = ?")
  const dueAt = db.prepare("UPDATE intents SET not_before = ? WHERE ino = ? AND kind = ?")
  const allDueAt = db.prepare("UPDATE intents SET not_before = ? WHERE parked = 0 AND not_before > ?")
  const failed = db.prepare(`UPDATE intents SET attempts = attempts + 1, not_before = ?, last_error = ?, parked = ?
    WHERE ino = ? AND kind = ?`)
  const unpark = db.prepare("UPDATE intents SET parked = 0, attempts = 0, not_before = 0 WHERE ino = ?")
  const total = () =>
    totals.get() ?? { files: 0, directories: 0, others: 0, intents: 0, parked: 0, bytes: 0, deletes: 0 }
  const dueIn = (lane: number) => nextDue.get(lane)?.at ?? null

  return {
    intents,
    has: (ino: Ino) => recent.get(ino, read).length > 0,
    all: () => all.all().map(intent),
    ready: (lane: Lane, now: number, limit: number, busy: ReadonlySet<Ino>) => {
      const found: Array<{ readonly ino: number; readonly kind: number }> = []
      for (const row of ready.iterate(lanes.indexOf(lane), now)) {
        if (!busy.has(Ino(row.ino)) && found.push(row) >= limit) break
      }
      return found.flatMap(({ ino, kind }) => intents(Ino(ino)).filter((one) => kindCode(one.kind) === kind))
    },
    nextDue: () => {
      const [changes, uploads] = [dueIn(0), dueIn(1)]
      return changes === null || uploads === null ? (changes ?? uploads) : Math.min(changes, uploads)
    },
    summary: () => {
      const { intents, parked, bytes } = total()
      return { intents, parked, bytes, oldest: oldest.get()?.at ?? null }
    },
    parkedReasons: () => parkedReasons.all(),
    pendingDeletes: () => total().deletes,
    counts: () => {
      const { files, directories, others } = total()
      return { items: files + directories + others, files, directories }
    },
    add: (intent: NewIntent) => {
      add.run(intent.ino, kindCode(intent.kind), intent.generation, intent.bytes, intent.createdAt, intent.notBefore)
      recent.delete(intent.ino)
    },
    renew: (intent: Omit<NewIntent, "createdAt">) => {
      renew.run(intent.generation, intent.bytes, intent.notBefore, intent.ino, kindCode(intent.kind))
      recent.delete(intent.ino)
    },
    drop: (ino: Ino, kind: IntentKind) => {
      drop.run(ino, kindCode(kind))
      recent.delete(ino)
    },
    dueAt: (ino: Ino, kind: IntentKind, notBefore: number) => {
      dueAt.run(notBefore, ino, kindCode(kind))
      recent.delete(ino)
    },
    allDueAt: (now: number) => {
      allDueAt.run(now, now)
      recent.clear()
    },
    failed: (ino: Ino, kind: IntentKind, notBefore: number, error: string, parked: boolean) => {
      recent.delete(ino)
      return failed.run(notBefore, error, Number(parked), ino, kindCode(kind)).changes > 0
    },
    unpark: (ino: Ino) => {
      unpark.run(ino)
      recent.delete(ino)
    }
  }
}

interface BaseColumns {
  readonly parent: string | null
  readonly name: string
  readonly mtime_sec: number
  readonly mtime_nsec: number
  readonly generation: number
}

const baseStatements = (db: Database) => {
  const base = db.prepare<BaseColumns>(
    "SELECT parent, name, mtime_sec, mtime_nsec, generation FROM bases WHERE ino = ?"
  )
  const recent = new Recent<Ino, { readonly base: Base | undefined }>(db)
  const read = (ino: Ino) => {
    const row = base.get(ino)
    if (row === undefined) return { base: undefined }
    const mtime = { sec: row.mtime_sec, nsec: row.mtime_nsec }
    return { base: { parent: row.parent as ItemId | null, name: row.name, mtime, generation: row.generation } }
  }
  const setBase = db.prepare("INSERT OR REPLACE INTO bases VALUES (?, ?, ?, ?, ?, ?, ?)")
  const dropBase = db.prepare("DELETE FROM bases WHERE ino = ?")
  const basedAt = db.prepare<{ readonly ino: number }>("SELECT ino FROM bases WHERE parent = ? AND folded = ?")
  const basedIn = db.prepare<{ readonly ino: number }>("SELECT ino FROM bases WHERE parent = ?")
  // Intent 1: move.
  const isLeft = db.prepare(`WITH RECURSIVE below (id) AS (
      VALUES (?) UNION SELECT items.remote_id FROM below JOIN bases ON bases.parent = below.id
      JOIN items ON items.ino = bases.ino WHERE items.kind = 1 AND items.remote_id IS NOT NULL
    ) SELECT 1 FROM below JOIN bases ON bases.parent = below.id JOIN intents ON intents.ino = bases.ino
    WHERE intents.kind = 1 LIMIT 1`)
  const shadow = db.prepare<{ readonly item: string }>("SELECT item FROM shadows WHERE ino = ?")
  const setShadow = db.prepare("INSERT OR REPLACE INTO shadows VALUES (?, ?)")
  const dropShadow = db.prepare("DELETE FROM shadows WHERE ino = ?")
  return {
    base: (ino: Ino): Base | undefined => recent.get(ino, read).base,
    setBase: (ino: Ino, value: Base) => {
      const { parent, name, mtime, generation } = value
      setBase.run(ino, parent, name, fold(name), mtime.sec, mtime.nsec, generation)
      recent.set(ino, { base: value })
    },
    dropBase: (ino: Ino) => {
      dropBase.run(ino)
      recent.set(ino, { base: undefined })
    },
    basedAt: (parent: ItemId, name: string) => basedAt.all(parent, fold(name)).map((row) => Ino(row.ino)),
    basedIn: (parent: ItemId) => basedIn.all(parent).map((row) => Ino(row.ino)),
    isLeft: (folder: ItemId) => isLeft.get(folder) !== undefined,
    shadow: (ino: Ino) => {
      const row = shadow.get(ino)
      return row === undefined ? undefined : (JSON.parse(row.item) as DriveItem)
    },
    setShadow: (ino: Ino, item: DriveItem) => void setShadow.run(ino, JSON.stringify(item)),
    dropShadow: (ino: Ino) => void dropShadow.run(ino)
  }
}

/**
 * Item rows that were read last: one operation looks at the same few a dozen times, and making a row's object costs more
 * than finding it. Forgotten in the order in which they came, all of them when changes are taken back.
 */
import type { Ino } from "./Item.ts"
import type { Row } from "./ItemTable.ts"

/** Rows that are kept in memory at most. */
const remembered = 4_096

/** Rows that were read last, forgotten in the order in which they came. */
export class RecentRows {
  readonly #rows = new Map<number, Row>()

  get(ino: number): Row | undefined {
    return this.#rows.get(ino)
  }

  add(row: Row): Row {
    this.#rows.set(row.ino, row)
    const oldest = this.#rows.size > remembered ? this.#rows.keys().next().value : undefined
    if (oldest !== undefined) this.#rows.delete(oldest)
    return row
  }

  /** The database has these columns now. */
  change(ino: Ino, columns: Partial<Row>): void {
    const row = this.#rows.get(ino)
    if (row !== undefined) this.#rows.set(ino, { ...row, ...columns })
  }

  delete(ino: Ino): void {
    this.#rows.delete(ino)
  }

  clear(): void {
    this.#rows.clear()
  }
}

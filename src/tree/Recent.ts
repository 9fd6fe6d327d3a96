/**
 * What was read last from the database, by key: one operation looks at the same few rows a dozen times, and making a
 * row's object costs more than finding it. Bounded; all of it is forgotten when changes are taken back.
 */
import { BoundedMap } from "../platform/BoundedMap.ts"
import type { Database } from "../platform/Sqlite.ts"

/** Entries that are kept in memory at most. */
const remembered = 4_096

export class Recent<Key, Value> {
  readonly #entries = new BoundedMap<Key, Value>(remembered)

  constructor(db: Pick<Database, "onRollback">) {
    db.onRollback(() => this.#entries.clear())
  }

  /** What is remembered, or what `read` finds. */
  get(key: Key, read: (key: Key) => Value): Value {
    const known = this.#entries.get(key)
    return known ?? this.set(key, read(key))
  }

  /** Undefined is not remembered. */
  set(key: Key, value: Value): Value {
    if (value !== undefined) this.#entries.set(key, value)
    return value
  }

  /** The database has these columns now. */
  change(key: Key, columns: Partial<Value>): void {
    const known = this.#entries.get(key)
    if (known !== undefined) this.#entries.set(key, { ...known, ...columns })
  }

  delete(key: Key): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}

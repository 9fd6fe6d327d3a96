/**
 * The redo log of a database: the statements of committed changes, until a batch of them is in the database itself.
 *
 * Model: one file of a fixed size, written over from its beginning in each *cycle*. A record is one transaction: the
 * statements that changed something, with their parameters, in order. Records are numbered without gaps and the database
 * knows the number of the last one it has, so the log need not be emptied: what an earlier cycle left is known already.
 * A number that a database got by chance (`salt`) is part of each record: the log of another database is nobody's.
 *
 * Assumptions: statements are replayed on the state they were run on and depend on nothing else (time, chance). What was
 * appended is a write(2): it survives the death of the process, not the loss of power.
 */
import * as fs from "node:fs"
import { definition, header, readRecords, type RedoRecord, seal, sizeOf, writeText, writeValue } from "./redoRecords.ts"
import type { SqlValue } from "./Sqlite.ts"

/** A statement that can be logged, with its number in the cycle in which it was used last. */
export interface Logged {
  readonly sql: string
  cycle: number
  number: number
}

/** Of the file, in bytes: some hundred files' changes. */
const size = 512 * 1024

/** What an earlier run left at `path`; nothing when there is no such file. Throws what fs throws. */
export const readLog = (path: string, salt: number): ReadonlyArray<RedoRecord> =>
  fs.existsSync(path) ? readRecords(fs.readFileSync(path), salt) : []

/** One writer; the file is made or written over when it begins. */
export class RedoLog {
  readonly #fd: number
  readonly #buffer = Buffer.alloc(size)
  readonly #salt: number
  #number: number
  #cycle = 1
  #statements = 0
  /** End of what was appended in this cycle. */
  #end = 0
  /** End of the record in the making; NaN when it does not fit. */
  #at = header
  /** Texts that the record in the making brought. */
  #defined: Array<{ readonly logged: Logged; readonly at: number }> = []

  /** Makes the file or writes over it; `last` is the number of the last record the database has. Throws what fs throws. */
  constructor(path: string, salt: number, last: number) {
    this.#salt = salt
    this.#number = last
    this.#fd = fs.openSync(path, "w", 0o600)
    try {
      // Its blocks are there from the start: a full disk does not stop it later.
      this.#write(0, size)
    } catch (cause) {
      this.close()
      throw cause
    }
  }

  /** Number of the last record. */
  get last(): number {
    return this.#number
  }

  /** End of the record in the making, for `back`. */
  get mark(): number {
    return this.#at
  }

  /** Takes back what the record in the making got since the mark. */
  back(mark: number): void {
    this.#at = mark
    const kept = this.#defined.filter(({ at }) => at < mark)
    for (const { logged } of this.#defined.slice(kept.length)) logged.cycle = 0
    this.#defined = kept
  }

  /** Adds a statement to the record in the making. */
  add(logged: Logged, parameters: ReadonlyArray<SqlValue>): void {
    if (logged.cycle !== this.#cycle) this.#define(logged)
    let length = 4
    for (const value of parameters) length += sizeOf(value)
    if (!this.#fits(length)) return
    this.#at = this.#buffer.writeUInt16LE(logged.number, this.#at)
    this.#at = this.#buffer.writeUInt16LE(parameters.length, this.#at)
    for (const value of parameters) this.#at = writeValue(this.#buffer, this.#at, value)
  }

  /** Whether the record in the making has statements, fitting or not. */
  get isChange(): boolean {
    return this.#at !== this.#end + header
  }

  /** Ends the record and writes it; false when it does not fit. Throws what fs throws, then it is not in the log. */
  append(): boolean {
    if (Number.isNaN(this.#at)) return false
    seal(this.#buffer, this.#end, this.#at, this.#number + 1, this.#salt)
    this.#write(this.#end, this.#at)
    this.#number++
    this.#end = this.#at
    this.#at += header
    this.#defined = []
    return true
  }

  /** Drops the record in the making. */
  discard(): void {
    this.back(this.#end + header)
  }

  /** The database has all of it, the record in the making included. */
  restart(): void {
    this.#end = 0
    this.#at = header
    this.#cycle++
    this.#statements = 0
    this.#defined = []
  }

  /** What was appended in this cycle. */
  records(): ReadonlyArray<RedoRecord> {
    return readRecords(this.#buffer.subarray(0, this.#end), this.#salt)
  }

  close(): void {
    fs.closeSync(this.#fd)
  }

  #define(logged: Logged): void {
    if (!this.#fits(8 + Buffer.byteLength(logged.sql))) return
    this.#defined.push({ logged, at: this.#at })
    logged.cycle = this.#cycle
    logged.number = this.#statements++
    this.#at = this.#buffer.writeUInt16LE(definition, this.#at)
    this.#at = this.#buffer.writeUInt16LE(logged.number, this.#at)
    this.#at = writeText(this.#buffer, this.#at, logged.sql)
  }

  #fits(bytes: number): boolean {
    if (this.#at + bytes <= size) return true
    this.#at = Number.NaN
    return false
  }

  #write(from: number, to: number): void {
    for (let at = from; at < to;) at += fs.writeSync(this.#fd, this.#buffer, at, to - at, at)
  }
}

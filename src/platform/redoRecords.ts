/**
 * The bytes of a redo log, all little-endian. A record: length and CRC-32 of what follows as 32 bits each, then number
 * and salt as doubles, then statements. A statement: its number in this cycle and the number of its parameters as 16
 * bits each, then each parameter as a byte for its type and its value. A statement's first use in a cycle is preceded by
 * `definition`, its number and its text.
 */
import { crc32 } from "node:zlib"
import type { SqlValue } from "./Sqlite.ts"

/** A statement as it was run. */
export interface Replayed {
  readonly sql: string
  readonly parameters: ReadonlyArray<SqlValue>
}

/** One transaction. */
export interface RedoRecord {
  readonly number: number
  readonly statements: ReadonlyArray<Replayed>
}

/** Bytes before the number, and before the first statement. */
export const prefix = 8
export const header = prefix + 16
/** In place of a statement's number: its text follows. */
export const definition = 0xffff

const types = { null: 0, number: 1, bigint: 2, text: 3, bytes: 4 } as const

/** Bytes that a parameter takes. */
export const sizeOf = (value: SqlValue): number => {
  if (value === null) return 1
  if (typeof value === "string") return 5 + Buffer.byteLength(value)
  return typeof value === "object" ? 5 + value.byteLength : 9
}

/** Returns the end of what it wrote. */
export const writeText = (to: Buffer, at: number, text: string): number => {
  const length = to.write(text, at + 4)
  to.writeUInt32LE(length, at)
  return at + 4 + length
}

/** Returns the end of what it wrote. */
export const writeValue = (to: Buffer, at: number, value: SqlValue): number => {
  if (value === null) return to.writeUInt8(types.null, at)
  switch (typeof value) {
    case "number":
      return to.writeDoubleLE(value, to.writeUInt8(types.number, at))
    case "bigint":
      return to.writeBigInt64LE(value, to.writeUInt8(types.bigint, at))
    case "string":
      return writeText(to, to.writeUInt8(types.text, at), value)
    default: {
      const start = to.writeUInt32LE(value.byteLength, to.writeUInt8(types.bytes, at))
      to.set(value, start)
      return start + value.byteLength
    }
  }
}

/** Fills in the head of the record that ends at `end`. */
export const seal = (to: Buffer, at: number, end: number, number: number, salt: number): void => {
  to.writeDoubleLE(number, at + prefix)
  to.writeDoubleLE(salt, at + prefix + 8)
  to.writeUInt32LE(end - at - prefix, at)
  to.writeUInt32LE(crc32(to.subarray(at + prefix, end)), at + 4)
}

/**
 * The records from the beginning on that belong together: of this salt, whole, and numbered without a gap. What follows
 * is left of an earlier cycle or was never finished.
 */
export const readRecords = (bytes: Buffer, salt: number): ReadonlyArray<RedoRecord> => {
  const records: Array<RedoRecord> = []
  const texts = new Map<number, string>()
  for (let at = 0; at + header <= bytes.length;) {
    const end = at + prefix + bytes.readUInt32LE(at)
    if (end < at + header || end > bytes.length) break
    if (crc32(bytes.subarray(at + prefix, end)) !== bytes.readUInt32LE(at + 4)) break
    const number = bytes.readDoubleLE(at + prefix)
    const before = records.at(-1)?.number
    if (bytes.readDoubleLE(at + prefix + 8) !== salt || (before !== undefined && number !== before + 1)) break
    records.push({ number, statements: readStatements(bytes.subarray(at + header, end), texts) })
    at = end
  }
  return records
}

/** Trusts the checksum: what is wrong here was written wrong, and throws. */
const readStatements = (bytes: Buffer, texts: Map<number, string>): ReadonlyArray<Replayed> => {
  const statements: Array<Replayed> = []
  let at = 0
  const length = () => bytes.readUInt32LE((at += 4) - 4)
  const taken = (size: number) => bytes.subarray(at, (at += size))
  const value = (): SqlValue => {
    const type = bytes.readUInt8(at++)
    if (type === types.null) return null
    if (type === types.number) return bytes.readDoubleLE((at += 8) - 8)
    if (type === types.bigint) return bytes.readBigInt64LE((at += 8) - 8)
    const content = taken(length())
    return type === types.text ? content.toString() : Uint8Array.from(content)
  }
  while (at < bytes.length) {
    const number = bytes.readUInt16LE((at += 2) - 2)
    const operand = bytes.readUInt16LE((at += 2) - 2)
    if (number === definition) {
      texts.set(operand, taken(length()).toString())
    } else {
      const parameters = Array.from({ length: operand }, value)
      statements.push({ sql: texts.get(number) ?? "", parameters })
    }
  }
  return statements
}

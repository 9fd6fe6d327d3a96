/**
 * quickXorHash, the content hash of OneDrive and SharePoint (Microsoft Learn, "QuickXorHash Algorithm"): a 160-bit
 * register into which input byte i is XORed at bit 11·i mod 160, wrapping; at the end the length, as 64 bits
 * little-endian, is XORed into the last eight bytes. Not collision resistant; it detects accidents, not attackers.
 *
 * The bit position repeats every 160 bytes, so the input is first XORed into 160 byte columns, word by word, and the
 * columns are folded into the register once, at the end.
 */
const columns = 160
const wordsPerBlock = columns / 4
const wordsPerPass = wordsPerBlock * 200
const registerBytes = 20
const shift = 11

export class QuickXorHash {
  readonly #words = new Uint32Array(wordsPerBlock)
  readonly #columns = new Uint8Array(this.#words.buffer)
  #length = 0

  /** A hash that has seen `length` bytes, a multiple of 160, whose columns XOR to these 40 little-endian words. */
  static fromColumns(columns: Uint32Array, length: number): QuickXorHash {
    const hash = new QuickXorHash()
    hash.#words.set(columns)
    hash.#length = length
    return hash
  }

  /** Bytes seen so far. */
  get length(): number {
    return this.#length
  }

  /** Adds the next bytes of the content; chunks may be of any size. */
  update(bytes: Uint8Array): this {
    const start = this.#length % columns
    const head = start === 0 ? 0 : Math.min(columns - start, bytes.length)
    this.#xorBytes(bytes, 0, head, start)
    const blocks = Math.floor((bytes.length - head) / columns)
    const tail = head + blocks * columns
    if (blocks > 0) this.#xorBlocks(bytes, head, blocks)
    this.#xorBytes(bytes, tail, bytes.length, 0)
    this.#length += bytes.length
    return this
  }

  /** An independent hash of the same bytes so far. */
  clone(): QuickXorHash {
    const copy = new QuickXorHash()
    copy.#words.set(this.#words)
    copy.#length = this.#length
    return copy
  }

  /** The 20 bytes of the hash of everything so far; more may be added afterwards. */
  digest(): Uint8Array {
    const register = new Uint8Array(registerBytes)
    for (let column = 0; column < columns; column++) {
      const bit = (column * shift) % columns
      const at = bit >>> 3
      const spread = (this.#columns[column] ?? 0) << (bit & 7)
      const next = (at + 1) % registerBytes
      register[at] = (register[at] ?? 0) ^ (spread & 0xff)
      register[next] = (register[next] ?? 0) ^ (spread >>> 8)
    }
    const length = new DataView(new ArrayBuffer(8))
    length.setBigUint64(0, BigInt(this.#length), true)
    for (let i = 0; i < 8; i++) register[12 + i] = (register[12 + i] ?? 0) ^ length.getUint8(i)
    return register
  }

  /** The digest as Graph's `hashes.quickXorHash` shows it: base64, 28 characters. */
  digestBase64(): string {
    return Buffer.from(this.digest()).toString("base64")
  }

  #xorBytes(bytes: Uint8Array, from: number, to: number, column: number): void {
    const into = this.#columns
    for (let i = from, at = column; i < to; i++, at++) into[at] = (into[at] ?? 0) ^ (bytes[i] ?? 0)
  }

  #xorBlocks(bytes: Uint8Array, from: number, blocks: number): void {
    const offset = bytes.byteOffset + from
    const size = blocks * columns
    // Typed arrays of words need an aligned start; a copy is still much cheaper than going byte by byte.
    const words =
      offset % 4 === 0
        ? new Uint32Array(bytes.buffer, offset, size / 4)
        : new Uint32Array(Uint8Array.from(bytes.subarray(from, from + size)).buffer)
    for (let start = 0; start < words.length; start += wordsPerPass) {
      this.#xorWords(words, start, Math.min(start + wordsPerPass, words.length))
    }
  }

  /** Column after column keeps the sum in a register; a pass is short enough for the processor's cache. */
  #xorWords(words: Uint32Array, start: number, end: number): void {
    const into = this.#words
    for (let word = 0; word < wordsPerBlock; word++) {
      let sum = into[word] ?? 0
      for (let i = start + word; i < end; i += wordsPerBlock) sum ^= words[i] ?? 0
      into[word] = sum
    }
  }
}

/** quickXorHash of a whole content, base64. */
export const quickXorHash = (bytes: Uint8Array): string => new QuickXorHash().update(bytes).digestBase64()

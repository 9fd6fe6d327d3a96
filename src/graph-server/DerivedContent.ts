/**
 * Content that is nowhere stored: bytes that follow from a key, so that a drive can have a million files and no disk.
 *
 * The 32-bit word at index w is `noise[w mod W] ^ blockKey(key, w div W)`, where `noise` is one block of 320 KiB for all
 * contents. Each block of each content differs, so a read at a wrong offset or of a wrong item shows. A block holds each
 * of quickXorHash's 160 columns an even number of times, so the block keys of whole blocks cancel out in the hash: it
 * follows from the number of whole blocks and from what is left, without going over the content.
 */
import { QuickXorHash } from "../platform/QuickXorHash.ts"
import { mix } from "./mix.ts"

const blockBytes = 320 * 1024
const blockWords = blockBytes / 4
const rowBytes = 160

const noise = (() => {
  const words = new Uint32Array(blockWords)
  for (let i = 0; i < blockWords; i++) words[i] = mix(i + 0x9e3779b9)
  return words
})()

const blockKey = (key: number, block: number): number => mix(mix(key) ^ Math.imul(block + 1, 0x9e3779b1))

/** Bytes `offset` to `offset + length` of the content with this key. Both in bytes; any size is possible. */
export const derivedBytes = (key: number, offset: number, length: number): Uint8Array => {
  // Whole words first: an offset within a word is cut away at the end.
  const first = Math.floor(offset / 4)
  const words = new Uint32Array(Math.ceil((offset + length) / 4) - first)
  for (let i = 0; i < words.length;) {
    const block = Math.floor((first + i) / blockWords)
    const start = (first + i) % blockWords
    const count = Math.min(blockWords - start, words.length - i)
    const mask = blockKey(key, block)
    for (let n = 0; n < count; n++) words[i + n] = (noise[start + n] ?? 0) ^ mask
    i += count
  }
  return new Uint8Array(words.buffer, offset % 4, length)
}

/** For every row of a block, the columns of all rows before it. */
const prefixes = (() => {
  const rows = blockBytes / rowBytes
  const sums = new Uint32Array((rows + 1) * (rowBytes / 4))
  for (let i = 0; i < blockWords; i++) {
    sums[i + rowBytes / 4] = (sums[i] ?? 0) ^ (noise[i] ?? 0)
  }
  return sums
})()

const wordsPerRow = rowBytes / 4

/** quickXorHash, base64, of the content with this key and size; the cost does not depend on the size. */
export const derivedHash = (key: number, size: number): string => {
  const blocks = Math.floor(size / blockBytes)
  const left = size - blocks * blockBytes
  const rows = Math.floor(left / rowBytes)
  const columns = new Uint32Array(wordsPerRow)
  const total = blockBytes / rowBytes
  const mask = rows % 2 === 1 ? blockKey(key, blocks) : 0
  for (let i = 0; i < wordsPerRow; i++) {
    const whole = blocks % 2 === 1 ? (prefixes[total * wordsPerRow + i] ?? 0) : 0
    columns[i] = whole ^ (prefixes[rows * wordsPerRow + i] ?? 0) ^ mask
  }
  const counted = blocks * blockBytes + rows * rowBytes
  const hash = QuickXorHash.fromColumns(columns, counted)
  return hash.update(derivedBytes(key, counted, size - counted)).digestBase64()
}

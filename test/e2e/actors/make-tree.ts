/** Makes a tree of small files, the same for the same seed: `make-tree.ts DIRECTORY COUNT [SEED]`. */
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const [directory, count, seed = "1"] = process.argv.slice(2) as [string, string, string?]

// xorshift32: small, deterministic, good enough for file bodies.
let state = Number(seed) * 2654435761 || 1
const random = (limit: number): number => {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % limit
}

for (let i = 0; i < Number(count); i++) {
  const folder = join(directory, `part ${i % 20}`, i % 3 === 0 ? "deep/er" : "flat")
  mkdirSync(folder, { recursive: true })
  const path = join(folder, i % 7 === 0 ? `Übersicht ${i}.txt` : `file-${i}.dat`)
  const body = new Uint8Array(i % 50 === 0 ? 0 : random(12_000))
  for (let j = 0; j < body.length; j++) body[j] = random(256)
  writeFileSync(path, body)
  if (i % 11 === 0) chmodSync(path, 0o755)
  utimesSync(path, 1_600_000_000 + i, 1_600_000_000 + i)
}

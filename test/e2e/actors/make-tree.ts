/** Makes a tree of small files, the same for the same seed: `make-tree.ts DIRECTORY COUNT [SEED]`. */
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { random } from "./random.ts"

const [directory, count, seed = "1"] = process.argv.slice(2) as [string, string, string?]

const below = random(Number(seed))

for (let i = 0; i < Number(count); i++) {
  const folder = join(directory, `part ${i % 20}`, i % 3 === 0 ? "deep/er" : "flat")
  mkdirSync(folder, { recursive: true })
  const path = join(folder, i % 7 === 0 ? `Übersicht ${i}.txt` : `file-${i}.dat`)
  const body = new Uint8Array(i % 50 === 0 ? 0 : below(12_000))
  for (let j = 0; j < body.length; j++) body[j] = below(256)
  writeFileSync(path, body)
  if (i % 11 === 0) chmodSync(path, 0o755)
  utimesSync(path, 1_600_000_000 + i, 1_600_000_000 + i)
}

/**
 * Random changes of a directory: `random-changes.ts DIRECTORY SEED COUNT [ERRNO ...]`. Few names, so that they meet.
 * Errors that a filesystem may answer while others change it too (gone, there already, not empty, a directory,
 * offline), and those that are named, are part of life; anything else ends the run.
 */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { random } from "./random.ts"

const [root, seed, count, ...tolerated] = process.argv.slice(2) as [string, string, string, ...Array<string>]
const below = random(Number(seed))
const pick = <A>(values: ReadonlyArray<A>): A => values[below(values.length)]!

const names = ["a", "b", "c.txt", "D", "é"]
const path = (): string => join(root, ...Array.from({ length: 1 + below(3) }, () => pick(names)))
const text = (i: number): string => `${seed}.${i} `.repeat(1 + below(400))

const remove = (target: string): void => {
  if (!statSync(target).isDirectory()) return unlinkSync(target)
  if (below(3) === 0) for (const name of readdirSync(target)) remove(join(target, name))
  rmdirSync(target)
}

const actions: ReadonlyArray<(i: number) => void> = [
  (i) => writeFileSync(path(), text(i)),
  (i) => writeFileSync(path(), text(i)),
  (i) => appendFileSync(path(), text(i)),
  (i) => {
    const target = path()
    writeFileSync(`${target}.new`, text(i))
    renameSync(`${target}.new`, target)
  },
  () => mkdirSync(path()),
  () => mkdirSync(path(), { recursive: true }),
  () => renameSync(path(), path()),
  () => renameSync(path(), path()),
  () => remove(path()),
  () => truncateSync(path(), below(100))
]

const expected = new Set([
  "ENOENT",
  "EEXIST",
  "ENOTDIR",
  "EISDIR",
  "ENOTEMPTY",
  "EINVAL",
  "EBUSY",
  "ESTALE",
  "EPERM",
  ...tolerated
])

for (let i = 0; i < Number(count); i++) {
  try {
    pick(actions)(i)
  } catch (cause) {
    if (!expected.has((cause as NodeJS.ErrnoException).code ?? "")) throw cause
  }
}

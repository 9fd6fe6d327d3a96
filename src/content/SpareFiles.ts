/**
 * Empty backing files made ahead of need, in `<directory>/spare/`. A new inode is the dearest part of creating
 * a file (ext4: 20 µs in a fresh folder, 1 ms after many deletions), and it can be made while nobody waits, off the
 * JavaScript thread. The first need starts the making, so that a mount nobody writes to has none, and a burst of needs
 * delays it: handing the work over takes this thread longer than a file in a fresh folder.
 *
 * They survive a restart; after a crash one may be under a body's name already, where recovery finds it.
 */
import * as fs from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Queue, type Scope } from "effect"
import { supervise } from "../lifecycle/supervise.ts"
import { makePrivateDirectory } from "../platform/Directories.ts"
import type { ContentError } from "./ContentError.ts"
import { attempt, attemptPromise } from "./errors.ts"

export interface SpareFiles {
  /** Moves a spare file to a path where there is none; without one at hand nothing happens. */
  readonly take: (path: string) => void
}

/** So many are kept, made again when half of them are used. */
const capacity = 1_024
/** None are made until nobody needed one for so long, in milliseconds. */
const quiet = 100

export const makeSpareFiles = Effect.fnUntraced(function* (
  directory: string
): Effect.fn.Return<SpareFiles, ContentError, Scope.Scope> {
  const folder = join(directory, "spare")
  const paths = yield* attempt(`use ${folder}`, () => {
    makePrivateDirectory(folder)
    return emptyFiles(folder)
  })
  let last = Math.max(0, ...fs.readdirSync(folder).map(Number).filter(Number.isSafeInteger))
  const needed = yield* Queue.sliding<void>(1)

  const makeOne = Effect.gen(function* () {
    const path = join(folder, String(++last))
    yield* attemptPromise(`create ${path}`, () => open(path, "wx", 0o600).then((file) => file.close()))
    paths.push(path)
  })
  let taken = 0
  const idle = Effect.gen(function* () {
    for (let before = -1; before !== taken;) {
      before = taken
      yield* Effect.sleep(quiet)
    }
  })
  const refill = Effect.gen(function* () {
    yield* Queue.take(needed)
    yield* idle
    while (paths.length < capacity) yield* makeOne
  })
  // Where none can be made, files are created when they are needed, and that tells who needs them.
  const refillOrNot = Effect.catch(refill, (error) => Effect.logDebug(`no spare files: ${error.message}`))
  yield* supervise({ name: "spare files", owner: "ContentStore" }, Effect.forever(refillOrNot))

  const take = (path: string): void => {
    taken++
    const spare = paths.pop()
    if (paths.length < capacity / 2) Queue.offerUnsafe(needed, undefined)
    if (spare === undefined) return
    try {
      fs.renameSync(spare, path)
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause)) throw cause
      // Somebody cleared the folder, or the disk is full: whoever opens the path makes the file or says why not.
    }
  }
  return { take }
})

/** What an earlier run left; anything that is not an empty file of ours is nobody's. */
const emptyFiles = (folder: string): Array<string> =>
  fs.readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (!/^[1-9][0-9]*$/.test(name) || fs.statSync(path).size !== 0) return []
    return [path]
  })

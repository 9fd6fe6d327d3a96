/** Mounts of other programs, and looking into them. */
import { mkdirSync, readFileSync } from "node:fs"
import { Effect } from "effect"
import { background, eventually, run } from "./clients.ts"

const isMounted = (path: string): boolean => readFileSync("/proc/self/mountinfo", "utf8").includes(` ${path} `)

/** A mount of somebody's, as a process; unmounted and ended with the scope. */
export const mounted = Effect.fnUntraced(function* (
  path: string,
  command: string,
  args: ReadonlyArray<string>,
  env: Record<string, string>
) {
  mkdirSync(path)
  const { output } = yield* background(command, args, env)
  yield* Effect.addFinalizer(() =>
    Effect.when(
      run("fusermount3", ["-u", "-z", path], {}),
      Effect.sync(() => isMounted(path))
    )
  )
  yield* eventually(Effect.sync(() => isMounted(path))).pipe(
    Effect.tapError(() => Effect.sync(() => process.stdout.write(output.text)))
  )
})

// What touches a mount must not be this process, which serves the drive behind it.
export const text = (path: string) => Effect.map(run("cat", [path], {}), ({ stdout }) => stdout)
export const shows = (path: string, expected: string) =>
  eventually(Effect.map(text(path), (stdout) => stdout === expected))
export const gone = (path: string) =>
  eventually(Effect.map(run("test", ["!", "-e", path], {}), ({ code }) => code === 0))
export const write = (path: string, content: string) => run("sh", ["-c", `printf '%s' "$1" > "$0"`, path, content], {})

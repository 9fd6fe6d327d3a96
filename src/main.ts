#!/usr/bin/env node
/**
 * Launcher. The program needs Node >= 22.19 (Effect's Node layer, node:sqlite); this file needs nothing and runs on
 * any Node >= 18, so that `node dist/main.js` works with the system's Node: a vendored runtime takes over when the
 * one that was started is too old.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import * as module from "node:module"
import { constants } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const vendoredNode = (): string | undefined => {
  const linked = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url))
  if (existsSync(linked)) return linked
  try {
    // Without a .bin folder (global installs, other package managers) the platform package still resolves.
    return module.createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`)
  } catch {
    return undefined
  }
}

/** Same arguments, same terminal, same end: signals go down, the exit status comes up. */
const relaunch = (node: string): void => {
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], { stdio: "inherit" })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal))
  child.on("error", (error) => {
    process.stderr.write(`onemount: cannot start ${node}: ${error.message}\n`)
    process.exit(1)
  })
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
}

/** node:sqlite announces itself as experimental on Node 22; that is not the user's concern. Other warnings stay. */
const silenceSqliteNotice = (): void => {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = ((warning: string | Error, ...rest: ReadonlyArray<never>) => {
    if (!String(warning).startsWith("SQLite is an experimental feature")) emit(warning, ...rest)
  }) as typeof process.emitWarning
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major > 22 || (major === 22 && minor >= 19)) {
  silenceSqliteNotice()
  // Parsed code is kept between runs, a third of the start of short commands, once a mount has made a cache.
  const { cacheDirectory } = await import("./platform/Paths.ts")
  const cache = cacheDirectory(process.env)
  if (existsSync(cache)) module.enableCompileCache(join(cache, "compiled"))
  const { run } = await import("./cli/main.ts")
  run(process.argv.slice(2))
} else {
  const node = vendoredNode()
  if (node === undefined) {
    process.stderr.write(
      `onemount: Node >= 22.19 is needed and this is ${process.version}; the bundled one is missing. Run \`npm ci\` ` +
        `in ${fileURLToPath(new URL("..", import.meta.url))}, or start onemount with a newer Node.\n`
    )
    process.exit(1)
  }
  relaunch(node)
}

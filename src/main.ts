#!/usr/bin/env node
// Dependency-free launcher: Effect 4's Node layer needs Node >= 22.19.
import { existsSync } from "node:fs"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major > 22 || (major === 22 && minor >= 19)) {
  await import("./cli.ts")
} else {
  const vendored = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url))
  if (!existsSync(vendored)) {
    console.error(`needs Node >= 22.19 (found ${process.version})`)
    process.exit(1)
  }
  const child = spawn(vendored, process.argv.slice(1), { stdio: "inherit" })
  for (const s of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(s, () => child.kill(s))
  child.on("exit", (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    } else process.exit(code ?? 1)
  })
}

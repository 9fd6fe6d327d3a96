// Replaces tsc with Effect's build of the same TypeScript version, which adds the Effect diagnostics.
// Platform packages are used directly because the wrapper package breaks `npm ci`; elsewhere plain tsc stays.
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs"

const installed = "node_modules/typescript/package.json"
if (existsSync(installed)) {
  const { version } = JSON.parse(readFileSync(installed, "utf8"))
  const arch = process.arch
  const source = `node_modules/@effect/tsgo-linux-${arch}/artifacts/typescript/${version}/tsc`
  const target = `node_modules/@typescript/typescript-linux-${arch}/lib/tsc`
  if (existsSync(source) && existsSync(target)) {
    rmSync(target)
    copyFileSync(source, target)
    console.log(`Effect diagnostics enabled in tsc ${version}`)
  }
}

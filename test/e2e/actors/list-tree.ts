/** Prints every entry below a directory as `["/path", "size quickXorHash"]` or `["/path/", ""]`, one JSON line each. */
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs"
import { join } from "node:path"
import { QuickXorHash } from "../../../src/platform/QuickXorHash.ts"

const root = process.argv[2]!
const buffer = Buffer.allocUnsafe(1024 * 1024)

const hashOf = (path: string): string => {
  const hash = new QuickXorHash()
  const fd = openSync(path, "r")
  for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) hash.update(buffer.subarray(0, read))
  closeSync(fd)
  return hash.digestBase64()
}

const walk = (relative: string): void => {
  for (const entry of readdirSync(join(root, relative), { withFileTypes: true })) {
    const path = `${relative}/${entry.name}`
    if (entry.isDirectory()) {
      console.log(JSON.stringify([`${path}/`, ""]))
      walk(path)
    } else {
      const full = join(root, path)
      console.log(JSON.stringify([path, `${statSync(full).size} ${hashOf(full)}`]))
    }
  }
}

walk("")

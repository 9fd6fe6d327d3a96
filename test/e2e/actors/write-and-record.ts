/**
 * Writes files without end into a directory and records each in a manifest outside of it, only after its close (or
 * fsync) returned: `write-and-record.ts DIRECTORY MANIFEST SEED`. Overwrites, appends and renames earlier files too.
 * Ends with the first I/O error: the filesystem was killed.
 */
import { createHash } from "node:crypto"
import { appendFileSync, closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs"
import { join } from "node:path"
import { random } from "./random.ts"

const [directory, manifest, seed] = process.argv.slice(2) as [string, string, string]
const below = random(Number(seed))

const body = (): Buffer => {
  const bytes = Buffer.alloc(below(5) === 0 ? 200_000 + below(600_000) : below(20_000))
  for (let i = 0; i < bytes.length; i += 4)
    bytes.writeUInt32LE(below(0x7fffffff), Math.min(i, Math.max(0, bytes.length - 4)))
  return bytes
}

/** Before a file is touched its old state stops being promised; after its close the new one is. */
const record = (kind: "touching" | "closed", path: string, bytes?: Buffer) =>
  appendFileSync(
    manifest,
    `${JSON.stringify({ kind, path, size: bytes?.length, sha256: bytes && createHash("sha256").update(bytes).digest("hex") })}\n`
  )

try {
  for (let i = 0; ; i++) {
    const name = `s${seed}-${below(30)}.bin`
    const bytes = body()
    record("touching", name)
    if (below(3) === 0) {
      const temporary = `tmp-${seed}-${i}`
      const fd = openSync(join(directory, temporary), "w")
      writeSync(fd, bytes)
      fsyncSync(fd)
      closeSync(fd)
      renameSync(join(directory, temporary), join(directory, name))
    } else {
      const fd = openSync(join(directory, name), "w")
      for (let at = 0; at < bytes.length; at += 65_536) writeSync(fd, bytes, at, Math.min(65_536, bytes.length - at))
      if (below(4) === 0) fsyncSync(fd)
      closeSync(fd)
    }
    record("closed", name, bytes)
  }
} catch (cause) {
  const code = (cause as NodeJS.ErrnoException).code ?? ""
  if (!["ENOTCONN", "EIO", "ECONNABORTED", "ENODEV", "ENOENT", "EBUSY", "EROFS", "ESHUTDOWN"].includes(code))
    throw cause
}

/**
 * Writes a large file from its beginning and fsyncs after every 4 MiB; records in a manifest outside of the mount, only
 * after each fsync returned, how many bytes there are and their SHA-256: `write-and-fsync.ts FILE MANIFEST SEED MIB`.
 * After the first fsync it waits until there is a file `MANIFEST.go`. An fsync that fails ends it: the filesystem was
 * killed. What the kernel writes by itself goes on a little after that.
 */
import { createHash } from "node:crypto"
import { appendFileSync, closeSync, constants, existsSync, fsyncSync, openSync, writeSync } from "node:fs"
import { setTimeout } from "node:timers/promises"

const [file, manifest, seed, mebibytes] = process.argv.slice(2) as [string, string, string, string]
const block = 1024 * 1024
const blocksPerSync = 4

const blockOf = (at: number): Buffer => Buffer.alloc(block, createHash("sha256").update(`${seed} ${at}`).digest())

const hash = createHash("sha256")
const fd = openSync(file, constants.O_CREAT | constants.O_WRONLY)
try {
  for (let at = 0; at < Number(mebibytes); at++) {
    const bytes = blockOf(at)
    for (let done = 0; done < block;) done += writeSync(fd, bytes, done, block - done, at * block + done)
    hash.update(bytes)
    if ((at + 1) % blocksPerSync !== 0) continue
    fsyncSync(fd)
    const line = { length: (at + 1) * block, sha256: hash.copy().digest("hex") }
    appendFileSync(manifest, `${JSON.stringify(line)}\n`)
    // Asks again until the test goes on: nothing tells when another process made a file.
    while (!existsSync(`${manifest}.go`)) await setTimeout(5)
  }
  closeSync(fd)
} catch (cause) {
  const code = (cause as NodeJS.ErrnoException).code ?? ""
  if (!["ENOTCONN", "EIO", "ECONNABORTED", "ENODEV"].includes(code)) throw cause
}

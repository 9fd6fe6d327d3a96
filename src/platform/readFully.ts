/** Reading a file through its descriptor, whoever moves its path meanwhile. */
import { readSync } from "node:fs"

/** Fills `bytes` from `position` on; returns how many there were, fewer only at the end. Throws what read(2) reports. */
export const readFully = (fd: number, bytes: Uint8Array, position: number): number => {
  let done = 0
  while (done < bytes.length) {
    const count = readSync(fd, bytes, done, bytes.length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}

/**
 * Saves a file the way editors do, by the system calls they make: `vim` (probe file, backup by rename, new file,
 * fsync, backup removed), `libreoffice` (lock file, temporary sibling, rename over), `gedit` (.goutputstream).
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { basename, dirname, join } from "node:path"

const [editor, path, text] = process.argv.slice(2) as [string, string, string]
const sibling = (name: string) => join(dirname(path), name)

const write = (target: string, flags: string) => {
  const fd = openSync(target, flags, statSync(path, { throwIfNoEntry: false })?.mode ?? 0o644)
  writeSync(fd, text)
  fsyncSync(fd)
  closeSync(fd)
}

switch (editor) {
  case "vim": {
    const swap = sibling(`.${basename(path)}.swp`)
    writeFileSync(swap, "b0VIM")
    const probe = sibling("4913")
    closeSync(openSync(probe, "wx"))
    unlinkSync(probe)
    renameSync(path, `${path}~`)
    write(path, "wx")
    unlinkSync(`${path}~`)
    unlinkSync(swap)
    break
  }
  case "libreoffice": {
    const lock = sibling(`.~lock.${basename(path)}#`)
    writeFileSync(lock, ",user,host,now;")
    const temporary = sibling("lu1234abcd.tmp")
    write(temporary, "wx")
    renameSync(temporary, path)
    unlinkSync(lock)
    break
  }
  case "gedit": {
    const temporary = sibling(".goutputstream-AB12CD")
    write(temporary, "wx")
    renameSync(temporary, path)
    break
  }
  default:
    throw new Error(`unknown editor ${editor}`)
}

if (readFileSync(path, "utf8") !== text) throw new Error(`${editor}: read back something else`)

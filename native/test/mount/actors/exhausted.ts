/**
 * Mounts, opens files until no descriptor is left, and tells how a further mount and the unmount go:
 * `exhausted.ts MOUNTPOINT OTHER`.
 */
import { openSync } from "node:fs"
import { ContentTable, FuseError, Session } from "../../../src/index.ts"

const [mountpoint = "", other = ""] = process.argv.slice(2)

const codeOf = (act: () => unknown): string => {
  try {
    act()
    return "none"
  } catch (error) {
    if (error instanceof FuseError) return error.code
    throw error
  }
}

const contents = ContentTable.create(() => undefined)
const mount = (folder: string): Session => {
  const session: Session = Session.mount({ mountpoint: folder, fsName: "full", subtype: "full" }, contents, () => {
    for (const request of session.take()) if ("id" in request) session.replyError(request.id, 38)
  })
  return session
}
const session = mount(mountpoint)
// What is asked of the kernel at first needs descriptors of its own.
while (session.features === undefined) await new Promise((resolve) => setImmediate(resolve))
// Before the last one is gone: streams are opened when they are first used.
console.log("mounted")
const taken: Array<number> = []
try {
  while (true) taken.push(openSync("/dev/null", "r"))
} catch {
  console.log(codeOf(() => mount(other)))
}
const { outcome, reason } = await session.unmount({ deadline: 2000 })
console.log(outcome, reason)
contents.dispose()

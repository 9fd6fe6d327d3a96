/**
 * Mounts, lets one process wait for an answer and another one stand in the mount, brings the session into a phase, and
 * ends: `ending.ts MOUNTPOINT PHASE HOW`. With `terminate` all that happens in a worker thread.
 */
import { spawn } from "node:child_process"
import { EventEmitter, once } from "node:events"
import { Worker, isMainThread, workerData } from "node:worker_threads"
import { ContentTable, Session } from "../../../src/index.ts"
import type { Attr, Request } from "../../../src/index.ts"

const [mountpoint = "", phase, how]: ReadonlyArray<string> = isMainThread ? process.argv.slice(2) : workerData

const time = { sec: 1, nsec: 0 }
const root: Attr = {
  ino: 1,
  size: 0,
  blocks: 0,
  atime: time,
  mtime: time,
  ctime: time,
  mode: 0o040755,
  nlink: 2,
  uid: 0,
  gid: 0,
  rdev: 0,
  blksize: 4096
}

const serve = async (): Promise<void> => {
  const seen = new EventEmitter()
  const looked = once(seen, "lookup")
  const contents = ContentTable.create(() => undefined)
  const answer = (request: Request): void => {
    if (request.op === "getattr") session.replyAttr(request.id, root, 100)
    // Never answered.
    else if (request.op === "lookup") seen.emit("lookup")
    else if ("id" in request) session.replyError(request.id, 38)
  }
  const session = Session.mount({ mountpoint, fsName: "ending", subtype: "ending" }, contents, () => {
    for (const request of session.take()) answer(request)
  })
  // Stands in the mount until its standard input ends with us, so that no plain unmount succeeds.
  const script = `import os, sys\nos.chdir(${JSON.stringify(mountpoint)})\nprint('in', flush=True)\nsys.stdin.read()`
  const holder = spawn("python3", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] })
  await once(holder.stdout, "data")
  spawn("cat", [`${mountpoint}/never`], { stdio: "ignore" })
  await looked
  await bring(session)
}

const bring = async (session: Session): Promise<void> => {
  if (phase === "draining") void session.shutdown({ drain: 60_000, unmount: 60_000 })
  if (phase === "unmounting") {
    await new Promise<void>((resolve) => {
      const onEvent = (event: { readonly type: string }): void => (event.type === "phase" ? resolve() : undefined)
      void session.shutdown({ unmount: 60_000, onEvent })
    })
  }
  if (phase === "closed") await session.shutdown({ force: true })
  if (session.phase !== phase) throw new Error(`${session.phase} instead of ${phase}`)
}

const worker = async (): Promise<void> => {
  const thread = new Worker(new URL(import.meta.url), { workerData: process.argv.slice(2), stdout: true })
  await once(thread.stdout, "data")
  await thread.terminate()
  console.log("terminated")
}

const main = async (): Promise<void> => {
  if (how === "terminate" && isMainThread) return worker()
  await serve()
  if (how === "exit") process.exit(7)
  if (how === "rejection") void Promise.reject(new Error("nobody cares"))
  if (how === "throw")
    setImmediate(() => {
      throw new Error("nobody catches")
    })
  if (!isMainThread) process.stdout.write("ready")
  // Not ended by having nothing to do.
  setInterval(() => undefined, 1000)
}

await main()

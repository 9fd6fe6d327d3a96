/**
 * Counts what the kernel asks of one mount, through its own tracepoint (tracefs, fuse:fuse_request_send): the proof that
 * two servers did equal work. In a tracing instance of its own, so that nobody else's tracing is touched.
 */
import { existsSync } from "node:fs"
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { exec } from "../subjects.ts"

export interface Counter {
  /** Requests by name (LOOKUP, GETATTR, ...) while `work` ran. */
  during(mountpoint: string, work: () => Promise<unknown>): Promise<ReadonlyMap<string, number>>
  stop(): Promise<void>
}

const bufferKilobytes = "8192"

/** The device number by which the kernel knows the connection (mountinfo's third field, "0:minor"). */
const connectionOf = async (mountpoint: string): Promise<string> => {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").map((line) => line.split(" "))
  const minor = lines.find((fields) => fields[4] === mountpoint)?.[2]?.split(":")[1]
  if (minor === undefined) throw new Error(`${mountpoint} is not mounted`)
  return minor
}

/** Undefined where the kernel has no such tracepoint or does not let us look. */
export const counter = async (folder: string): Promise<Counter | undefined> => {
  const tracing = join(folder, "tracing")
  await mkdir(tracing)
  try {
    await exec("mount", ["-t", "tracefs", "nodev", tracing])
  } catch {
    return undefined
  }
  const unmount = async () => void (await exec("umount", [tracing]))
  const instance = join(tracing, "instances", `onemount-bench-${process.pid}`)
  const event = join(instance, "events/fuse/fuse_request_send")
  const stop = async () => {
    await rmdir(instance)
    await unmount()
  }
  try {
    await mkdir(instance)
  } catch {
    await unmount()
    return undefined
  }
  if (!existsSync(event)) {
    await stop()
    return undefined
  }
  await writeFile(join(instance, "buffer_size_kb"), bufferKilobytes)
  const during: Counter["during"] = async (mountpoint, work) => {
    await writeFile(join(event, "filter"), `connection == ${await connectionOf(mountpoint)}`)
    await writeFile(join(instance, "trace"), "")
    await writeFile(join(event, "enable"), "1")
    await work()
    await writeFile(join(event, "enable"), "0")
    const counts = new Map<string, number>()
    for (const [, name] of (await readFile(join(instance, "trace"), "utf8")).matchAll(/\(FUSE_(\w+)\)/g)) {
      if (name !== undefined && name !== "FORGET" && name !== "BATCH_FORGET")
        counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    return counts
  }
  return { during, stop }
}

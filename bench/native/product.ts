/**
 * Create, write 4 KiB and close through the product's mount, its journal included: the mounted drive is served by another
 * process, and what is created goes on being uploaded to it meanwhile.
 */
import { spawn } from "node:child_process"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { output } from "../report.ts"
import { program, type Server, serving, start } from "../subjects.ts"
import type { Mounted } from "./subjects.ts"

const listenLimit = 15_000
const settleLimit = 120

const listening = ({ ended, log, process }: Server): Promise<string> =>
  new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the drive does not listen:\n${log()}`)), listenLimit)
    const look = () => {
      const address = /^listening (http:\S+)/m.exec(log())?.[1]
      if (address === undefined) return
      clearTimeout(late)
      process.stdout?.off("data", look)
      resolve(address)
    }
    process.stdout?.on("data", look)
    void ended.then(() => {
      clearTimeout(late)
      reject(new Error(`the drive ended:\n${log()}`))
    })
  })

export interface Product extends Mounted {
  /** Waits until everything is uploaded. */
  settle(): Promise<void>
}

export const product = async (folder: string): Promise<Product> => {
  const directory = join(folder, "product")
  const drive = join(folder, "drive")
  await mkdir(directory)
  const env = { ...process.env, XDG_RUNTIME_DIR: join(folder, "run"), XDG_CONFIG_HOME: join(folder, "config") }
  const served = start(process.execPath, [program, "serve", "--dir", drive, "--port", "0"], env)
  const stopDrive = async () => {
    served.process.kill("SIGTERM")
    await served.ended
  }
  try {
    const remote = ["--graph-url", `${await listening(served)}/v1.0`, "--token-file", join(drive, "token")]
    const mount = [program, "mount", ...remote, "--cache-dir", join(folder, "cache"), directory]
    const server = start(process.execPath, mount, env)
    const stopMount = await serving(server, directory, /^mounted /m)
    const sync = [program, "sync", "--wait", "--timeout", String(settleLimit), directory]
    return {
      name: "the product",
      directory,
      pid: server.process.pid,
      say: async () => "",
      settle: async () => void (await output(spawn(process.execPath, sync, { env }), "onemount sync --wait")),
      stop: async () => {
        await stopMount()
        await stopDrive()
      }
    }
  } catch (cause) {
    await stopDrive()
    throw cause
  }
}

/** Other people's clients as child processes, and the drive they are pointed at. */
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { quickXorHash } from "../../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../../src/graph-server/GraphServer.ts"

/** The first line of what a program says about its version; undefined when it is not installed. */
export const versionOf = (program: string, flag: string): string | undefined => {
  try {
    return execFileSync(program, [flag], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split("\n")[0]
  } catch {
    return undefined
  }
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; killed when the test is interrupted. */
export const run = (program: string, args: ReadonlyArray<string>, env: Record<string, string>) =>
  Effect.callback<Ran>((resume) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] })
    const output = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (chunk: string) => (output[name] += chunk))
    }
    child.on("error", ({ message }) => resume(Effect.succeed({ code: 127, stdout: "", stderr: message })))
    child.on("close", (code) => resume(Effect.succeed({ code, ...output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "onemount-interop-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** The drive behind TLS and proxy, and the environment that leads there. */
export const faces = Effect.gen(function* () {
  const tls = yield* GraphServer.serveTls()
  const proxy = yield* GraphServer.serveProxy(tls)
  const { authorityFile } = yield* GraphServer.DriveCertificates
  const { token } = yield* GraphServer.DriveTokens
  const env = { HTTPS_PROXY: proxy.url, https_proxy: proxy.url, SSL_CERT_FILE: authorityFile }
  return { env, token, authorityFile }
})

/** Says what worked as it goes, so that the output is the protocol of the run. */
export const stepsOf =
  (client: string) =>
  <A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.tap(effect, () => Effect.sync(() => process.stdout.write(`  ok  ${client}: ${name}\n`)))

/** Path, size and quickXorHash of every file below a folder of this machine, sorted. */
export const localFiles = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => {
      const bytes = readFileSync(join(folder, name))
      return `/${name} ${bytes.length} ${quickXorHash(bytes)}`
    })
    .sort()

/** The same of the drive, below a path. */
export const driveFiles = (path = "/") =>
  Effect.gen(function* () {
    const entries = yield* (yield* GraphServer.DriveAdmin).tree(path)
    const prefix = path === "/" ? "" : path
    return entries
      .filter(({ kind }) => kind === "file")
      .map((entry) => `${entry.path.slice(prefix.length)} ${entry.size} ${entry.hash}`)
      .sort()
  })

export const succeeded = (ran: Ran): Ran => {
  assert.strictEqual(ran.code, 0, `${ran.stderr}\n${ran.stdout}`)
  return ran
}

/** Other people's clients as child processes, and the drive they are pointed at. */
import { execFileSync, spawn } from "node:child_process"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { type Duration, Effect, Exit, Schedule } from "effect"
import { quickXorHash } from "../../../src/platform/QuickXorHash.ts"
import * as GraphServer from "../../../src/graph-server/GraphServer.ts"
import { record } from "./results.ts"

export { temporaryFolder } from "../api.ts"

/** The first line of what a program says about its version; undefined when it is not installed. */
export const versionOf = (program: string, flag: string): string | undefined => {
  try {
    return execFileSync(program, [flag], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
      .split("\n")[0]
      ?.trim()
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
  <A, E, R>(operation: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.onExit(effect, (exit) =>
      Effect.sync(() => {
        const outcome = Exit.isSuccess(exit) ? "pass" : "FAIL"
        process.stdout.write(`  ${outcome}  ${client}: ${operation}\n`)
        record({ client, operation, outcome })
      })
    )

/** Why a client's part of the suite is skipped. */
export const absent = (client: string, reason: string): void => {
  process.stdout.write(`  --  ${client} is absent: ${reason}\n`)
  record({ client, operation: reason, outcome: "absent" })
}

/** A program that goes on until the scope ends; then it gets SIGTERM, and ten seconds. */
export const background = (program: string, args: ReadonlyArray<string>, env: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] })
      const output = { text: "" }
      for (const name of ["stdout", "stderr"] as const) {
        child[name].setEncoding("utf8").on("data", (chunk: string) => (output.text += chunk))
      }
      const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
      child.on("error", ({ message }) => (output.text += message))
      return { child, output, ended }
    }),
    ({ child, ended }) =>
      Effect.sync(() => child.kill("SIGTERM")).pipe(
        Effect.andThen(
          Effect.timeoutOption(
            Effect.promise(() => ended),
            "10 seconds"
          )
        ),
        Effect.andThen(Effect.sync(() => child.kill("SIGKILL")))
      )
  )

/** Until it is so; two minutes at most when nothing else is said. */
export const eventually = <E, R>(check: Effect.Effect<boolean, E, R>, limit: Duration.Input = "2 minutes") =>
  Effect.repeat(check, { until: (seen: boolean) => seen, schedule: Schedule.spaced("200 millis") }).pipe(
    Effect.timeout(limit)
  )

/** A remote "od:" that knows nothing but drive and token; an expired one, so that it has to refresh first. */
export const rcloneConfig = (driveId: string, kind: GraphServer.DriveKind, token: string): string => {
  const tokens = { access_token: "stale", token_type: "Bearer", refresh_token: token, expiry: "2020-01-01T00:00:00Z" }
  const lines = ["[od]", "type = onedrive", "region = global", `drive_id = ${driveId}`, `drive_type = ${kind}`]
  return [...lines, `token = ${JSON.stringify(tokens)}`, ""].join("\n")
}

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

// `npm test [-- VITEST ARGUMENTS]`: sets up what is missing, then typecheck, lint, and the test projects one after the
// other (mounts and end-to-end runs disturb each other's timing). Prints one line of counts per project at the end.
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root, runMain, say, setup, SetupError, step } from "./setup.mjs"

const projects = ["unit", "mount", "e2e"]

const vitest = (project, report, extra) =>
  new Promise((done) => {
    const args = ["run", "--project", project, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`]
    const bin = join(root, "node_modules/.bin")
    const child = spawn(join(bin, "node"), [join(root, "node_modules/vitest/vitest.mjs"), ...args, ...extra], {
      cwd: root,
      stdio: "inherit",
      env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` }
    })
    child.on("error", () => done(127))
    child.on("exit", (code) => done(code ?? 1))
  })

const counts = (project, report, code) => {
  try {
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, "utf8"))
    return { line: `${project}: ${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`, code }
  } catch {
    return { line: `${project}: no report (vitest exit status ${code})`, code }
  }
}

runMain(async () => {
  await setup({ tests: true })
  await step("Checking types", "npm", ["run", "--silent", "check"])
  await step("Linting", "npm", ["run", "--silent", "lint"])
  const extra = process.argv.slice(2)
  const reports = mkdtempSync(join(tmpdir(), "onemount-reports-"))
  const results = []
  try {
    for (const project of projects) {
      say(`\nTests: ${project}`)
      const report = join(reports, `${project}.json`)
      results.push(counts(project, report, await vitest(project, report, ["--passWithNoTests", ...extra])))
    }
  } finally {
    rmSync(reports, { recursive: true, force: true })
  }
  say(`\n${results.map(({ line }) => line).join("\n")}`)
  if (results.some(({ code }) => code !== 0)) throw new SetupError("Tests failed.")
})

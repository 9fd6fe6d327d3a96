/** What worked with which client: collected from all files of a run, printed as a table at its end. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

interface Result {
  readonly client: string
  readonly operation: string
  readonly outcome: "pass" | "FAIL" | "absent"
}

const variable = "INTEROP_RESULTS"

/** Outside a run of the whole suite there is no table to add to. */
export const record = (result: Result): void => {
  const file = process.env[variable]
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(result)}\n`)
}

const print = (results: ReadonlyArray<Result>): void => {
  const clients = [...new Set(results.map(({ client }) => client))]
  const operations = [
    ...new Set(results.filter(({ outcome }) => outcome !== "absent").map((result) => result.operation))
  ]
  const cell = (operation: string, client: string): string => {
    const own = results.filter((result) => result.client === client)
    if (own.some(({ outcome }) => outcome === "absent")) return "absent"
    // A test that is run once more counts with its last outcome.
    return own.findLast((result) => result.operation === operation)?.outcome ?? ""
  }
  const width = Math.max(9, ...operations.map(({ length }) => length))
  const widths = clients.map((client) => Math.max(client.length, 6) + 2)
  const line = (first: string, cells: ReadonlyArray<string>) =>
    process.stdout.write(
      `  ${first.padEnd(width)}${cells.map((text, at) => `  ${text.padEnd(widths[at] ?? 0)}`).join("")}\n`
    )
  process.stdout.write("\n")
  line("operation", clients)
  for (const operation of operations)
    line(
      operation,
      clients.map((client) => cell(operation, client))
    )
  for (const { client, operation } of results.filter(({ outcome }) => outcome === "absent")) {
    process.stdout.write(`  ${client}: absent, ${operation}\n`)
  }
}

/** vitest's global setup: a file for the results, and what to do with it at the end. */
export const setup = (): (() => void) => {
  const folder = mkdtempSync(join(tmpdir(), "onemount-interop-results-"))
  const file = join(folder, "results")
  process.env[variable] = file
  appendFileSync(file, "")
  return () => {
    const lines = readFileSync(file, "utf8")
      .split("\n")
      .filter((text) => text !== "")
    print(lines.map((text) => JSON.parse(text) as Result))
    rmSync(folder, { recursive: true, force: true })
  }
}

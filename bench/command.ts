/** What every bench is as a command: its options, its end by a signal, a folder to work in, and what it prints. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { printTable, type Row } from "./report.ts"

export const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } }
})

const controller = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => controller.abort())
/** Ended by SIGINT and SIGTERM: the load stops, and so does everything that was started. */
export const interrupted = controller.signal

/**
 * Measures in a temporary folder and prints the rows, with `--json` for machines as well. `stop` ends what was started
 * there, whatever became of the measuring.
 */
export const bench = async (
  measure: (folder: string) => Promise<ReadonlyArray<Row>>,
  stop: () => Promise<void>
): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), "onemount-bench-"))
  try {
    const rows = await measure(folder)
    printTable(rows)
    if (options.json) console.log(JSON.stringify({ rows }))
  } catch (cause) {
    if (!interrupted.aborted) throw cause
    console.error("interrupted")
    process.exitCode = 130
  } finally {
    await stop()
    await rm(folder, { recursive: true, force: true })
  }
}

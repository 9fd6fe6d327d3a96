/** What every bench prints: a table of ratios, and rows for machines. */
import type { ChildProcess } from "node:child_process"

export interface Row {
  readonly name: string
  readonly ours: number
  readonly peer: number
  /** ours / peer; more is better. */
  readonly ratio: number
  /** The ratio we want; held when `ratio >= goal`. */
  readonly goal: number
}

export const median = (samples: ReadonlyArray<number>): number => {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}

const figure = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2))

export const printTable = (rows: ReadonlyArray<Row>): void => {
  const width = Math.max(...rows.map((row) => row.name.length))
  const line = (cells: ReadonlyArray<string>) =>
    console.log([cells[0]!.padEnd(width), ...cells.slice(1).map((cell) => cell.padStart(12))].join(" "))
  line(["workload / peer", "ours", "peer", "ratio", "goal", ""])
  for (const row of rows) {
    line([
      row.name,
      figure(row.ours),
      figure(row.peer),
      row.ratio.toFixed(2),
      row.goal.toFixed(2),
      row.ratio >= row.goal ? "" : "below goal"
    ])
  }
}

/** Standard output of a process that has to succeed. */
export const output = (child: ChildProcess, command: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let stdout = ""
    let stderr = ""
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk))
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk))
    child.on("error", reject)
    child.on("close", (code) =>
      code === 0 ? resolve(stdout) : reject(new Error(`${command} ended with ${code}: ${stderr || stdout}`))
    )
  })

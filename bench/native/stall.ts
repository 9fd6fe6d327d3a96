/**
 * The latency of a request that needs no decision while JavaScript has no time: stat, uncached, with the JavaScript
 * thread busy for 20 of every 40 ms. The 99th percentile against the same without.
 */
import { median, type Row } from "../report.ts"
import type { Mounted } from "./subjects.ts"

/** The slowest of a hundred may take three times as long. */
const goal = 1 / 3

export const stallRow = async (
  rounds: number,
  ours: Mounted,
  load: (...args: ReadonlyArray<string>) => Promise<ReadonlyArray<number>>,
  ms: number
): Promise<Row> => {
  const percentiles = { idle: [] as Array<number>, busy: [] as Array<number> }
  for (let round = 0; round < rounds; round++) {
    for (const state of ["idle", "busy"] as const) {
      await ours.say(state)
      const [, , , p99] = await load("stat", ours.directory, `ms=${ms}`, "files=100", "warm=1")
      percentiles[state].push(p99!)
    }
  }
  await ours.say("idle")
  const [idle, busy] = [median(percentiles.idle), median(percentiles.busy)]
  return { name: "stat p99 in us, JavaScript busy / idle", ours: busy, peer: idle, ratio: idle / busy, goal }
}

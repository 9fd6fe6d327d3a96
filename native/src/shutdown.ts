/** The end of a session in numbers and in words (cpp/core/shutdown_machine.h). */
import type { NativeReport } from "./binding.ts"
import type { Phase, UnmountReport } from "./types.ts"

const phases: ReadonlyArray<Phase> = ["running", "draining", "unmounting", "closed"]
const outcomes = ["graceful", "forced", "gone"] as const

export const phaseOf = (number: number): Phase => phases[number] ?? "closed"

export const reportOf = (report: NativeReport): UnmountReport => {
  const [outcome, draining, unmounting, closing, drained, abandoned, asked, reason] = report
  return {
    outcome: outcomes[outcome] ?? "forced",
    asked,
    reason,
    durationMs: draining + unmounting + closing,
    phases: { draining, unmounting, closing },
    drained: drained !== 0,
    abandoned
  }
}

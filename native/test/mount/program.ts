/** A program that uses a mount step by step, so that tests can look between its steps. */
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import type { Interface } from "node:readline"

const interpreter = `
import json, mmap, os, sys
scope = {"mmap": mmap, "os": os}
for line in sys.stdin:
    try:
        exec(json.loads(line), scope)
        print(json.dumps(scope.pop("result", None)))
    except OSError as error:
        print(json.dumps({"errno": error.errno}))
    sys.stdout.flush()
`

/** Python statements, one process, its variables kept from step to step. `result = ...` is what a step gives. */
export class Program {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #answers: AsyncIterator<string>

  constructor(folder: string) {
    this.#child = spawn("python3", ["-c", interpreter], { cwd: "/", stdio: ["pipe", "pipe", "inherit"] })
    if (this.#child.stdout === null) throw new Error("python3 has no output")
    this.#lines = createInterface({ input: this.#child.stdout })
    this.#answers = this.#lines[Symbol.asyncIterator]()
    this.#send(`folder = ${JSON.stringify(folder)}\npath = lambda name: folder + "/" + name`)
    this.#greeting = this.#answers.next()
  }

  readonly #greeting: Promise<IteratorResult<string>>

  /** Runs the statements; what failed with an OSError gives `{ errno }`. */
  async step(statements: string): Promise<unknown> {
    await this.#greeting
    this.#send(statements)
    const { done, value } = await this.#answers.next()
    if (done === true) throw new Error(`the program ended within: ${statements}`)
    return JSON.parse(value)
  }

  /** Ends the program with everything that it has open. */
  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const closed = once(this.#child, "close")
    this.#child.kill(signal)
    await closed
    this.#lines.close()
  }

  #send(statements: string): void {
    this.#child.stdin?.write(`${JSON.stringify(statements)}\n`)
  }
}

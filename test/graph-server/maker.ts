/** Makes further drives beside the one in argv[2], named from argv[3] on, and says which are done. Made to be killed. */
import { Console, Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"

const program = Effect.gen(function* () {
  const drives = yield* GraphServer.Drives
  for (let n = Number(process.argv[3]); ; n++) {
    yield* drives.add({ label: { name: `Drive ${n}`, owner: "ada@example.org" } })
    yield* Console.log(n)
  }
})

Effect.runFork(Effect.provide(program, GraphServer.layer({ dir: process.argv[2] ?? "" })))

/** Writes files into the drive in argv[2] for as long as it lives, and says which ones are done. Made to be killed. */
import { Console, Effect } from "effect"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"

const program = Effect.gen(function* () {
  const admin = yield* GraphServer.DriveAdmin
  for (let n = 0; ; n++) {
    yield* admin.putFile(`/file ${n}`, `content of file ${n}`.repeat(1 + (n % 500)))
    yield* admin.replace(`/file ${n}`, `second content of file ${n}`.repeat(1 + (n % 500)))
    yield* Console.log(n)
  }
})

Effect.runFork(Effect.provide(program, GraphServer.layer({ dir: process.argv[2] ?? "" })))

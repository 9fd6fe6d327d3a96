/** House rules a reader should not have to remember. Each exception is listed with its reason. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "..")

const filesBelow = (...folders: ReadonlyArray<string>): ReadonlyArray<string> =>
  folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => /\.(ts|mjs|cpp|h)$/.test(name) && !/(^|\/)(node_modules|dist|build)\//.test(name))
        .map((name) => join(root, folder, name))
    )

interface Rule {
  readonly name: string
  readonly pattern: RegExp
  readonly instead: string
  /** File to the reason why it may. */
  readonly except?: Readonly<Record<string, string>>
}

const rules: ReadonlyArray<Rule> = [
  {
    name: "reads the wall clock",
    pattern: /\bDate\.now\(|\bnew Date\(\)/,
    instead: "Clock, so that tests own the time"
  },
  { name: "draws random numbers", pattern: /\bMath\.random\(/, instead: "Random, so that runs can be repeated" },
  {
    name: "uses timers",
    pattern: /\b(setTimeout|setInterval|setImmediate)\(/,
    instead: "Effect.sleep and Schedule",
    except: { "src/lifecycle/lastResort.ts": "the script of a child process, which has no Effect" }
  },
  { name: "prints", pattern: /\bconsole\.\w+\(/, instead: "Effect.log, or Console in the command line" },
  { name: "gives up on types", pattern: /\bas any\b|:\s*any\b|<any>/, instead: "unknown and a schema" },
  { name: "silences the compiler", pattern: /@ts-(ignore|expect-error|nocheck)/, instead: "fix it" },
  {
    name: "imports a barrel that loads everything",
    pattern: /from "@effect\/platform-node"/,
    instead: "@effect/platform-node/NodeX"
  }
]

/** Where a reader starts; platform is a collection of leaves. */
const mainFiles: Readonly<Record<string, string>> = {
  app: "ending.ts",
  cli: "main.ts",
  config: "Config.ts",
  content: "ContentStore.ts",
  control: "Control.ts",
  desktop: "ServiceManager.ts",
  events: "Events.ts",
  filesystem: "Filesystem.ts",
  fuse: "FuseSession.ts",
  graph: "GraphClient.ts",
  "graph-server": "GraphServer.ts",
  lifecycle: "Lifecycle.ts",
  sync: "Sync.ts",
  transfer: "Transfers.ts",
  tree: "Tree.ts"
}

const strip = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "")

describe("src", () => {
  for (const { name, pattern, instead, except = {} } of rules) {
    it(`nothing ${name} (${instead})`, () => {
      const found = filesBelow("src")
        .map((file) => ({ file: relative(root, file), text: strip(readFileSync(file, "utf8")) }))
        .filter(({ file, text }) => pattern.test(text) && except[file] === undefined)
        .map(({ file }) => file)
      assert.deepStrictEqual(found, [])
    })
  }

  it("every folder's main file starts with the model and its assumptions", () => {
    const bare = Object.entries(mainFiles)
      .filter(([folder, file]) => !readFileSync(join(root, "src", folder, file), "utf8").startsWith("/**\n * "))
      .map(([folder]) => folder)
    assert.deepStrictEqual(bare, [])
    const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory())
    assert.deepStrictEqual(folders.map(({ name }) => name).sort(), [...Object.keys(mainFiles), "platform"].sort())
  })
})

/** A page or two: what does not fit has a second noun in it. */
const longest = 300

const longFiles: Readonly<Record<string, string>> = {
  "native/cpp/proof/storm_server.cpp": "a whole filesystem for the sanitizers, read as one",
  "native/src/types.ts": "the binding's whole vocabulary, one table of requests",
  "src/fuse/requests.ts": "one handler per request of the kernel, side by side"
}

describe("files", () => {
  it(`are at most ${longest} lines`, () => {
    const long = filesBelow("src", "native/src", "native/cpp", "scripts")
      .map((file) => ({ file: relative(root, file), lines: readFileSync(file, "utf8").split("\n").length - 1 }))
      .filter(({ file, lines }) => lines > longest && longFiles[file] === undefined)
      .map(({ file, lines }) => `${file}: ${lines}`)
    assert.deepStrictEqual(long, [])
  })

  it("every exception is still one", () => {
    const stale = Object.keys(longFiles).filter(
      (file) =>
        !existsSync(join(root, file)) || readFileSync(join(root, file), "utf8").split("\n").length - 1 <= longest
    )
    assert.deepStrictEqual(stale, [])
  })

  it("say nothing about how they were made", () => {
    // Reversed so that this file does not name them either.
    const names = ["edualc", "tpgtahc", "tolipoc", "ciporhtna", "ianepo", "derahs/krow/"]
    const pattern = new RegExp(names.map((name) => Array.from(name).toReversed().join("")).join("|"), "i")
    const found = filesBelow("src", "native", "test", "bench", "scripts", "docs")
      .filter((file) => pattern.test(readFileSync(file, "utf8")))
      .map((file) => relative(root, file))
    assert.deepStrictEqual(found, [])
  })
})

/** A folder imports only from folders below it (docs/architecture.md): the rule, checked on every import statement. */
import { readdirSync, readFileSync } from "node:fs"
import { join, relative, resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const source = join(import.meta.dirname, "../src")

/** From the leaf up. A folder may import from its own and every lower rank. */
const ranks: ReadonlyArray<ReadonlyArray<string>> = [
  ["platform"],
  ["config", "events"],
  ["lifecycle"],
  ["graph"],
  ["tree"],
  ["content"],
  ["transfer"],
  ["sync"],
  ["filesystem"],
  ["fuse"],
  ["control"],
  ["desktop"],
  ["app"],
  ["cli"],
  ["main"]
]

/** Beside the order: the embedded drive is another program that happens to live here. */
const graphServerUses = ["platform", "config", "events", "graph-server"]
const usesGraphServer = ["app", "cli", "graph-server"]

interface Import {
  readonly file: string
  readonly from: string
  readonly to: string
}

const folderOf = (file: string): string => (relative(source, file).split("/")[0] ?? "").replace(/\.ts$/, "")

const filesOf = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(directory, name))

/** Static and dynamic imports and re-exports of relative modules. */
export const relativeImports = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g), (match) => match[1] ?? "")

const imports: ReadonlyArray<Import> = filesOf(source).flatMap((file) =>
  relativeImports(readFileSync(file, "utf8")).map((target) => ({
    file: relative(source, file),
    from: folderOf(file),
    to: folderOf(resolve(file, "..", target))
  }))
)

const rankOf = (folder: string): number => ranks.findIndex((rank) => rank.includes(folder))

const allowed = ({ from, to }: Import): boolean => {
  if (to === "graph-server") return usesGraphServer.includes(from)
  if (from === "graph-server") return graphServerUses.includes(to)
  return from === to || rankOf(to) < rankOf(from)
}

describe("import direction", () => {
  it("finds the imports it is about", () => {
    assert.deepStrictEqual(relativeImports('import { a } from "./x.ts"\nexport * from "../y.ts"\nimport("./z.ts")'), [
      "./x.ts",
      "../y.ts",
      "./z.ts"
    ])
    assert.isAbove(imports.length, 100)
  })

  it("knows every folder", () => {
    const folders = new Set(imports.flatMap(({ from, to }) => [from, to]))
    const unknown = [...folders].filter((folder) => folder !== "graph-server" && rankOf(folder) === -1)
    assert.deepStrictEqual(unknown, [])
  })

  it("points downwards only", () => {
    const upward = imports.filter((one) => !allowed(one)).map(({ file, to }) => `${file} imports from ${to}`)
    assert.deepStrictEqual(upward, [])
  })
})

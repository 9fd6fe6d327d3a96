/** The documents name what the code has. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { generate, path } from "../../scripts/config-docs.ts"
import { exitCodes } from "../../src/cli/exit.ts"
import { onemount } from "../../src/cli/commands.ts"
import { byKey } from "../../src/config/options.ts"
import { Status } from "../../src/control/protocol.ts"

const root = join(import.meta.dirname, "../..")
const document = readFileSync(path, "utf8")
const section = (title: string): string => document.split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? ""

/** Code spans with the name of a configuration section and a dot. */
const keysIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/(?:`|--set )((?:graph|sync|upload|download|cache|mount|names|shutdown|log)\.[a-z]\w*)/g)].map(
    ([, key]) => key ?? ""
  )

const fieldsOf = (schema: unknown): ReadonlyArray<string> =>
  Object.entries((schema as { readonly fields?: Record<string, unknown> }).fields ?? {}).flatMap(([name, field]) => {
    const below = fieldsOf(field)
    return below.length === 0 ? [name] : below.map((inner) => `${name}.${inner}`)
  })

describe("docs/operations.md", () => {
  it("has its tables from the code: run `node scripts/config-docs.ts` when this fails", () => {
    assert.strictEqual(generate(document), document)
  })

  it("explains every field of status --json, and none that is not there", () => {
    const fields = fieldsOf(Status)
    const explained = [...section("Status").matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell]) =>
      [...(cell ?? "").matchAll(/`([\w.]+)`/g)].map(([, name]) => name ?? "")
    )
    assert.isAbove(fields.length, 15)
    assert.deepStrictEqual(explained.toSorted(), fields.toSorted())
  })

  it("names only configuration keys, commands and exit statuses that exist", () => {
    for (const file of ["docs/operations.md", "docs/SEMANTICS.md", "docs/architecture.md", "README.md"]) {
      const text = readFileSync(join(root, file), "utf8")
      // `cache.directory`, `cache.bytes`, ... of status have their own test.
      const prose = text.replace(section("Status"), "")
      assert.deepStrictEqual(
        keysIn(prose).filter((key) => !byKey.has(key)),
        [],
        file
      )
      const commands = [...text.matchAll(/onemount (mount|[a-z]+)(?= |`|$)/gm)].map(([, name]) => name ?? "")
      const known = onemount.subcommands.flatMap(({ commands: group }) => group.map(({ name }) => name))
      assert.deepStrictEqual(
        commands.filter((name) => !known.includes(name)),
        [],
        file
      )
    }
    const prevented = /RestartPreventExitStatus=(.+)/.exec(document)?.[1]?.split(" ").map(Number) ?? []
    assert.deepStrictEqual(prevented, [exitCodes.usage[0], exitCodes.mountpoint[0], exitCodes.signIn[0]])
  })
})

describe("docs/architecture.md", () => {
  it("has every folder of src in its table of layers", () => {
    const [, table = ""] = readFileSync(join(root, "docs/architecture.md"), "utf8").split("\n## Layers\n")
    const named = [...table.matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell]) =>
      [...(cell ?? "").matchAll(/`([\w-]+(?:\.ts)?)`/g)].map(([, name]) => name ?? "")
    )
    assert.deepStrictEqual(named.toSorted(), readdirSync(join(root, "src")).toSorted())
  })
})

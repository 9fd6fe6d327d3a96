/**
 * The tables of docs/operations.md that come from the code: configuration keys and exit statuses. Prints nothing and
 * writes the document anew; test/docs fails when that would change it.
 *
 *     node scripts/config-docs.ts
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { exitCodes } from "../src/cli/exit.ts"
import { entries } from "../src/config/options.ts"

export const path = join(import.meta.dirname, "../docs/operations.md")

const cell = (text: string): string => text.replaceAll("|", "\\|")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n")

const code = (text: string): string => (text === "" ? "" : `\`${text}\``)

const tables: Readonly<Record<string, string>> = {
  configuration: table(
    ["key", "default", "accepts", "meaning"],
    entries.map(([key, { default: standard, doc, expected, reload, show }]) => [
      `${code(key)}${reload ? " *" : ""}`,
      code(show(standard)),
      expected,
      doc
    ])
  ),
  "exit statuses": table(
    ["status", "meaning"],
    Object.values(exitCodes).map(([status, meaning]) => [String(status), meaning])
  )
}

/** The document with its generated parts as the code has them; a part is between its comment and the next one. */
export const generate = (document: string): string =>
  Object.entries(tables).reduce((text, [name, body]) => {
    const part = new RegExp(`(<!-- generated: ${name} -->)[^]*?(<!-- end -->)`)
    if (!part.test(text)) throw new Error(`docs/operations.md has no part \`<!-- generated: ${name} -->\``)
    return text.replace(part, (_, start: string, end: string) => `${start}\n\n${body}\n\n${end}`)
  }, document)

if (process.argv[1] === import.meta.filename) writeFileSync(path, generate(readFileSync(path, "utf8")))

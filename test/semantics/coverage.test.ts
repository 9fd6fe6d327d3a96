/** Every sentence of docs/SEMANTICS.md has an id and a test, and every test of an id has a sentence. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, test } from "vitest"
import { elsewhere } from "./elsewhere.ts"

const repository = join(import.meta.dirname, "../..")
const text = (path: string): string => readFileSync(join(repository, path), "utf8")

const document = text("docs/SEMANTICS.md")
const sentences = [...document.matchAll(/^(?:- \*\*|\| )([A-Z]\d+)(?:\*\*| \|)/gm)].map(([, id]) => id ?? "")

const tests = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".test.ts"))
  .flatMap((file) => [...text(`test/semantics/${file}`).matchAll(/^\s+test(?:\.fails)?\("([A-Z]\d+): /gm)])
  .map(([, id]) => id ?? "")

const tested = new Set([...tests, ...Object.keys(elsewhere)])

describe("docs/SEMANTICS.md", () => {
  test("gives every bullet and table row an id, and no id twice", () => {
    const body = document.slice(document.indexOf("\n## "))
    const bare = body
      .split("\n")
      .filter((line) => /^(- |\|)/.test(line) && !/^(- \*\*[A-Z]\d+\*\* |\| ([A-Z]\d+|id|---) \|)/.test(line))
    assert.deepStrictEqual(bare, [])
    assert.isAbove(sentences.length, 80)
    assert.deepStrictEqual(
      sentences.filter((id, index) => sentences.indexOf(id) !== index),
      []
    )
  })

  test("says nothing that has no test", () => {
    assert.deepStrictEqual(
      sentences.filter((id) => !tested.has(id)),
      []
    )
  })

  test("says everything that is tested", () => {
    assert.deepStrictEqual(
      [...tested].filter((id) => !sentences.includes(id)),
      []
    )
  })

  for (const [id, references] of Object.entries(elsewhere)) {
    test(`${id} is held by tests that exist`, () => {
      assert.isNotEmpty(references)
      assert.deepStrictEqual(
        references.filter(({ file, name }) => !text(file).includes(JSON.stringify(name))),
        []
      )
    })
  }
})

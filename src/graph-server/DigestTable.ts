/** Digests of contents, as rows know them: those made on arrival, and those worked out when somebody asked. */
import type { Database } from "../platform/Sqlite.ts"
import type { DigestName, Digests } from "./ContentHash.ts"

export type DigestTable = ReturnType<typeof makeDigestTable>

const none: Digests = { sha256: null, sha1: null }

/** `names` are those that this drive makes; one that makes none shows none. */
export const makeDigestTable = (db: Database, names: ReadonlyArray<DigestName>) => {
  const read = db.prepare<Digests>("SELECT sha256, sha1 FROM contents WHERE id = ?")
  const write = db.prepare("UPDATE contents SET sha256 = ?, sha1 = ? WHERE id = ?")

  const of = (content: number): Digests => (names.length === 0 ? none : (read.get(content) ?? none))

  return {
    of,
    /** Whether the drive makes a digest that it does not know of this content. */
    lacks: (content: number): boolean => {
      const known = of(content)
      return names.some((name) => known[name] === null)
    },
    remember: (content: number, { sha256, sha1 }: Digests): void => void write.run(sha256, sha1, content)
  }
}

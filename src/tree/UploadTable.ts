/** Prepared statements over what is being sent, and over what may have arrived of files that are gone here. */
import type { ItemId } from "../graph/DriveItem.ts"
import type { Database } from "../platform/Sqlite.ts"
import { Ino } from "./Item.ts"
import type { Stray, UploadProgress } from "./Journal.ts"

export interface UploadTable {
  upload(ino: Ino): UploadProgress | undefined
  saveUpload(progress: UploadProgress): void
  /** Also when it is a stray. */
  dropUpload(ino: Ino): void
  /** The item goes, and what may have arrived of it as a new file is a stray. */
  strand(ino: Ino): void
  strays(): ReadonlyArray<Stray>
}

interface UploadColumns {
  readonly ino: number
  readonly generation: number
  readonly url: string
  readonly expires: number
  readonly hash: string
  readonly size: number
  readonly parent: string | null
  readonly name: string | null
}

const placeOf = ({ name, parent }: Pick<UploadColumns, "name" | "parent">) =>
  parent === null || name === null ? null : { parent: parent as ItemId, name }

export const makeUploadTable = (db: Database): UploadTable => {
  const get = db.prepare<UploadColumns>("SELECT * FROM uploads WHERE ino = ?")
  const save = db.prepare("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
  const drop = db.prepare("DELETE FROM uploads WHERE ino = ?")
  const dropStray = db.prepare("DELETE FROM strays WHERE ino = ?")
  const strand = db.prepare(`INSERT OR REPLACE INTO strays
    SELECT ino, parent, name, hash, size FROM uploads WHERE ino = ? AND parent IS NOT NULL`)
  const strays = db.prepare<Omit<UploadColumns, "generation" | "url" | "expires">>("SELECT * FROM strays ORDER BY ino")
  return {
    upload: (ino: Ino): UploadProgress | undefined => {
      const row = get.get(ino)
      if (row === undefined) return undefined
      const { generation, url, expires, hash, size } = row
      return { ino, generation, url, expires, hash, size, place: placeOf(row) }
    },
    saveUpload: ({ ino, generation, url, expires, hash, size, place }: UploadProgress) =>
      void save.run(ino, generation, url, expires, hash, size, place?.parent ?? null, place?.name ?? null),
    dropUpload: (ino: Ino) => {
      drop.run(ino)
      dropStray.run(ino)
    },
    strand: (ino: Ino) => {
      strand.run(ino)
      drop.run(ino)
    },
    strays: () =>
      strays.all().flatMap(({ hash, ino, size, ...rest }): ReadonlyArray<Stray> => {
        const place = placeOf(rest)
        return place === null ? [] : [{ ino: Ino(ino), place, hash, size }]
      })
  }
}

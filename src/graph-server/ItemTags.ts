/** Ids and tags of items as a personal drive writes them. */
import type { ItemRow } from "./ItemTable.ts"

export interface ItemTags {
  /** "66D53BE8A5056ECA!103": the drive's id in upper case and the item's number. */
  id(number: number): string
  /** The number of an id of this drive; undefined for anything else. Item ids are case-sensitive. */
  parse(id: string): number | undefined
  /** Changes with the item's own metadata and content. */
  eTag(row: ItemRow): string
  /** Changes with a file's content, or with anything below a folder. */
  cTag(row: ItemRow): string
  /** RFC 9110 section 13.1: whether a list of tags, quoted or not, or "*", names the item's eTag or cTag. */
  matches(header: string, row: ItemRow): boolean
}

const encode = (text: string): string => `a${Buffer.from(text, "latin1").toString("base64")}`

export const makeItemTags = (driveId: string): ItemTags => {
  const prefix = `${driveId.toUpperCase()}!`
  const id = (number: number): string => prefix + String(number)
  const eTag = (row: ItemRow): string => encode(`${id(row.id)}.${row.etag}`)
  const cTag = (row: ItemRow): string => encode(`${row.kind === "file" ? "c" : "t"}:${id(row.id)}.${row.ctag}`)
  return {
    id,
    parse: (text) => {
      const digits = text.startsWith(prefix) ? text.slice(prefix.length) : ""
      return /^[1-9][0-9]{0,14}$/.test(digits) ? Number(digits) : undefined
    },
    eTag,
    cTag,
    matches: (header, row) =>
      header.split(",").some((part) => {
        const tag = part
          .trim()
          .replace(/^W\//, "")
          .replace(/^"(.*)"$/, "$1")
        return tag === "*" || tag === eTag(row) || tag === cTag(row)
      })
  }
}

/** The real service writes drive ids in either case and sometimes without leading zeros; all of them are one id. */
export const sameDriveId = (a: string, b: string): boolean => canonicalDriveId(a) === canonicalDriveId(b)

const canonicalDriveId = (id: string): string => id.toLowerCase().replace(/^0+/, "")

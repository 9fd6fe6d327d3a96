/** Ids and tags of items in the forms of the two kinds of drive (driveItem resource type: id, eTag, cTag). */
import type { ItemRow } from "./ItemTable.ts"
import { mix } from "./mix.ts"

/** Who owns it: a person with a Microsoft account, or somebody at work or school. */
export type DriveKind = "personal" | "business"

/** How a personal drive writes ids and tags: as ever, or as those that were moved to the SharePoint stack. */
export type IdStyle = "classic" | "migrated"

/** Writes and reads the ids and tags of one drive. */
export interface ItemTags {
  /**
   * Personal "66D53BE8A5056ECA!103": the drive's id in upper case and the item's number, or "66D53BE8A5056ECA!s" and 32
   * hex digits when it was migrated; business "01" and base32.
   */
  id(number: number): string
  /** The number of an id of this drive; undefined for anything else. Item ids are case-sensitive. */
  parse(id: string): number | undefined
  /** Changes with the item's own metadata and content. */
  eTag(row: ItemRow): string
  /** Changes with a file's content, or with anything below a folder; business drives have none on folders. */
  cTag(row: ItemRow): string | undefined
  /** RFC 9110 section 13.1: whether a list of tags, quoted or not, or "*", names the item's eTag or cTag. */
  matches(header: string, row: ItemRow): boolean
}

type Forms = Omit<ItemTags, "matches">

export const makeItemTags = (kind: DriveKind, driveId: string, ids: IdStyle): ItemTags => {
  const personal = ids === "classic" ? personalForms : migratedForms
  const forms = kind === "personal" ? personal(driveId) : businessForms(driveId)
  return {
    ...forms,
    matches: (header, row) => {
      const own = [forms.eTag(row), forms.cTag(row) ?? ""].map(unquote)
      // Business tags hold a comma, and some clients send them without their quotes.
      const listed = [header.trim(), ...(header.match(/(?:W\/)?"[^"]*"|[^",\s]+/g) ?? [])].map(unquote)
      return listed.some((tag) => tag !== "" && (tag === "*" || own.includes(tag)))
    }
  }
}

const unquote = (tag: string): string => tag.replace(/^W\//, "").replace(/^"(.*)"$/, "$1")

const encode = (text: string): string => `a${Buffer.from(text, "latin1").toString("base64")}`

const personalForms = (driveId: string): Forms => {
  const prefix = `${driveId.toUpperCase()}!`
  const id = (number: number): string => prefix + String(number)
  return {
    id,
    parse: (text) => {
      const digits = text.startsWith(prefix) ? text.slice(prefix.length) : ""
      return /^[1-9][0-9]{0,14}$/.test(digits) ? Number(digits) : undefined
    },
    eTag: (row) => encode(`${id(row.id)}.${row.etag}`),
    cTag: (row) => encode(`${row.kind === "file" ? "c" : "t"}:${id(row.id)}.${row.ctag}`)
  }
}

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

/** RFC 4648 base32 of bytes whose number is a multiple of five, as hex. */
const toBase32 = (hex: string): string => {
  let text = ""
  for (let at = 0; at < hex.length; at += 10) {
    let bits = Number.parseInt(hex.slice(at, at + 10), 16)
    let group = ""
    for (let i = 0; i < 8; i++) {
      group = (base32[bits % 32] ?? "") + group
      bits = Math.floor(bits / 32)
    }
    text += group
  }
  return text
}

const fromBase32 = (text: string): string => {
  let hex = ""
  for (let at = 0; at < text.length; at += 8) {
    let bits = 0
    for (const letter of text.slice(at, at + 8)) bits = bits * 32 + base32.indexOf(letter)
    hex += bits.toString(16).padStart(10, "0")
  }
  return hex
}

const word = (value: number): string => (value >>> 0).toString(16).padStart(8, "0")

/**
 * GUIDs of a drive's items: they hold the item's number openly in the third and fourth words and a check of it in the
 * others, so that an id can be told from one of another drive without a table. As hex.
 */
const guidsOf = (driveId: string) => {
  let library = 0
  for (const character of driveId) library = mix(library ^ character.charCodeAt(0))
  const guid = (number: number): string => {
    const [high, low] = [Math.floor(number / 2 ** 32), number % 2 ** 32]
    const first = mix(low ^ library)
    return word(first) + word(mix(first ^ high)) + word(high) + word(low)
  }
  return {
    library: word(library),
    guid,
    parse: (hex: string): number | undefined => {
      const number = Number.parseInt(hex.slice(16, 24), 16) * 2 ** 32 + Number.parseInt(hex.slice(24), 16)
      return number > 0 && Number.isSafeInteger(number) && guid(number) === hex ? number : undefined
    },
    shown: (number: number): string =>
      guid(number)
        .toUpperCase()
        .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
  }
}

/** 20 bytes: four of the library, and the item's GUID. */
const businessForms = (driveId: string): Forms => {
  const { library, guid, parse, shown } = guidsOf(driveId)
  const id = (number: number): string => `01${toBase32(library + guid(number))}`
  return {
    id,
    parse: (text) => {
      const hex = /^01[A-Z2-7]{32}$/.test(text) ? fromBase32(text.slice(2)) : ""
      return hex.startsWith(library) ? parse(hex.slice(8)) : undefined
    },
    eTag: (row) => `"{${shown(row.id)}},${row.etag}"`,
    cTag: (row) => (row.kind === "file" ? `"c:{${shown(row.id)}},${row.ctag}"` : undefined)
  }
}

const migratedForms = (driveId: string): Forms => {
  const { guid, parse, shown } = guidsOf(driveId)
  const prefix = `${driveId.toUpperCase()}!s`
  return {
    id: (number) => prefix + guid(number),
    parse: (text) => {
      const hex = text.startsWith(prefix) ? text.slice(prefix.length) : ""
      return /^[0-9a-f]{32}$/.test(hex) ? parse(hex) : undefined
    },
    eTag: (row) => `"{${shown(row.id)}},${row.etag}"`,
    cTag: (row) => `"c:{${shown(row.id)}},${row.ctag}"`
  }
}

/** The real service writes personal drive ids in either case and sometimes without leading zeros; all of them are one id. */
export const sameDriveId = (a: string, b: string): boolean =>
  [a, b].some((id) => id.startsWith("b!")) ? a === b : canonicalDriveId(a) === canonicalDriveId(b)

const canonicalDriveId = (id: string): string => id.toLowerCase().replace(/^0+/, "")

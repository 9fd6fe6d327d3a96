/**
 * A believable drive of any size that follows from a seed: folders about as deep and wide as people's, sizes with a long
 * tail, names with all of Unicode's trouble, and one folder that is far too wide. Only the shape is held in memory; names
 * and times are worked out when they are asked for.
 */
import { mix } from "./mix.ts"

/** One item of a generated tree. */
export interface GeneratedItem {
  /** Index of the parent; -1 for the root of the drive. A parent comes before its children. */
  readonly parent: number
  readonly name: string
  readonly kind: "file" | "folder"
  /** Bytes; of a folder, of everything below it. */
  readonly size: number
  readonly children: number
  /** What a file's content is derived from. */
  readonly key: number
  /** Milliseconds since the epoch. */
  readonly created: number
  readonly modified: number
}

/** `count` items by index, parents first. */
export interface GeneratedTree {
  readonly count: number
  /** Bytes of all files. */
  readonly size: number
  readonly rootChildren: number
  item(index: number): GeneratedItem
}

const maxDepth = 14
/** Room for the longest name below the longest path; the service's limit is 400. */
const maxFolderPath = 180
const folderShare = 0.09
/** One in this many items goes into the widest folder. */
const wideShare = 20
const firstTime = Date.UTC(2017, 0, 1)
const timeSpan = Date.UTC(2026, 0, 1) - firstTime

const folderWords = ["Documents", "Photos", "Projects", "Archive", "Rechnungen", "Été 2019", "Работа", "文書", "Team"]
const fileWords = [
  "Report",
  "IMG",
  "notes",
  "Budget 100%",
  "draft #2",
  "it's & more; final",
  "Übersicht",
  // The same letters composed and decomposed: two names to the service.
  "re\u0301sume\u0301",
  "r\u00e9sum\u00e9",
  "日本語の文書",
  "مستند",
  "👩‍👩‍👧 family",
  // Letters whose other case is longer, another letter, or outside the first plane; and what nobody sees.
  "Straße ΣΊΣΥΦΟΣ",
  "Iıİi",
  "𠮷野 𐐀𐐨",
  "no\u00a0break\u200b",
  ".hidden",
  "two  spaces",
  "A rather long name that somebody typed because it had to say everything about the meeting of the board"
]
const extensions = [".docx", ".jpg", ".pdf", ".txt", ".xlsx", ".png", "", ".tar.gz", ".md"]

const pick = (words: ReadonlyArray<string>, random: number): string => words[random % words.length] ?? ""

/** `count` items, at least 0, the same for the same `seed`. */
export const generateTree = (count: number, seed: number): GeneratedTree => {
  const random = (index: number, purpose: number): number => mix(mix(seed ^ Math.imul(index + 1, 0x9e3779b1)) + purpose)
  const share = (index: number, purpose: number): number => random(index, purpose) / 2 ** 32
  const parent = new Int32Array(count)
  const ordinal = new Int32Array(count)
  const children = new Int32Array(count)
  const isFolder = new Uint8Array(count)
  const depth = new Uint8Array(count)
  const pathLength = new Uint16Array(count)
  const size = new Float64Array(count)
  const folders: Array<number> = []
  let rootChildren = 0

  const nameOf = (index: number): string => {
    const number = ordinal[index] ?? 0
    if (isFolder[index] === 1) return `${pick(folderWords, random(index, 3))} ${number}`
    return `${pick(fileWords, random(index, 3))} ${number}${pick(extensions, random(index, 4))}`
  }

  /** Mostly a folder made lately, so that neighbours in time are neighbours in the tree. */
  const chooseParent = (index: number): number => {
    if (folders.length === 0 || share(index, 1) < 0.001) return -1
    if (folders.length > 1 && random(index, 5) % wideShare === 0) return folders[1] ?? -1
    const recent = share(index, 6) < 0.75
    const from = recent ? Math.max(0, folders.length - 200) : 0
    return folders[from + (random(index, 2) % (folders.length - from))] ?? -1
  }

  for (let index = 0; index < count; index++) {
    const into = chooseParent(index)
    parent[index] = into
    ordinal[index] = into < 0 ? ++rootChildren : (children[into] = (children[into] ?? 0) + 1)
    const level = into < 0 ? 1 : (depth[into] ?? 0) + 1
    const above = into < 0 ? 0 : (pathLength[into] ?? 0)
    depth[index] = level
    isFolder[index] = index < 10 || share(index, 7) < folderShare ? 1 : 0
    const length = above + 1 + nameOf(index).length
    pathLength[index] = length
    if (isFolder[index] === 1 && level < maxDepth && length < maxFolderPath) folders.push(index)
    else if (isFolder[index] === 0) size[index] = fileSize(share(index, 8), share(index, 9))
  }
  let total = 0
  for (let index = count - 1; index >= 0; index--) {
    const into = parent[index] ?? -1
    if (into >= 0) size[into] = (size[into] ?? 0) + (size[index] ?? 0)
    else total += size[index] ?? 0
  }

  return {
    count,
    size: total,
    rootChildren,
    item: (index) => {
      const created = firstTime + Math.floor((timeSpan * index) / count / 1000) * 1000
      return {
        parent: parent[index] ?? -1,
        name: nameOf(index),
        kind: isFolder[index] === 1 ? "folder" : "file",
        size: size[index] ?? 0,
        children: children[index] ?? 0,
        key: random(index, 10),
        created,
        modified: created + Math.floor(share(index, 11) * 30 * 24 * 3600) * 1000
      }
    }
  }
}

/** Log-normal with a median of 24 KiB (Box and Muller), at most 4 GiB; one in fifty is empty. */
const fileSize = (u: number, v: number): number => {
  if (v < 0.02) return 0
  const normal = Math.sqrt(-2 * Math.log(Math.max(u, 1e-9))) * Math.cos(2 * Math.PI * v)
  return Math.min(4 * 1024 ** 3, Math.floor(24 * 1024 * Math.exp(2.2 * normal)))
}

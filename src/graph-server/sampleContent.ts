/** A small believable drive to look at and to try things on; the same bytes and times every time. */
import { Effect } from "effect"
import { DriveAdmin } from "./DriveAdmin.ts"
import type { Picture } from "./Picture.ts"

const day = 24 * 60 * 60 * 1000
const firstDay = Date.UTC(2026, 0, 12, 8, 30)

const readme = `# Welcome

This drive lives on your own machine. It behaves like OneDrive, so you can try things here that you would
not try on the real one: edit, rename, move and delete as you like.

Things to try:

- open Pictures and look at the images,
- read a few bytes in the middle of "Large file.bin" without fetching all of it,
- save something here and look for it with another client.
`

const minutes = `Weekly meeting, 14 January

Present: Ana, Jörg, Wei
1. The office moves in March. Boxes are ordered.
2. The budget draft is in Documents/Budget 2026.csv, please check your lines.
3. Next meeting: 21 January, same room.
`

const budget = ["Month,Rent,Travel,Hardware"]
  .concat(
    Array.from({ length: 12 }, (_, i) => `2026-${String(i + 1).padStart(2, "0")},1200,${90 + i * 15},${(i % 4) * 250}`)
  )
  .join("\r\n")

const files: ReadonlyArray<readonly [path: string, content: () => Picture | Uint8Array | string]> = [
  ["/Documents/Read me first.md", () => readme],
  ["/Documents/Meeting notes.txt", () => minutes],
  ["/Documents/Budget 2026.csv", () => budget],
  ["/Documents/Übersicht für Jörg.txt", () => "Grüße aus dem Büro: die Übersicht folgt am Freitag.\n"],
  ["/Documents/Empty file.txt", () => ""],
  ["/Pictures/Sunrise.png", () => picture(320, 180, (x, y) => [255 - y, 120 + y / 2, 60 + x / 3])],
  [
    "/Pictures/Checkerboard.png",
    () => picture(128, 128, (x, y) => (((x >> 4) + (y >> 4)) % 2 === 0 ? [240, 240, 240] : [40, 60, 90]))
  ],
  ["/Pictures/Rings.png", () => picture(200, 200, (x, y) => ring(Math.hypot(x - 100, y - 100)))],
  ["/Notes/Shopping list.md", () => "- [ ] coffee\n- [ ] oats\n- [x] batteries\n"],
  ["/Notes/Ideas.md", () => "# Ideas\n\nA shelf for the hallway. Ask Wei for the drill.\n"],
  ["/Projects/2026/Website/src/pages/about/index.html", () => "<!doctype html>\n<title>About</title>\n<p>Hello.</p>\n"],
  ["/Large file.bin", () => noise(12 * 1024 * 1024)]
]

/** Fills an empty drive; a drive that holds anything is left alone. Returns whether it was filled. */
export const seedSample = Effect.gen(function* () {
  const admin = yield* DriveAdmin
  if ((yield* admin.tree()).length > 0) return false
  const { encodePng } = yield* Effect.promise(() => import("./PictureFile.ts"))
  const folders = new Set<string>()
  for (const [index, [path, content]] of files.entries()) {
    const times = { created: firstDay + index * day, modified: firstDay + index * day + 45 * 60 * 1000 }
    for (const folder of foldersOf(path)) {
      if (!folders.has(folder)) yield* admin.createFolder(folder, times)
      folders.add(folder)
    }
    const made = content()
    yield* admin.putFile(path, typeof made === "object" && "pixels" in made ? encodePng(made) : made, times)
  }
  return true
})

const foldersOf = (path: string): ReadonlyArray<string> => {
  const names = path.split("/").slice(1, -1)
  return names.map((_, i) => `/${names.slice(0, i + 1).join("/")}`)
}

type Colour = readonly [red: number, green: number, blue: number]

const ring = (radius: number): Colour => (Math.floor(radius / 12) % 2 === 0 ? [200, 80, 60] : [250, 235, 215])

const picture = (width: number, height: number, colour: (x: number, y: number) => Colour): Picture => {
  const pixels = new Uint8ClampedArray(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) pixels.set(colour(x, y), (y * width + x) * 3)
  }
  return { width, height, pixels: new Uint8Array(pixels.buffer) }
}

/** Pseudo-random bytes (xorshift32), so that a wrong offset shows. */
const noise = (size: number): Uint8Array => {
  const words = new Uint32Array(size / 4)
  let state = 0x2545f491
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer)
}

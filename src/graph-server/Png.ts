/** PNG images (RFC 2083), as far as thumbnails need them: 8 bits per sample, not interlaced. */
import { crc32, deflateSync, inflateSync } from "node:zlib"

/** 8-bit RGB, row by row. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

export const encodePng = ({ width, height, pixels }: Picture): Uint8Array => {
  const stride = width * 3
  const rows = Buffer.alloc(height * (1 + stride))
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * stride, (y + 1) * stride), y * (1 + stride) + 1)
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND")])
}

const chunk = (type: string, data: Uint8Array = new Uint8Array(0)): Buffer => {
  const typed = Buffer.concat([Buffer.from(type, "latin1"), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(typed))
  return Buffer.concat([length, typed, checksum])
}

/** Samples per pixel by colour type: grey, RGB, grey and alpha, RGB and alpha. Palettes are not read. */
const samplesOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 }

/** Images with more pixels are not decoded: they would cost more than a thumbnail is worth. */
const maxPixels = 16 * 1024 * 1024

/** The picture, alpha dropped; undefined for what is no PNG, or one of another form. */
export const decodePng = (file: Buffer): Picture | undefined => {
  if (file.length < 33 || !file.subarray(0, 8).equals(signature)) return undefined
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)]
  const [depth, colour = 3, , , interlace] = file.subarray(24, 29)
  const samples = samplesOf[colour]
  if (samples === undefined || depth !== 8 || interlace !== 0) return undefined
  if (width * height === 0 || width * height > maxPixels) return undefined
  const raw = inflate(idat(file), height * (1 + width * samples))
  return raw === undefined
    ? undefined
    : { width, height, pixels: toRgb(unfilter(raw, width, height, samples), samples) }
}

const idat = (file: Buffer): Buffer => {
  const parts: Array<Buffer> = []
  for (let at = 8; at + 12 <= file.length;) {
    const length = file.readUInt32BE(at)
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(file.subarray(at + 8, at + 8 + length))
    at += 12 + length
  }
  return Buffer.concat(parts)
}

const inflate = (data: Buffer, size: number): Buffer | undefined => {
  try {
    const raw = inflateSync(data, { maxOutputLength: size })
    return raw.length === size ? raw : undefined
  } catch {
    // Damaged pictures have no thumbnail; zlib has no way to say so but to throw.
    return undefined
  }
}

const paeth = (a: number, b: number, c: number): number => {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)]
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c
}

/** Section 6: each row says how its bytes were predicted from the left, the upper and the upper left one. */
const unfilter = (raw: Buffer, width: number, height: number, samples: number): Uint8Array => {
  const stride = width * samples
  const rows = new Uint8Array(height * stride)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)] ?? 0
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x
      const left = x < samples ? 0 : (rows[at - samples] ?? 0)
      const up = y === 0 ? 0 : (rows[at - stride] ?? 0)
      const corner = x < samples || y === 0 ? 0 : (rows[at - stride - samples] ?? 0)
      const predicted = [0, left, up, (left + up) >> 1, filter === 4 ? paeth(left, up, corner) : 0][filter] ?? 0
      rows[at] = ((raw[y * (stride + 1) + 1 + x] ?? 0) + predicted) & 0xff
    }
  }
  return rows
}

const toRgb = (rows: Uint8Array, samples: number): Uint8Array => {
  if (samples === 3) return rows
  const colours = samples === 4 ? 3 : 1
  const pixels = new Uint8Array((rows.length / samples) * 3)
  for (let i = 0; i < pixels.length / 3; i++) {
    for (let c = 0; c < 3; c++) pixels[i * 3 + c] = rows[i * samples + (colours === 3 ? c : 0)] ?? 0
  }
  return pixels
}

/** In pixels. */
export interface Box {
  readonly width: number
  readonly height: number
}

/** The middle of a picture, in the proportions of the box. */
export const crop = (picture: Picture, box: Box): Picture => {
  const width = Math.max(1, Math.min(picture.width, Math.round((picture.height * box.width) / box.height)))
  const height = Math.max(1, Math.min(picture.height, Math.round((picture.width * box.height) / box.width)))
  const [left, top] = [(picture.width - width) >> 1, (picture.height - height) >> 1]
  const pixels = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * picture.width + left) * 3
    pixels.set(picture.pixels.subarray(start, start + width * 3), y * width * 3)
  }
  return { width, height, pixels }
}

/** The picture scaled down until it fits into the box, each pixel the mean of those it stands for. */
export const shrink = (picture: Picture, box: Box): Picture => {
  const scale = Math.max(1, picture.width / box.width, picture.height / box.height)
  const width = Math.max(1, Math.round(picture.width / scale))
  const height = Math.max(1, Math.round(picture.height / scale))
  const pixels = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const [top, bottom] = span(y, height, picture.height)
    for (let x = 0; x < width; x++) {
      const [left, right] = span(x, width, picture.width)
      for (let c = 0; c < 3; c++) {
        let sum = 0
        for (let v = top; v < bottom; v++) {
          for (let u = left; u < right; u++) sum += picture.pixels[(v * picture.width + u) * 3 + c] ?? 0
        }
        pixels[(y * width + x) * 3 + c] = Math.round(sum / ((bottom - top) * (right - left)))
      }
    }
  }
  return { width, height, pixels }
}

const span = (index: number, count: number, size: number): readonly [from: number, to: number] => {
  const from = Math.floor((index * size) / count)
  return [from, Math.max(from + 1, Math.floor(((index + 1) * size) / count))]
}

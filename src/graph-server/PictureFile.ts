/**
 * Picture files: PNG and JPEG are read, PNG is written. Loaded when the first picture is asked for, because its decoders
 * are more than the rest of a short command.
 */
import jpeg from "jpeg-js"
import { PNG } from "pngjs"
import type { Picture } from "./Picture.ts"

/** Images with more pixels are not decoded: they would cost more than a thumbnail is worth. */
const maxPixels = 16 * 1024 * 1024
/** What the JPEG decoder may take for one of them, in MiB. */
const maxMemory = 512

/** The picture, alpha dropped; undefined for what is none, damaged, of another form or too large. */
export const decodePicture = (file: Buffer): Picture | undefined => {
  const decode = isPng(file) ? decodePng : isJpeg(file) ? decodeJpeg : undefined
  try {
    return decode?.(file)
  } catch {
    // Damaged pictures have no thumbnail; the decoders have no way to say so but to throw.
    return undefined
  }
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

/** With a header that says how large it is (RFC 2083). */
const isPng = (file: Buffer): boolean => file.length >= 33 && file.subarray(0, 8).equals(signature)

/** Start of image, then a marker (ITU-T T.81). */
const isJpeg = (file: Buffer): boolean => file.length >= 3 && file[0] === 0xff && file[1] === 0xd8 && file[2] === 0xff

const decodePng = (file: Buffer): Picture | undefined => {
  const pixels = file.readUInt32BE(16) * file.readUInt32BE(20)
  if (pixels === 0 || pixels > maxPixels) return undefined
  const { data, height, width } = PNG.sync.read(file)
  const rgb = new Uint8Array(width * height * 3)
  for (let i = 0; i < width * height; i++) rgb.set(data.subarray(i * 4, i * 4 + 3), i * 3)
  return { width, height, pixels: rgb }
}

const decodeJpeg = (file: Buffer): Picture => {
  const limits = { maxResolutionInMP: maxPixels / 1_000_000, maxMemoryUsageInMB: maxMemory }
  const { data, height, width } = jpeg.decode(file, { useTArray: true, formatAsRGBA: false, ...limits })
  return { width, height, pixels: data }
}

const rgbColour = 2

export const encodePng = ({ height, pixels, width }: Picture): Uint8Array => {
  const png = Object.assign(new PNG({ width, height }), { data: Buffer.from(pixels) })
  return PNG.sync.write(png, { colorType: rgbColour, inputColorType: rgbColour, inputHasAlpha: false })
}

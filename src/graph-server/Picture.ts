/** Pictures in memory, cropped and scaled; files of them are read and written by PictureFile.ts. */

/** 8-bit RGB, row by row. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
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

/** Content-Range of an upload fragment (Microsoft Graph, driveItem: createUploadSession). */

/** Bytes `start` up to and including `end` of `total`. */
export interface FragmentRange {
  readonly start: number
  readonly end: number
  readonly total: number
}

/** Undefined for anything but `bytes first-last/total`; whether the numbers agree is not looked at. */
export const parseFragmentRange = (header: string | undefined): FragmentRange | undefined => {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header ?? "")
  if (match === null) return undefined
  const [start = 0, end = 0, total = 0] = match.slice(1).map(Number)
  return { start, end, total }
}

/** A bijection of 32-bit numbers that leaves no pattern to the eye (the finaliser of MurmurHash3). */
export const mix = (value: number): number => {
  let x = value >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

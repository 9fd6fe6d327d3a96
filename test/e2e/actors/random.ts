/** xorshift32: the same numbers for the same seed, everywhere. `random(seed)(limit)` is 0..limit-1. */
export const random = (seed: number): ((limit: number) => number) => {
  let state = Math.imul(seed, 2654435761) || 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

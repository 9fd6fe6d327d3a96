/** A map of at most `limit` keys; the one that was set longest ago leaves first. */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #limit: number
  readonly #onEvict: (key: K, value: V) => void

  /** `onEvict` hears of entries that left for want of room, not of deleted or replaced ones. */
  constructor(limit: number, onEvict: (key: K, value: V) => void = () => {}) {
    this.#limit = limit
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#limit) return
    const oldest = this.#entries.entries().next()
    if (oldest.done === true) return
    this.#entries.delete(oldest.value[0])
    this.#onEvict(oldest.value[0], oldest.value[1])
  }

  delete(key: K): boolean {
    return this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}

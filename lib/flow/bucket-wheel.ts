/** A bucket that is not full, and when it will be. */
interface Bucket<K> {
  readonly key: K
  fullAt: number
  slot: Set<Bucket<K>>
}

const slots = 64
// The one that is running out, and the one that the longest time may just reach.
const ring = slots + 2

/**
 * Buckets that are not full, in the order in which they fill, by the time: each lies in the slot of a ring in which it
 * will be full. What is full is forgotten when the time has passed its slot, whoever asks then.
 */
export class BucketWheel<K> {
  readonly #width: number
  readonly #ring = Array.from({ length: ring }, () => new Set<Bucket<K>>())
  readonly #buckets = new Map<K, Bucket<K>>()
  // The slot of the present, counted from the beginning of time.
  #present: number

  /**
   * @param longest - how long a bucket takes to fill at the most
   * @param now - the time
   */
  constructor(longest: number, now: number) {
    // The numbers of finer slots would not be exact, late in a long life.
    this.#width = Math.max(longest / slots, 1)
    this.#present = Math.floor(now / this.#width)
  }

  /** How many are not full, or were not when somebody last asked. */
  get size(): number {
    return this.#buckets.size
  }

  /** When the bucket of a key will be full; `undefined` where it is. */
  fullAt(key: K): number | undefined {
    return this.#buckets.get(key)?.fullAt
  }

  /** Each key, and when its bucket will be full. */
  *entries(): IterableIterator<readonly [key: K, fullAt: number]> {
    for (const { key, fullAt } of this.#buckets.values()) yield [key, fullAt]
  }

  /** Forget those that are full by now. */
  advance(now: number): void {
    const present = Math.floor(now / this.#width)
    const last = Math.min(present, this.#present + ring)
    for (let i = this.#present; i < last; i++) {
      const slot = this.#slot(i)
      for (const { key } of slot) this.#buckets.delete(key)
      slot.clear()
    }
    this.#present = Math.max(present, this.#present)
  }

  /** Set when the bucket of a key will be full. */
  set(key: K, fullAt: number): void {
    const slot = this.#slot(Math.floor(fullAt / this.#width))
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      const added = { key, fullAt, slot }
      this.#buckets.set(key, added)
      slot.add(added)
      return
    }
    bucket.fullAt = fullAt
    if (bucket.slot === slot) return
    bucket.slot.delete(bucket)
    bucket.slot = slot
    slot.add(bucket)
  }

  /** Forget the one that is the first to be full; of those that are so at about the same time the one that came first. */
  forgetFullest(): void {
    for (let i = 0; i < ring; i++) {
      for (const bucket of this.#slot(this.#present + i)) {
        bucket.slot.delete(bucket)
        this.#buckets.delete(bucket.key)
        return
      }
    }
  }

  #slot(index: number): Set<Bucket<K>> {
    return this.#ring[index % ring] as Set<Bucket<K>>
  }
}

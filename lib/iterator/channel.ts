import { type Pushable, pushable } from 'it-pushable'

/**
 * A bounded queue from callbacks to one reader, on it-pushable. The bound, the order of "items first, then the error",
 * and giving back what nobody took are ours: it-pushable drops what is queued when it ends with an error.
 */
export class Channel<T> {
  readonly #queue: Pushable<T> = pushable<T>({ objectMode: true })
  readonly #limits: { readonly maxPending: number }
  #size = 0
  #ended = false
  #error: unknown

  /** @param limits - the most items that wait, as it is now */
  constructor(limits: { readonly maxPending: number }) {
    this.#limits = limits
  }

  /** Items offered and not taken. */
  get size(): number {
    return this.#size
  }

  /**
   * Put an item in.
   *
   * @returns false where there is no room, or the channel has ended: the item is still the caller's
   */
  offer(item: T): boolean {
    if (this.#ended || this.#size >= this.#limits.maxPending) return false
    this.#size++
    this.#queue.push(item)
    return true
  }

  /** The next item; `undefined` at the end, or the error that ended it. One caller at a time. */
  async take(): Promise<T | undefined> {
    const result = await this.#queue.next()
    if (result.done !== true) {
      this.#size--
      return result.value
    }
    if (this.#error !== undefined) throw this.#error
    return undefined
  }

  /** End it: what waits can still be taken, then comes the end, or the error. */
  end(error?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#queue.end()
  }

  /** End it, and give back what waits. */
  discard(giveBack: (item: T) => void): void {
    this.end()
    // Each call takes its item off the queue at once, so a reader that comes now finds the end.
    for (let left = this.#queue.readableLength; left > 0; left--) {
      void this.#queue.next().then((result) => {
        if (result.done === true) return
        this.#size--
        giveBack(result.value)
      })
    }
  }
}

import type { Kind } from './parked-read.ts'

const done = { done: true, value: undefined } as const

/** What an iteration needs of the reader whose bytes it hands out. */
export interface Iterated {
  /** The next result; the iteration is left where it is the end or an error. */
  nextOf(iteration: Iteration<unknown>): Promise<IteratorResult<unknown>>
  /** Ends the read that waits for it, if there is one. */
  cancel(iteration: Iteration<unknown>): void
  /** Its first result was asked for. */
  iterationBegan(): void
  /** It has ended, or was left; called once, where it had begun. */
  iterationEnded(): void
}

/**
 * An iteration over an rfile. Leaving it early loses nothing: what it has not handed out stays readable.
 *
 * One object, and not an object of closures: each of those that wait in one keeps it, many thousands at a time.
 */
export class Iteration<T> implements AsyncIterableIterator<T> {
  /** What it asks for, each time. */
  readonly kind: Kind
  readonly limit: number
  readonly chomp: boolean
  readonly #reader: Iterated
  readonly #signal: AbortSignal | undefined
  #stop: (() => void) | undefined
  #open = true
  #begun = false

  /**
   * @param reader - whose bytes
   * @param kind - what is asked for, each time
   * @param limit - of a line
   * @param chomp - whether lines come without their end
   * @param signal - ends it too
   */
  constructor(reader: Iterated, kind: Kind, limit: number, chomp: boolean, signal?: AbortSignal) {
    this.#reader = reader
    this.kind = kind
    this.limit = limit
    this.chomp = chomp
    // From JavaScript it may be null.
    this.#signal = signal ?? undefined
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<T>> {
    if (!this.#open || (!this.#begun && !this.#begin())) return Promise.resolve(done)
    return this.#reader.nextOf(this) as Promise<IteratorResult<T>>
  }

  return(): Promise<IteratorResult<T>> {
    this.#end()
    return Promise.resolve(done)
  }

  /** It has come to its end. */
  leave(): void {
    if (!this.#open) return
    this.#open = false
    if (this.#stop !== undefined) this.#signal?.removeEventListener('abort', this.#stop)
    if (this.#begun) this.#reader.iterationEnded()
  }

  /** False where it is over before it has begun. */
  #begin(): boolean {
    const signal = this.#signal
    if (signal?.aborted === true) return false
    this.#begun = true
    this.#reader.iterationBegan()
    if (signal !== undefined) {
      this.#stop = () => this.#end()
      signal.addEventListener('abort', this.#stop, { once: true })
    }
    return true
  }

  #end(): void {
    this.#reader.cancel(this)
    this.leave()
  }
}

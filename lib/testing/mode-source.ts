import type { Request } from '../request.ts'

/** The source of a mode under test: it knows what was taken from it, and can fail. */
export class ModeSource implements AsyncIterableIterator<Request> {
  readonly #requests: AsyncIterator<Request>
  /** What was taken, in order. */
  readonly taken: Request[] = []
  /** Calls of `next()` that have not been answered. */
  asked = 0
  /** Whether it was given back. */
  returned = false
  /** It may be given back, and goes on to hand over what was asked for. */
  isDeaf = false
  /** What it fails with, where it is asked for more than was taken. */
  failure: Error | undefined

  /** @param requests - of a server */
  constructor(requests: AsyncIterable<Request>) {
    this.#requests = requests[Symbol.asyncIterator]()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Request>> {
    if (this.failure !== undefined && this.taken.length > 0) throw this.failure
    this.asked++
    try {
      const result = await this.#requests.next()
      if (result.done !== true) this.taken.push(result.value)
      return result
    } finally {
      this.asked--
    }
  }

  async return(): Promise<IteratorResult<Request>> {
    this.returned = true
    if (!this.isDeaf) await this.#requests.return?.()
    return { done: true, value: undefined }
  }
}

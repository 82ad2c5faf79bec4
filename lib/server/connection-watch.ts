import { deferred } from '../iterator/deferred.ts'

/** What one waits for: the number of open requests. */
export type OpenCondition = (open: number) => boolean

interface Waiting {
  /** Look whether the condition is met. */
  look(): void
  /** It never will be. */
  giveUp(error: unknown): void
}

/** Those who wait until so many requests are open. */
export class ConnectionWatch {
  readonly #open: () => number
  // One closure for all: what waits on the promise of a close, each for itself, is kept until then.
  readonly #waiting = new Set<Waiting>()
  #over: Error | undefined

  /** @param open - how many there are */
  constructor(open: () => number) {
    this.#open = open
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** How many are open has changed. */
  changed(): void {
    if (this.#waiting.size > 0) for (const waiting of [...this.#waiting]) waiting.look()
  }

  /**
   * Nothing changes any more: whoever waits in vain gets the error, now and later.
   *
   * @param error - why
   */
  end(error: Error): void {
    this.#over = error
    // Who has met the condition by then has said so.
    this.changed()
    for (const waiting of [...this.#waiting]) waiting.giveUp(error)
  }

  /**
   * Wait.
   *
   * @param condition - what is waited for; not asked any more once it was met, or has thrown
   * @param signal - ends the wait
   */
  async until(condition: OpenCondition, signal: AbortSignal | undefined): Promise<number> {
    signal?.throwIfAborted()
    const open = this.#open()
    if (condition(open)) return open
    if (this.#over !== undefined) throw this.#over
    const met = deferred<number>()
    const left = (): void => {
      this.#waiting.delete(waiting)
      signal?.removeEventListener('abort', aborted)
    }
    const waiting: Waiting = {
      look: () => {
        if (!this.#waiting.has(waiting)) return
        try {
          const now = this.#open()
          if (!condition(now)) return
          left()
          met.resolve(now)
        } catch (error) {
          waiting.giveUp(error)
        }
      },
      giveUp: (error) => {
        left()
        met.reject(error)
      }
    }
    const aborted = (): void => waiting.giveUp(signal?.reason)
    this.#waiting.add(waiting)
    signal?.addEventListener('abort', aborted, { once: true })
    return met.promise
  }
}

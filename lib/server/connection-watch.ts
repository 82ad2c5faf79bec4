import { deferred } from '../iterator/deferred.ts'

/** What one waits for: the number of open requests. */
export type OpenCondition = (open: number) => boolean

/** Those who wait until so many requests are open. */
export class ConnectionWatch {
  readonly #waiting = new Set<() => void>()

  /** How many are open has changed. */
  changed(): void {
    for (const look of this.#waiting) look()
  }

  /**
   * Wait.
   *
   * @param open - how many there are
   * @param condition - what is waited for
   * @param over - settles when nothing changes any more; becomes the error that it ends with then
   * @param signal - ends the wait
   */
  async until(
    open: () => number,
    condition: OpenCondition,
    over: Promise<Error>,
    signal: AbortSignal | undefined
  ): Promise<number> {
    signal?.throwIfAborted()
    if (condition(open())) return open()
    const met = deferred<number>()
    const look = (): void => {
      try {
        const now = open()
        if (condition(now)) met.resolve(now)
      } catch (error) {
        met.reject(error)
      }
    }
    const aborted = (): void => met.reject(signal?.reason)
    this.#waiting.add(look)
    signal?.addEventListener('abort', aborted, { once: true })
    // Who has met the condition by then has said so.
    void over.then((error) => {
      look()
      met.reject(error)
    })
    try {
      return await met.promise
    } finally {
      this.#waiting.delete(look)
      signal?.removeEventListener('abort', aborted)
    }
  }
}

import type { StreamRequest } from '../../accept/stream/stream-request.ts'
import { formatAddress } from '../../address.ts'
import { AbortedError } from '../../errors.ts'

// A limit is overrun by two looks at most: a quarter of it.
const looksPerLimit = 8
const longestPause = 1_000

interface Watched {
  readonly timeout: number
  bytes: number
  quietSince: number
}

/**
 * Aborts connections that a worker has when a read has waited for so long with nothing coming: the server cannot see it.
 * One timer a worker.
 */
export class IdleWatch {
  readonly #watched = new Map<StreamRequest, Watched>()
  #timer: NodeJS.Timeout | undefined
  #pause = Number.POSITIVE_INFINITY

  /**
   * Watch one more, until it has gone.
   *
   * @param request - whose reads are watched
   * @param timeout - milliseconds; `Infinity` for no bound
   */
  watch(request: StreamRequest, timeout: number): void {
    if (timeout === Number.POSITIVE_INFINITY) return
    this.#watched.set(request, { timeout, bytes: request.bytesIn, quietSince: performance.now() })
    request.whenClosed(() => this.#watched.delete(request))
    this.#within(timeout)
  }

  #within(timeout: number): void {
    const pause = Math.min(longestPause, timeout / looksPerLimit)
    if (pause >= this.#pause) return
    this.#pause = pause
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#look, pause).unref()
  }

  readonly #look = (): void => {
    this.#pause = Number.POSITIVE_INFINITY
    const now = performance.now()
    for (const [request, watched] of this.#watched) {
      const { bytesIn, waitsForInput } = request
      if (!waitsForInput || bytesIn !== watched.bytes) {
        watched.bytes = bytesIn
        watched.quietSince = now
      } else if (now - watched.quietSince >= watched.timeout) cut(request, watched.timeout)
      this.#within(watched.timeout)
    }
  }
}

function cut(request: StreamRequest, timeout: number): void {
  const from = formatAddress(request.clientAddress)
  const why = `nothing came for longer than the idleTimeout of ${timeout} ms`
  request.abort(new AbortedError(`The request from ${from} was aborted: ${why}`, 'idle'))
}

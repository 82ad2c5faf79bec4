import type { StreamRequest } from '../../accept/stream/stream-request.ts'
import { formatAddress } from '../../address.ts'
import { AbortedError } from '../../errors.ts'

// A limit is overrun by two looks at most: half of it.
const looksPerLimit = 4

/** Aborts a connection that a worker has when a read has waited for so long with nothing coming: the server cannot see it. */
export class IdleWatch {
  readonly #request: StreamRequest
  readonly #timeout: number
  #bytes = -1
  #quietLooks = 0
  #timer: NodeJS.Timeout

  /**
   * @param request - whose reads are watched, until it has gone
   * @param timeout - milliseconds
   */
  constructor(request: StreamRequest, timeout: number) {
    this.#request = request
    this.#timeout = timeout
    this.#timer = setTimeout(this.#look, timeout / looksPerLimit).unref()
    request.whenClosed(() => clearTimeout(this.#timer))
  }

  readonly #look = (): void => {
    const { bytesIn, waitsForInput } = this.#request
    if (!waitsForInput || bytesIn !== this.#bytes) this.#quietLooks = 0
    else if (++this.#quietLooks >= looksPerLimit) {
      this.#cut()
      return
    }
    this.#bytes = bytesIn
    this.#timer = setTimeout(this.#look, this.#timeout / looksPerLimit).unref()
  }

  #cut(): void {
    const from = formatAddress(this.#request.clientAddress)
    const why = `nothing came for longer than the idleTimeout of ${this.#timeout} ms`
    this.#request.abort(new AbortedError(`The request from ${from} was aborted: ${why}`, 'idle'))
  }
}

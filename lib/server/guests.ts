import { formatAddress } from '../address.ts'
import type { StillOpen } from '../close.ts'
import { AbortedError } from '../errors.ts'
import { type Deferred, deferred } from '../iterator/deferred.ts'
import type { Request } from '../request.ts'

/** The requests that a server has handed out and that have not gone yet. */
export class Guests {
  readonly #since = new Map<Request, number>()
  #left = 0
  #empty: Deferred<void> | undefined

  /** How many there are. */
  get size(): number {
    return this.#since.size
  }

  /** How many have gone so far. */
  get left(): number {
    return this.#left
  }

  /** One more, until it has gone. */
  add(request: Request): void {
    this.#since.set(request, performance.now())
    request.whenClosed(this.#gone)
  }

  /** Whether all have gone: now, or when they have. */
  empty(): Promise<void> {
    if (this.#since.size === 0) return Promise.resolve()
    this.#empty ??= deferred<void>()
    return this.#empty.promise
  }

  /** Cut off those that are left, and say who they were. */
  cut(deadline: number): StillOpen[] {
    const now = performance.now()
    const cut: StillOpen[] = []
    for (const [request, since] of [...this.#since]) {
      const { clientAddress, bytesIn, bytesOut } = request
      cut.push({ clientAddress, age: now - since, bytesIn, bytesOut })
      const why = `The request from ${formatAddress(clientAddress)} was aborted: the server's deadline of ${deadline} ms came`
      request.abort(new AbortedError(why, 'deadline'))
    }
    return cut
  }

  readonly #gone = (request: Request): void => {
    if (!this.#since.delete(request)) return
    this.#left++
    if (this.#since.size > 0) return
    this.#empty?.resolve()
    this.#empty = undefined
  }
}

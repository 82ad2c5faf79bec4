import { formatAddress } from '../address.ts'
import { AbortedError } from '../errors.ts'
import { type Deferred, deferred } from '../iterator/deferred.ts'
import type { Settlement } from '../outcome.ts'
import type { Request, StillOpen } from '../request.ts'

/** The requests that a server has handed out and that have not gone yet. */
export class Guests {
  readonly #since = new Map<Request, number>()
  readonly #goneAtWork = new Map<Request, Settlement>()
  #finished = 0
  #empty: Deferred<void> | undefined

  /** How many there are. */
  get size(): number {
    return this.#since.size
  }

  /** How many have gone by themselves so far: neither refused nor cut off by the server. */
  get finished(): number {
    return this.#finished
  }

  /** One more, until it has gone. */
  add(request: Request): void {
    this.#since.set(request, performance.now())
    request.whenClosed(this.#gone)
  }

  /** Settles when all have gone. */
  empty(): Promise<void> {
    if (this.#since.size === 0) return Promise.resolve()
    this.#empty ??= deferred<void>()
    return this.#empty.promise
  }

  /** Cut off those that are left, and say who they were. */
  cut(deadline: number): StillOpen[] {
    const now = performance.now()
    const cut: StillOpen[] = []
    const left = [...this.#since]
    this.#since.clear()
    this.#goneAtWork.clear()
    for (const [request, since] of left) {
      const { clientAddress, bytesIn, bytesOut } = request
      // Served: only its peer has not ended yet.
      if (request.lingering && !request.held) this.#finished++
      else cut.push({ request, clientAddress, age: now - since, bytesIn, bytesOut })
      const why = `The request from ${formatAddress(clientAddress)} was aborted: the server's deadline of ${deadline} ms came`
      request.abort(new AbortedError(why, 'deadline'))
    }
    return cut
  }

  /** Whoever held a request, which may have gone meanwhile, has done with it. */
  letGo(request: Request): void {
    const outcome = this.#goneAtWork.get(request)
    if (outcome === undefined) return
    this.#goneAtWork.delete(request)
    this.#gone(request, outcome)
  }

  readonly #gone = (request: Request, outcome: Settlement): void => {
    // The peer has gone, its handler has not: it is somebody's work still.
    if (request.held && this.#since.has(request)) {
      this.#goneAtWork.set(request, outcome)
      return
    }
    if (!this.#since.delete(request)) return
    if (!(outcome.status === 'aborted' && wasRefused(outcome.reason))) this.#finished++
    if (this.#since.size > 0) return
    this.#empty?.resolve()
    this.#empty = undefined
  }
}

function wasRefused(reason: Error): boolean {
  return reason instanceof AbortedError && reason.cause === 'refused'
}

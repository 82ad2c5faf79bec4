import { performance } from 'node:perf_hooks'
import type { Seat } from '../accept/request/seat.ts'
import { formatAddress } from '../address.ts'
import { AbortedError } from '../errors.ts'
import type { ServerLimits, StreamLimits } from '../limits.ts'
import type { Request } from '../request.ts'
import type { Guests, Seated } from './guests.ts'

// A limit is overrun by two looks at most: a quarter of it.
const looksPerLimit = 8
const longestPause = 1_000

/**
 * Cuts off those who take too long. One timer a server, which looks at all its guests a few times within the shortest limit:
 * a byte that comes costs nothing, and a limit that is changed holds for those inside.
 */
export class TimeLimits {
  readonly #guests: Guests
  readonly #limits: Readonly<ServerLimits & Partial<StreamLimits>>
  #timer: NodeJS.Timeout | undefined
  #pause = Number.POSITIVE_INFINITY
  #watchesIdle = false

  /**
   * @param guests - who is looked at
   * @param limits - as they are now
   */
  constructor(guests: Guests, limits: Readonly<ServerLimits & Partial<StreamLimits>>) {
    this.#guests = guests
    this.#limits = limits
    this.changed()
  }

  /** The limits have changed. */
  changed(): void {
    const { requestTimeout, idleTimeout = Number.POSITIVE_INFINITY } = this.#limits
    const shortest = Math.min(requestTimeout, idleTimeout)
    this.#pause =
      shortest === Number.POSITIVE_INFINITY ? shortest : Math.min(longestPause, Math.max(1, shortest / looksPerLimit))
    const watchesIdle = idleTimeout < Number.POSITIVE_INFINITY
    // Nobody has looked so far whether a handler waited for its client, or computed.
    if (watchesIdle && !this.#watchesIdle) {
      const now = performance.now()
      this.#guests.each((_, place) => {
        place.quietSince = now
      })
    }
    this.#watchesIdle = watchesIdle
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.watch()
  }

  /** Somebody has come. */
  watch(): void {
    if (this.#timer !== undefined || this.#pause === Number.POSITIVE_INFINITY || this.#guests.size === 0) return
    // Whoever is inside holds the process by themselves.
    this.#timer = setTimeout(this.#look, this.#pause).unref()
  }

  readonly #look = (): void => {
    this.#timer = undefined
    const now = performance.now()
    this.#guests.each((request, place) => this.#judge(request, place, now))
    this.watch()
  }

  #judge(request: Seated, place: Seat, now: number): void {
    // Over already, but for its handler, or for its peer's end.
    if (request.abortReason !== undefined || request.lingering || place.gone !== undefined) return
    const { requestTimeout, idleTimeout = Number.POSITIVE_INFINITY } = this.#limits
    if (now - place.since >= requestTimeout) {
      cut(request, 'timeout', `it took longer than the requestTimeout of ${requestTimeout} ms`)
      return
    }
    if (idleTimeout === Number.POSITIVE_INFINITY) return
    if (request.waitsForInput !== true || request.bytesIn !== place.bytes) {
      place.bytes = request.bytesIn
      place.quietSince = now
    } else if (now - place.quietSince >= idleTimeout) {
      cut(request, 'idle', `nothing came for longer than the idleTimeout of ${idleTimeout} ms`)
    }
  }
}

function cut(request: Request, cause: 'idle' | 'timeout', why: string): void {
  request.abort(new AbortedError(`The request from ${formatAddress(request.clientAddress)} was aborted: ${why}`, cause))
}

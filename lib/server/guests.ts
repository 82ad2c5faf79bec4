import { performance } from 'node:perf_hooks'
import { begin, end, isUnderWay, markCut } from '../accept/request/life.ts'
import { type Seat, seat } from '../accept/request/seat.ts'
import { formatAddress } from '../address.ts'
import { AbortedError } from '../errors.ts'
import { type Deferred, deferred } from '../iterator/deferred.ts'
import type { Settlement } from '../outcome.ts'
import type { Request, StillOpen } from '../request.ts'

/** A request that may have its place. */
export interface Seated extends Request {
  [seat]?: Seat | undefined
  /** Whether a read waits for the peer, where that can be said. */
  readonly waitsForInput?: boolean
  /** How it was closed, once it was, where that can be said. */
  readonly closedWith?: Settlement | undefined
}

/** The requests that a server has handed out and that have not gone yet. */
export class Guests {
  // Each knows its place. A Map of them makes a new table every few deletions, and old tables keep alive, until the next
  // large garbage collection, all that was in them: milliseconds at a time, under a flood.
  readonly #present: Seated[] = []
  #finished = 0
  #empty: Deferred<void> | undefined
  readonly #changed: () => void

  /** @param changed - called when there is one more, or one less */
  constructor(changed: () => void = () => {}) {
    this.#changed = changed
  }

  /** How many there are. */
  get size(): number {
    return this.#present.length
  }

  /** How many have gone by themselves so far: neither refused nor cut off by the server. */
  get finished(): number {
    return this.#finished
  }

  /** One more, until it has gone. */
  add(request: Seated): void {
    const other = request[seat]
    if (other !== undefined && (this.#seatOf(request)?.at ?? -1) >= 0) return
    const since = performance.now()
    request[seat] = {
      host: this,
      other,
      at: this.#present.length,
      since,
      bytes: 0,
      quietSince: since,
      gone: undefined
    }
    this.#present.push(request)
    request.whenClosed(this.#gone)
    this.#changed()
  }

  /** Somebody has got one, which may have gone before. */
  begin(request: Seated): void {
    begin(request)
    const place = this.#seatOf(request)
    if (place !== undefined && place.at < 0) request.whenClosed((_, outcome) => tellEnd(request, place, outcome))
  }

  /** Each of them; whoever is called for may go. */
  each(callback: (request: Seated, place: Seat) => void): void {
    // From the end: the last takes the place of one that goes.
    for (let i = this.#present.length - 1; i >= 0; i--) {
      const request = this.#present[i]
      if (request !== undefined) callback(request, this.#taken(request))
    }
  }

  /** Settles when all have gone. */
  empty(): Promise<void> {
    if (this.size === 0) return Promise.resolve()
    this.#empty ??= deferred<void>()
    return this.#empty.promise
  }

  /** Cut off those that are left, and say who they were. */
  cut(deadline: number): StillOpen[] {
    const now = performance.now()
    const cut: StillOpen[] = []
    // In the order in which they came: those who left have mixed it up.
    const left = this.#present.splice(0).sort((a, b) => this.#taken(a).since - this.#taken(b).since)
    for (const request of left) {
      const place = this.#taken(request)
      place.at = -1
      place.gone = undefined
      const { clientAddress, bytesIn, bytesOut } = request
      // Served, or refused: only its peer has not ended yet.
      const outcome = request.lingering && !request.held ? request.closedWith : undefined
      if (outcome === undefined) cut.push({ request, clientAddress, age: now - place.since, bytesIn, bytesOut })
      else this.#count(outcome)
      const why = `The request from ${formatAddress(clientAddress)} was aborted: the server's deadline of ${deadline} ms came`
      const reason = new AbortedError(why, 'deadline')
      request.abort(reason)
      // Its handler may never return.
      tellEnd(request, place, outcome ?? { status: 'aborted', reason })
      markCut(request)
    }
    this.#changed()
    return cut
  }

  /** Whoever held a request, which may have gone meanwhile, has done with it. */
  letGo(request: Seated): void {
    const outcome = this.#seatOf(request)?.gone
    if (outcome !== undefined) this.#gone(request, outcome)
  }

  readonly #gone = (request: Seated, outcome: Settlement): void => {
    const place = this.#seatOf(request)
    if (place === undefined || place.at < 0) return
    // The peer has gone, its handler has not: it is somebody's work still.
    if (request.held) {
      place.gone = outcome
      return
    }
    this.#leave(place)
    tellEnd(request, place, outcome)
    this.#count(outcome)
    if (this.size === 0) {
      this.#empty?.resolve()
      this.#empty = undefined
    }
    this.#changed()
  }

  #count(outcome: Settlement): void {
    if (!(outcome.status === 'aborted' && wasRefused(outcome.reason))) this.#finished++
  }

  /** The last takes the place that is left. */
  #leave(place: Seat): void {
    const last = this.#present.pop() as Seated
    const its = this.#taken(last)
    if (its !== place) {
      this.#present[place.at] = last
      its.at = place.at
    }
    place.at = -1
    place.gone = undefined
  }

  // A server may hand out what it gets from another: the request is a guest of both.
  #seatOf(guest: Seated): Seat | undefined {
    let its = guest[seat]
    while (its !== undefined && its.host !== this) its = its.other
    return its
  }

  #taken(guest: Seated): Seat {
    return this.#seatOf(guest) as Seat
  }
}

/** Of what a mode serves the mode has told, where it came to that. */
function tellEnd(request: Request, place: Seat, outcome: Settlement): void {
  if (!isUnderWay(request)) return
  const elapsed = performance.now() - place.since
  const { ranBy } = request
  end(ranBy === undefined ? { request, elapsed, ...outcome } : { request, elapsed, ...outcome, ranBy })
}

function wasRefused(reason: Error): boolean {
  return reason instanceof AbortedError && reason.cause === 'refused'
}

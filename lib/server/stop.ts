import { isDivided } from '../accept/request/life.ts'
import { draining } from '../events.ts'
import { deferred } from '../iterator/deferred.ts'
import { turn } from '../iterator/turn.ts'
import type { Report, RequestServer, StillOpen } from '../request.ts'
import type { Stats } from '../stats.ts'
import type { Guests } from './guests.ts'

/** What is stopped, and in which order: the steps of {@link stop} call these. */
export interface Stoppable {
  /** The server. */
  readonly server: RequestServer
  /** Those inside. */
  readonly guests: Guests
  /** What is counted. */
  readonly counters: Stats
  /** Nobody new comes in; the readers of what waits go on. */
  shutDoor(): Promise<void>
  /** Those who wait are refused, and the readers see the end. */
  clearQueue(): void
  /** Settles when nobody waits any more. */
  readonly queueEmpty: Promise<void>
  /** Everything is given back. */
  release(): Promise<void>
}

/** A deadline that can be moved nearer while it runs. */
export class Deadline {
  readonly #reached = deferred<number>()
  #at = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #over = false

  /** Settles with its milliseconds when it is reached; never, where it is not. */
  get reached(): Promise<number> {
    return this.#reached.promise
  }

  /** Move it nearer; a later one is ignored. */
  within(milliseconds: number): void {
    const at = performance.now() + milliseconds
    if (this.#over || at >= this.#at) return
    this.#at = at
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#reached.resolve(milliseconds), milliseconds)
  }

  /** It is not needed any more. */
  cancel(): void {
    this.#over = true
    clearTimeout(this.#timer)
  }
}

/**
 * Stop a server: the door, the queue, those inside, the lights.
 *
 * @param stoppable - what is stopped
 * @param deadline - when those inside are cut off
 */
export async function stop(stoppable: Stoppable, deadline: Deadline): Promise<Report> {
  const { server, guests, counters } = stoppable
  if (draining.hasSubscribers) draining.publish({ server, open: guests.size })
  const before = { finished: guests.finished, refused: counters.refused + counters.dropped }
  let stillOpen: StillOpen[] = []
  const settled = stoppable
    .shutDoor()
    .then(() => stoppable.queueEmpty)
    .then(() => guests.empty())
  const cutAfter = await Promise.race([settled, deadline.reached])
  if (cutAfter !== undefined) {
    stoppable.clearQueue()
    stillOpen = guests.cut(cutAfter)
    // Of the others nobody counts whether they are served.
    for (const { request } of stillOpen) if (request.held && !isDivided(request)) counters.failed++
    // A destroyed socket gives its descriptor back at the end of this turn.
    await turn()
  }
  deadline.cancel()
  await stoppable.release()
  const report: Report = {
    finished: guests.finished - before.finished,
    aborted: stillOpen.length,
    refused: counters.refused + counters.dropped - before.refused,
    stillOpen
  }
  if (draining.hasSubscribers) draining.publish({ server, open: guests.size, report })
  return report
}

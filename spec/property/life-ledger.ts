import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { DrainEvent, EndEvent, RefusedEvent, Report, Request, StartEvent } from '../../lib/index.ts'
import { AbortedError } from '../../lib/index.ts'
import type { AnyServer } from './life-subjects.ts'

/** Throws where something does not hold, saying what. */
export function holds(what: string, is: boolean, ...known: unknown[]): void {
  if (!is) throw new Error([`this does not hold: ${what}`, ...known.map((one) => JSON.stringify(one))].join(' '))
}

/** That two are equal. */
export function same(what: string, found: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(expected)]
  if (is !== should) throw new Error(`this does not hold: ${what} is ${is}, and should be ${should}`)
}

const sum = (by: Record<string, number>): number => Object.values(by).reduce((all, one) => all + one, 0)

/** What the events of a server tell, against what it counts and reports. */
export class Ledger implements Disposable {
  readonly #server: AnyServer
  readonly #heard: Record<string, (message: unknown) => void>
  readonly #ends = new Map<Request, EndEvent['outcome'][]>()
  readonly #drains: DrainEvent[] = []
  readonly #verified = new Set<Request>()
  readonly #wrong: unknown[] = []
  readonly #refusedBy: Record<string, number> = {}
  #accepted = 0
  #dropped = 0
  // As it was when the server began to close.
  #atClose: { readonly turnedAway: number; readonly open: number; readonly started: number } | undefined
  /** Those that a bare loop has got: of them nobody counts whether they are served. */
  readonly bare = new Set<Request>()
  /** Those whom a handler has got. */
  readonly handled = new Set<Request>()

  constructor(server: AnyServer) {
    this.#server = server
    this.#heard = {
      accepted: () => this.#accepted++,
      refused: (message) => {
        const { reason } = message as RefusedEvent
        this.#refusedBy[reason] = (this.#refusedBy[reason] ?? 0) + 1
      },
      dropped: () => this.#dropped++,
      start: (message) => this.#started((message as StartEvent).request),
      end: (message) => this.#ended(message as EndEvent),
      drain: (message) => this.#draining(message as DrainEvent)
    }
    for (const [name, heard] of Object.entries(this.#heard)) {
      const mine = (message: unknown): void => {
        if ((message as StartEvent).server !== (server as unknown)) return
        try {
          heard(message)
        } catch (error) {
          // Nobody who publishes may hear of it.
          this.#wrong.push(error)
        }
      }
      this.#heard[name] = mine
      subscribe(`it-socketserver:${name}`, mine)
    }
  }

  /** A request that the server's `verifyRequest` sees. */
  verified(request: Request): void {
    holds('verifyRequest sees a request once', !this.#verified.has(request))
    this.#verified.add(request)
  }

  /** What must hold at any time. */
  look(): void {
    if (this.#wrong.length > 0) throw this.#wrong[0]
    const { refused, refusedBy, dropped, droppedBy, served, failed, open, waiting, accepted } = this.#server.stats()
    same('the refused, by reason', sum(refusedBy), refused)
    same('the dropped, by reason', sum(droppedBy), dropped)
    same('the refused that events told of', sum(this.#refusedBy), refused)
    same('the dropped that events told of', this.#dropped, dropped)
    if (this.#accepted > 0) same('the accepted that events told of', this.#accepted, accepted)
    holds('counters do not go below zero', Math.min(open, waiting, served, failed) >= 0, this.#server.stats())
    holds('no more are served than have started', served + failed <= this.#ends.size, served, failed)
    holds('no more have started than were accepted', this.#ends.size <= accepted)
    for (const ends of this.#ends.values()) holds('a request ends once', ends.length <= 1)
  }

  /** What must hold when it has closed, of those who knew it. */
  closed(report: Report): void {
    this.look()
    const { served, failed, open, waiting, accepted, refused, refusedBy, dropped } = this.#server.stats()
    same('open and waiting', [open, waiting], [0, 0])
    let [countedEnds, turnedAway, cutEarly] = [0, 0, 0]
    for (const [request, ends] of this.#ends) {
      same('the ends of a request that has started', ends.length, 1)
      const [outcome] = ends
      const isRefused = outcome?.status === 'aborted' && isRefusal(outcome.reason)
      if (isRefused) turnedAway++
      else if (this.bare.has(request)) continue
      else if (this.handled.has(request)) countedEnds++
      else {
        // It was cut off between the loop and the handler: by the deadline, or before the mode, or its stage, had it.
        same('how ended what no handler got', outcome?.status, 'aborted')
        if (!isCut(outcome)) cutEarly++
      }
    }
    const counted = served + failed
    holds('the served and failed', counted >= countedEnds && counted <= countedEnds + cutEarly, counted, countedEnds)
    // Whoever was taken in has started, or was refused; by some listeners, refused before it was counted as accepted.
    const untaken = accepted - this.#ends.size
    holds('the accepted have started, or were refused', untaken + turnedAway >= 0, untaken, turnedAway)
    holds('nobody was refused but before the start', untaken <= refused + dropped, untaken, this.#server.stats())
    holds('those verified have started, or were refused', this.#verified.size >= this.#ends.size)
    holds(
      'whom verifyRequest refused is counted',
      this.#verified.size - this.#ends.size <= refusedBy.verify + refusedBy.closing
    )
    same(
      'the drain events',
      this.#drains.map(({ report: one }) => one !== undefined),
      [false, true]
    )
    holds('the report is the one of the event', this.#drains[1]?.report === report)
    same('those still open', report.stillOpen.length, report.aborted)
    const before = this.#atClose
    if (before === undefined) return
    same('the refused of the report', report.refused, refused + dropped - before.turnedAway)
    const { size: started } = this.#ends
    holds(
      'those inside at the close, and those taken later, have finished or were cut off',
      report.finished + report.aborted >= started - turnedAway - before.started &&
        report.finished + report.aborted <= before.open + accepted,
      report,
      before,
      started
    )
  }

  /** What became of a request that has started, where it has ended. */
  statusOf(request: Request): string | undefined {
    return this.#ends.get(request)?.[0]?.status
  }

  [Symbol.dispose](): void {
    for (const [name, heard] of Object.entries(this.#heard)) unsubscribe(`it-socketserver:${name}`, heard)
  }

  #started(request: Request): void {
    holds('a request starts once', !this.#ends.has(request))
    this.#ends.set(request, [])
  }

  #ended({ outcome }: EndEvent): void {
    const ends = this.#ends.get(outcome.request)
    holds('what ends has started', ends !== undefined)
    ends?.push(outcome)
  }

  #draining(event: DrainEvent): void {
    this.#drains.push(event)
    if (event.report !== undefined) return
    const { refused, dropped, open } = this.#server.stats()
    this.#atClose = { turnedAway: refused + dropped, open, started: this.#ends.size }
  }
}

function isCut(outcome: EndEvent['outcome'] | undefined): boolean {
  return outcome?.status === 'aborted' && outcome.reason instanceof AbortedError && outcome.reason.cause === 'deadline'
}

function isRefusal(reason: Error): boolean {
  return reason instanceof AbortedError && reason.cause === 'refused'
}

import { requestEnd, requestStart } from '../../events.ts'
import type { Outcome } from '../../outcome.ts'
import type { Request } from '../../request.ts'

/** Where a request keeps whether its start and its end were published: exactly one end comes for each start. */
export const life = Symbol('life')

/** How far it is: `undefined` before its start; `cut` where a deadline came, and nothing more is told or counted. */
export type Life = 'begun' | 'ended' | 'cut' | undefined

interface Living extends Request {
  [life]?: Life
}

/** Somebody has got the request; only the first time counts. */
export function begin(request: Living): void {
  if (request[life] !== undefined) return
  request[life] = 'begun'
  if (requestStart.hasSubscribers) requestStart.publish({ server: request.server, request })
}

const divided = new WeakSet<Request>()

/** What is on it is served from now on, each a request of its own that is counted, and not this one. */
export function divide(request: Request): void {
  divided.add(request)
}

/** Whether what is on it is served, and not itself. */
export function isDivided(request: Request): boolean {
  return divided.has(request)
}

/** Whether its start was published, and its end was not. */
export function isUnderWay(request: Living): boolean {
  return request[life] === 'begun'
}

/** It has ended; only the first time counts. */
export function end(outcome: Outcome<Living>): void {
  const { request } = outcome
  if (request[life] === 'ended' || request[life] === 'cut') return
  request[life] = 'ended'
  if (requestEnd.hasSubscribers) requestEnd.publish({ server: request.server, outcome })
}

/** Its server has cut it off at a deadline, and told what there was to tell. */
export function markCut(request: Living): void {
  request[life] = 'cut'
}

/** Whether a deadline came. */
export function wasCut(request: Living): boolean {
  return request[life] === 'cut'
}

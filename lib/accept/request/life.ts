import { requestEnd, requestStart } from '../../events.ts'
import type { Outcome } from '../../outcome.ts'
import type { Request } from '../../request.ts'

/** Where a request keeps whether its start and its end were published: exactly one end comes for each start. */
export const life = Symbol('life')

/** How far it is: `undefined` before its start. */
export type Life = 'begun' | 'ended' | undefined

interface Living extends Request {
  [life]?: Life
}

/** Somebody has got the request; only the first time counts. */
export function begin(request: Living): void {
  if (request[life] !== undefined) return
  request[life] = 'begun'
  if (requestStart.hasSubscribers) requestStart.publish({ server: request.server, request })
}

/** Whether its start was published, and its end was not. */
export function isUnderWay(request: Living): boolean {
  return request[life] === 'begun'
}

/**
 * It has ended.
 *
 * @returns false where that was said before
 */
export function end(outcome: Outcome<Living>): boolean {
  const { request } = outcome
  if (request[life] === 'ended') return false
  request[life] = 'ended'
  if (requestEnd.hasSubscribers) requestEnd.publish({ server: request.server, outcome })
  return true
}

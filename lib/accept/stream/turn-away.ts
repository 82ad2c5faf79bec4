import { refused } from '../../events.ts'
import type { Stats } from '../../stats.ts'
import type { StreamRequest } from './stream-request.ts'

/**
 * Turn a connection away, counted and published.
 *
 * @param request - the connection
 * @param reason - no room, or nobody any more
 * @param maxPending - how many wait where there is no room
 * @param stats - where it is counted
 */
export function turnAway(
  request: StreamRequest,
  reason: 'pending' | 'closing',
  maxPending: number,
  stats: Stats
): void {
  stats.refused++
  if (refused.hasSubscribers) refused.publish({ clientAddress: request.clientAddress, reason })
  request.refuse(`the server ${reason === 'pending' ? `has ${maxPending} waiting` : 'is closing'}`)
}

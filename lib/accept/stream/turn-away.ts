import type { Address } from '../../address.ts'
import { refused } from '../../events.ts'
import type { Stats } from '../../stats.ts'
import type { StreamRequest } from './stream-request.ts'

/** Why a connection is turned away before anybody has it. */
export type TurnedAway = 'pending' | 'closing' | 'handshake'

/**
 * Turn a connection away, counted and published.
 *
 * @param request - the connection
 * @param reason - no room, nobody any more, or gone before its handshake
 * @param maxPending - how many wait where there is no room
 * @param stats - where it is counted
 */
export function turnAway(request: StreamRequest, reason: TurnedAway, maxPending: number, stats: Stats): void {
  const words = {
    pending: `the server has ${maxPending} waiting`,
    closing: 'the server is closing',
    handshake: 'it was gone before its TLS handshake'
  }
  countTurnedAway(request.clientAddress, reason, stats)
  request.refuse(words[reason])
}

/** Count and publish one of which there is no request. */
export function countTurnedAway(clientAddress: Address | undefined, reason: TurnedAway, stats: Stats): void {
  stats.refused++
  if (refused.hasSubscribers) refused.publish({ clientAddress, reason })
}

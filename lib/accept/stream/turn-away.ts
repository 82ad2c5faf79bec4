import type { RefusalReason } from '../../stats.ts'
import { countRefused } from '../request/count-refused.ts'
import type { StreamContext } from './stream-context.ts'
import type { StreamRequest } from './stream-request.ts'

/** Why a connection is turned away before anybody has it. */
export type TurnedAway = Exclude<RefusalReason, 'verify'>

/**
 * Turn a connection away, counted and published.
 *
 * @param request - the connection
 * @param reason - why
 * @param context - where it is counted, and the limits
 */
export function turnAway(request: StreamRequest, reason: TurnedAway, context: StreamContext): void {
  const { server, stats, limits } = context
  const words: Record<TurnedAway, string> = {
    pending: `the server has ${limits.maxPending} waiting`,
    connections: `the server has ${limits.maxConnections} connections`,
    address: `the server has ${limits.maxConnectionsPerAddress} connections of its address`,
    suspended: 'the server is suspended',
    closing: 'the server is closing',
    handshake: 'it was gone before its TLS handshake',
    proxy: 'it had no PROXY header'
  }
  countRefused(stats, { server, clientAddress: request.clientAddress, reason })
  request.refuse(words[reason])
}
